"""Parts of a translation model that a language can have of its own."""

from functools import partial
from typing import Callable, Iterable

from torch import nn

from lass_plugin.anatomy.places import (
    CROSS_ATTENTION,
    SELF_ATTENTION,
    SIDES,
    Place,
    find_place,
    parse_names,
)
from lass_plugin.errors import LassError

_ENCODER, _DECODER = SIDES


def _side(side: str) -> Callable[[str, Place], bool]:
    return lambda name, place: name.partition(".")[0] == side


def _attention(side: str, attention: str) -> Callable[[str, Place], bool]:
    return lambda name, place: place.side == side and place.attention == attention


_ATTENTIONS = {
    "encoder-self-attention": _attention(_ENCODER, SELF_ATTENTION),
    "decoder-self-attention": _attention(_DECODER, SELF_ATTENTION),
    "cross-attention": _attention(_DECODER, CROSS_ATTENTION),
}

PARTS: dict[str, Callable[[str, Place], bool]] = {
    "decoder": _side(_DECODER),
    "encoder": _side(_ENCODER),
    "attention": lambda name, place: any(
        each(name, place) for each in _ATTENTIONS.values()
    ),
    **_ATTENTIONS,
}
"""Part -> whether a parameter is of it. An attention is its four projections with their
biases, in every layer."""

parse_parts = partial(parse_names, PARTS, "part of a model")


def own_parameters(
    model: nn.Module, parts: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """First name of each parameter that is of *parts* alone -> all its names.

    A tensor that is used elsewhere too is left out: the table that
    ``--share-all-embeddings`` makes of three is the encoder's as well as the decoder's.

    Raises:
        LassError: a part covers nothing.
    """
    wanted, names = [(part, PARTS[part]) for part in parts], _names(model)
    for part, is_of in wanted:
        if not any(is_of(name, find_place(name)) for each in names for name in each):
            raise LassError(f"this model has no {part}; leave it out of --own")
    return {
        each[0]: each
        for each in names
        if all(any(of(name, find_place(name)) for _, of in wanted) for name in each)
    }


def _names(model: nn.Module) -> list[tuple[str, ...]]:
    """The names of each parameter, in the model's order."""
    found: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        found.setdefault(id(parameter), []).append(name)
    return [tuple(names) for names in found.values()]
