"""Options that decide which function the weights of a model compute.

The same weights compute something else with another number of attention heads, another
activation function or layer normalisation at another place, and no shape tells.
"""

from typing import Any, Iterator

from lass_plugin.anatomy.places import SIDES
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.options import flat
from lass_plugin.errors import LassError

_OF_BOTH_SIDES = (
    "layers",
    "embed_dim",
    "ffn_embed_dim",
    "attention_heads",
    "normalize_before",
    "learned_pos",
)
_COMPARED = (
    *(f"{side}_{option}" for option in _OF_BOTH_SIDES for side in SIDES),
    "activation_fn",
    "pooler_activation_fn",
    "no_scale_embedding",
    "layernorm_embedding",
    "no_token_positional_embeddings",
    *(_SHARED := ("share_all_embeddings", "share_decoder_input_output_embed")),
)
_UNSAID = {"layer_norm_eps": 1e-5}
"""Option that a model need not say -> its value then."""


def differing_options(one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """Name and both values of each option by which two models compute otherwise.

    Args:
        one, other: options of a model, a namespace or a mapping. What one of them does
            not say is not compared.
    """
    first, second = map(_said, (one, other))
    for name in _COMPARED:
        values = first.get(name), second.get(name)
        if None not in values and values[0] != values[1]:
            yield name, *values
    for name, default in _UNSAID.items() if first and second else ():
        one, other = (said.get(name) or default for said in (first, second))
        if one != other:
            yield name, one, other


def check_architecture(start: Checkpoint, given: Any, what: str) -> None:
    """Refuse a start whose weights would compute another function than they did.

    Args:
        start: what a model begins from.
        given: options that the model is built with; None where they are not known.
        what: name of the start, for messages.

    Raises:
        LassError: names the first option that is another.
    """
    for name, before, now in differing_options(start.model_options, given):
        if name in _SHARED and before:
            continue  # weights that are no longer shared begin as the same
        option = name.replace("_", "-")
        raise LassError(
            f"{what} was trained with --{option} {before}, this model has {now}; give "
            "--arch and the options of the model that it was trained with"
        )


def _said(options: Any) -> dict[str, Any]:
    """Option -> value; fairseq sets the second kind of sharing with the first."""
    said = dict(flat(options))
    if said.get(_SHARED[0]):
        said[_SHARED[1]] = True
    return said
