"""Encoders alone (RoBERTa, XLM-R): where their parts stand."""

from collections.abc import Iterable, Mapping

from torch import Tensor

from lass_plugin.anatomy.places import EMBEDDING, POSITIONS, find_place

ENCODER = "encoder.sentence_encoder"
"""The encoder, where there is no decoder beside it."""
LM_HEAD = "encoder.lm_head"
"""Head of masked language modelling; its projection is tied to the embedding."""
CLASSIFICATION_HEADS = "classification_heads"

EMBEDDING_WEIGHT = f"{ENCODER}.{EMBEDDING}.weight"
POSITIONS_WEIGHT = f"{ENCODER}.{POSITIONS}.weight"
HEAD_DENSE, HEAD_NORM = f"{LM_HEAD}.dense", f"{LM_HEAD}.layer_norm"
HEAD_WEIGHT, HEAD_BIAS = f"{LM_HEAD}.weight", f"{LM_HEAD}.bias"


def stands_alone(names: str | Iterable[str]) -> bool:
    """Whether a name, or one of several, is of a model that is an encoder alone."""
    each = [names] if isinstance(names, str) else names
    return any(ENCODER.rpartition(".")[2] in name.split(".") for name in each)


def positions_of(weights: Mapping[str, Tensor]) -> int:
    """Tokens of the longest sentence: the first two rows are of padding and before."""
    return len(weights[POSITIONS_WEIGHT]) - 2


def in_layer(layer: int | str, part: str) -> str:
    """Name of a module of a layer of an encoder alone."""
    return f"{ENCODER}.layers.{layer}.{part}"


def in_another_layer(name: str, layers: Mapping[int, int]) -> str | None:
    """*name* where its layer has another number, as it is outside of the layers.

    Args:
        layers: number -> new one.

    Returns:
        None where the layer has no new number.
    """
    layer = find_place(name).layer
    if layer is None:
        return name
    if layer not in layers:
        return None
    return name.replace(f".layers.{layer}.", f".layers.{layers[layer]}.", 1)
