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
    return place.part in (EMBEDDING, OUTPUT_PROJECTION) and place.tensor == "weight"


def is_embedding(name: str) -> bool:
    """Whether *name* is of an embedding or its module."""
    return find_place(name).part == EMBEDDING


def vocabulary_of(names: Iterable[str]) -> list[str]:
    """The names of vocabulary matrices: embeddings of source and target, projection."""
    return sorted(
        filter(is_vocabulary, names),
        key=lambda name: (not is_embedding(name), SIDES.index(find_place(name).side)),
    )


def embedding_of(tensors: Mapping[str, Tensor], side: str) -> Tensor | None:
    """``(symbols, units)`` embedding of *side*; None where it is in another form."""
    for name in filter(is_embedding, vocabulary_of(tensors)):
        if find_place(name).side == side:
            return tensors[name]
    return None


def shared_names(options: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Name -> first name of the same tensor, for matrices that a model shares.

    Args:
        options: of the model; they say what is shared.
        names: of its weights, every name of a shared one among them.
    """
    known = vocabulary_of(names)
    of_decoder = [name for name in known if find_place(name).side == SIDES[1]]
    if of_decoder:
        everything = ("share_all_embeddings", "merge_src_tgt_embed")
        if not any(map(options.get, everything)):
            shares = options.get("share_decoder_input_output_embed")
            known = of_decoder if shares else []
    elif options.get("untie_weights_roberta"):  # else an encoder alone shares them
        known = []
    return {name: known[0] for name in known[1:]}


def is_adaptive_softmax(name: str) -> bool:
    """Whether *name* is of an output layer that is no plain projection."""
    return find_place(name).part == ADAPTIVE_SOFTMAX
