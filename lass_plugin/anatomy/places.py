"""Places: where each parameter of a transformer of fairseq stands.

    encoder.layers.3.self_attn.q_proj.weight                    an encoder and a decoder
    encoder.sentence_encoder.layers.3.self_attn.q_proj.weight   an encoder alone (XLM-R)
    \\____________________/        \\ / \\______________/ \\____/
             side                layer        part        tensor

All other files ask for sides, layers and parts; no other one knows how a name is
written. Targets of masks, matrices of low-rank modules, neurons, components and
vocabulary are choices of parts.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Iterable, Mapping

from lass_plugin.errors import LassError

SIDES = ("encoder", "decoder")

SELF_ATTENTION, CROSS_ATTENTION = "self_attn", "encoder_attn"
ATTENTIONS = (SELF_ATTENTION, CROSS_ATTENTION)
QUERY, KEY, VALUE, OUT = "q_proj", "k_proj", "v_proj", "out_proj"
PROJECTIONS = (QUERY, KEY, VALUE, OUT)
HEADS = "heads"
"""No module of fairseq's: the rows of neurons that are whole heads are called so."""
FC1, FC2 = "fc1", "fc2"
FEED_FORWARD = (FC1, FC2)

EMBEDDING, POSITIONS = "embed_tokens", "embed_positions"
OUTPUT_PROJECTION = "output_projection"
"""The weight of ``lm_head`` in an encoder alone, which has none of this name."""
ADAPTIVE_SOFTMAX = "adaptive_softmax"

_IN_LAYERS = (
    *(f"{each}.{matrix}" for each in ATTENTIONS for matrix in (*PROJECTIONS, HEADS)),
    *FEED_FORWARD,
    "self_attn_layer_norm",
    "encoder_attn_layer_norm",
    "final_layer_norm",
    "attn_ln",
    "ffn_layernorm",
    "c_attn",
    "w_resid",
)
_OUTSIDE = (
    EMBEDDING,
    POSITIONS,
    OUTPUT_PROJECTION,
    ADAPTIVE_SOFTMAX,
    "layernorm_embedding",
    "layer_norm",
    "project_in_dim",
    "project_out_dim",
    "quant_noise",
)
_HEADS_OF_ENCODER = (
    ("encoder.lm_head.dense", "lm_head.dense"),
    ("encoder.lm_head.layer_norm", "lm_head.layer_norm"),
    ("encoder.lm_head", OUTPUT_PROJECTION),
    ("classification_heads", "classification_heads"),
)
"""Modules of an encoder alone outside of it -> their parts."""


def _one_of(parts: Iterable[str]) -> str:
    return "|".join(map(re.escape, parts))


_SIDE = r"(?:encoder\.sentence_encoder|encoder|decoder)"
_INSIDE = rf"\.layers\.(?P<layer>\d+)\.(?P<inside>{_one_of(_IN_LAYERS)})"
_NAME = re.compile(
    rf"(?P<owner>{_SIDE}(?:{_INSIDE}|\.(?P<outside>{_one_of(_OUTSIDE)})))"
    r"(?:\.(?P<tensor>.+))?"
)


_LAYER = re.compile(rf"{_SIDE}\.layers\.\d+")


@dataclass(frozen=True)
class Place:
    """Where a parameter, a module or a row of neurons stands."""

    owner: str
    """Name of the module: ``encoder.layers.0.fc1``."""
    side: str
    """One of :data:`SIDES`."""
    layer: int | None
    """From 0; None outside of the layers."""
    part: str
    """``self_attn.q_proj``, ``fc1``, ``embed_tokens`` …"""
    tensor: str
    """``weight``, ``bias`` …; empty for the module or the neurons themselves."""

    def __bool__(self) -> bool:
        return bool(self.part)

    @property
    def attention(self) -> str:
        """One of :data:`ATTENTIONS` that it is a projection of, else empty."""
        first, dot, _ = self.part.partition(".")
        return first if dot and first in ATTENTIONS else ""

    @property
    def matrix(self) -> str:
        """The part within the attention: ``q_proj``, ``fc1`` …"""
        return self.part.rpartition(".")[2]

    @property
    def reads_source(self) -> bool:
        """Whether it is used on the tokens of the source, not on those of the target.

        The keys and values of cross-attention are computed from the encoder's output.
        """
        return self.side == SIDES[0] or (
            self.attention == CROSS_ATTENTION and self.matrix in (KEY, VALUE)
        )


NOWHERE = Place("", "", None, "", "")
"""The place of anything else; it counts as false."""


@lru_cache(maxsize=1 << 14)
def find_place(name: str) -> Place:
    """The place of a parameter, module or row of neurons, or :data:`NOWHERE`."""
    found = _NAME.fullmatch(name)
    if found:
        owner, inside = found["owner"], found["inside"]
        layer = None if inside is None else int(found["layer"])
        part, side = inside or found["outside"], owner.partition(".")[0]
        return Place(owner, side, layer, part, found["tensor"] or "")
    for module, part in _HEADS_OF_ENCODER:
        if name == module or name.startswith(f"{module}."):
            return Place(module, SIDES[0], None, part, name[len(module) + 1 :])
    return NOWHERE


def is_layer(name: str) -> bool:
    """Whether a module is a layer of the encoder or of the decoder."""
    return _LAYER.fullmatch(name) is not None


def layer_name(side: str, layer: int) -> str:
    """Name of a layer of an encoder and a decoder: ``encoder.layers.0``."""
    return f"{side}.layers.{layer}"


def count_layers(names: Iterable[str]) -> dict[str, int]:
    """Side -> number of its layers, from the names of a model's weights."""
    counts = dict.fromkeys(SIDES, 0)
    for place in map(find_place, names):
        if place.layer is not None:
            counts[place.side] = max(counts[place.side], place.layer + 1)
    return counts


def is_buffer(name: str) -> bool:
    """Whether an entry of a state dict is a mark of fairseq's and not a weight."""
    return name.rpartition(".")[2] in ("version", "_float_tensor")


def is_computed(name: str) -> bool:
    """Whether an entry of a state dict is of positions that are not learned.

    Older fairseq has them, and so the checkpoint of M2M-100.
    """
    place = find_place(name)
    return place.part == POSITIONS and place.tensor in ("weights", "_float_tensor")


def parse_names(
    known: Mapping[str, object], what: str, text: str | Iterable[str]
) -> tuple[str, ...]:
    """Read ``fc1,q`` into a tuple in the order of *known*.

    Args:
        what: one of them in the message, ``matrix``.

    Raises:
        LassError: a name is unknown or repeated, or there is none.
    """
    items = text.split(",") if isinstance(text, str) else text
    listed = [item.strip() for item in items if item.strip()]
    wanted = set(listed)
    for name in wanted if isinstance(text, str) else ():
        if listed.count(name) > 1:
            raise LassError(f"the {what} '{name}' is listed more than once")
    unknown = sorted(wanted - known.keys())
    if unknown or not wanted:
        raise LassError(
            f"unknown {what} '{unknown[0] if unknown else ''}'; choose from "
            f"{', '.join(known)}"
        )
    return tuple(name for name in known if name in wanted)
