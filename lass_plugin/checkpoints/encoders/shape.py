"""The shape of an encoder, and the options of fairseq's ``roberta`` that build it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lass_plugin.anatomy.encoders import (
    EMBEDDING_WEIGHT,
    POSITIONS_WEIGHT,
    in_layer,
    positions_of,
)
from lass_plugin.anatomy.places import FC1, count_layers
from lass_plugin.errors import LassError


@dataclass(frozen=True)
class EncoderShape:
    """Numbers that an encoder is built from; each is a command-line option."""

    layers: int
    width: int
    feed_forward: int
    heads: int
    positions: int
    """Most tokens of a sample."""
    layer_norm_eps: float = 1e-5
    """XLM-R has 1e-5, as all of fairseq, BERT 1e-12."""
    dropout: float = 0.1
    attention_dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("layers", "width", "feed_forward", "heads", "positions"):
            if getattr(self, name) < 1:
                raise LassError(f"an encoder with {name} {getattr(self, name)} is none")
        if self.width % self.heads:
            raise LassError(
                f"an encoder of width {self.width} cannot have {self.heads} heads"
            )

    def options(self) -> dict[str, Any]:
        """Option -> value of the model."""
        return {
            "_name": "roberta",
            "arch": "roberta",
            "encoder_layers": self.layers,
            "encoder_embed_dim": self.width,
            "encoder_ffn_embed_dim": self.feed_forward,
            "encoder_attention_heads": self.heads,
            "max_positions": self.positions,
            "layer_norm_eps": self.layer_norm_eps,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
        }

    def flags(self) -> str:
        """The options as the command line of a training has them."""
        options = self.options()
        words = [f"--arch {options.pop('arch')}"]
        del options["_name"], options["dropout"], options["attention_dropout"]
        if self.layer_norm_eps == 1e-5:
            del options["layer_norm_eps"]
        words += [f"--{name.replace('_', '-')} {v}" for name, v in options.items()]
        return " ".join(words)


def shape_of(weights: Mapping[str, Tensor], options: Mapping[str, Any]) -> EncoderShape:
    """The shape of an encoder whose layers are all alike.

    Args:
        weights: by today's names.
        options: of the model; numbers that no shape tells, or the defaults of fairseq's
            ``roberta``, as public checkpoints leave them out.

    Raises:
        LassError: it is no encoder alone, or its layers have several widths.
    """
    layers = count_layers(weights)["encoder"]
    found = [weights.get(f"{in_layer(n, FC1)}.weight") for n in range(layers)]
    widths = {len(weight) for weight in found if weight is not None}
    missing = {EMBEDDING_WEIGHT, POSITIONS_WEIGHT} - weights.keys()
    if missing or len(widths) != 1 or None in found:
        raise LassError("it is no encoder alone whose layers are all of one width")
    return EncoderShape(
        layers=layers,
        width=weights[EMBEDDING_WEIGHT].shape[1],
        feed_forward=widths.pop(),
        heads=options.get("encoder_attention_heads", 12),
        positions=positions_of(weights),
        layer_norm_eps=options.get("layer_norm_eps") or 1e-5,
        dropout=options.get("dropout", 0.1),
        attention_dropout=options.get("attention_dropout", 0.1),
    )
