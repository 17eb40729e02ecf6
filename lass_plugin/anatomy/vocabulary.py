"""Vocabulary matrices: those with a row for each symbol of the dictionary."""

from typing import Any, Iterable, Mapping

from torch import Tensor

from lass_plugin.anatomy.places import (
    ADAPTIVE_SOFTMAX,
    EMBEDDING,
    OUTPUT_PROJECTION,
    SIDES,
    find_place,
)


def is_vocabulary(name: str) -> bool:
    """Whether *name* is of the weight of an embedding or of the output projection."""
    place = find_place(name)
    return (
        place is not None
        and place.part in (EMBEDDING, OUTPUT_PROJECTION)
        and place.tensor == "weight"
    )


def is_embedding(name: str) -> bool:
    """Whether *name* is of an embedding or its module."""
    place = find_place(name)
    return place is not None and place.part == EMBEDDING


def vocabulary_of(names: Iterable[str]) -> list[str]:
    """The names of vocabulary matrices: embeddings of source and target, projection."""
    return sorted(filter(is_vocabulary, names), key=_order)


def _order(name: str) -> tuple[bool, int]:
    place = find_place(name)
    assert place is not None
    return place.part == OUTPUT_PROJECTION, SIDES.index(place.side)


def embedding_of(tensors: Mapping[str, Tensor], side: str) -> Tensor | None:
    """``(symbols, units)`` embedding of *side*; None where it is in another form."""
    for name in vocabulary_of(tensors):
        place = find_place(name)
        if place is not None and (place.side, place.part) == (side, EMBEDDING):
            return tensors[name]
    return None


def shared_names(options: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Name -> first name of the same tensor, for matrices that a model shares.

    Args:
        options: of the model; they say what is shared.
        names: of its weights, every name of a shared one among them.
    """
    known = vocabulary_of(names)
    of_decoder = [name for name in known if _is_of_decoder(name)]
    if of_decoder:
        everything = ("share_all_embeddings", "merge_src_tgt_embed")
        if not any(options.get(option) for option in everything):
            shares = options.get("share_decoder_input_output_embed")
            known = of_decoder if shares else []
    elif options.get("untie_weights_roberta"):  # else an encoder alone shares them
        known = []
    return {name: known[0] for name in known[1:]}


def _is_of_decoder(name: str) -> bool:
    place = find_place(name)
    return place is not None and place.side == SIDES[1]


def is_adaptive_softmax(name: str) -> bool:
    """Whether *name* is of an output layer that is no plain projection."""
    place = find_place(name)
    return place is not None and place.part == ADAPTIVE_SOFTMAX
