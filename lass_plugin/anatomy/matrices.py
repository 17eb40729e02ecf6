"""Matrices of a transformer that a low-rank module can stand beside."""

import re
from dataclasses import dataclass
from typing import Iterable, Mapping

from torch import Tensor

from lass_plugin.errors import LassError

KINDS: dict[str, str] = {
    "q": "self_attn.q_proj",
    "k": "self_attn.k_proj",
    "v": "self_attn.v_proj",
    "out": "self_attn.out_proj",
    "c-q": "encoder_attn.q_proj",
    "c-k": "encoder_attn.k_proj",
    "c-v": "encoder_attn.v_proj",
    "c-out": "encoder_attn.out_proj",
    "fc1": "fc1",
    "fc2": "fc2",
}
"""Name of each kind of matrix in the paper -> its name within a layer."""

DEFAULT_KINDS = ("q", "k", "v", "c-q", "c-k", "c-v", "fc1", "fc2")
"""Those of Cao 2024, §6.1; output projections of attention are a further choice."""

FEED_FORWARD = ("fc1", "fc2")

SIDES = ("encoder", "decoder")

_NAMES = {name: kind for kind, name in KINDS.items()}
_PLACE = re.compile(r"(encoder|decoder)\.layers\.(\d+)\.(.+)\.weight")


@dataclass(frozen=True)
class Matrix:
    """A weight matrix W of the base."""

    name: str
    """Of the module that owns it: ``encoder.layers.0.self_attn.q_proj``."""
    side: str
    layer: int
    """From 0."""
    kind: str
    outputs: int
    inputs: int

    @property
    def units(self) -> int:
        """Weights that a module of rank 1 beside it has: those of A and of B."""
        return self.outputs + self.inputs

    @property
    def square_units(self) -> int:
        """The same of a square of the smaller side, as the tables of Cao 2024 count."""
        return 2 * min(self.outputs, self.inputs)


def parse_kinds(text: str | Iterable[str]) -> tuple[str, ...]:
    """Read ``q,k,fc1`` into a tuple in the order of :data:`KINDS`.

    Raises:
        LassError: a name is unknown, or there is none.
    """
    items = text.split(",") if isinstance(text, str) else list(text)
    wanted = {item.strip() for item in items if item.strip()}
    unknown = sorted(wanted - KINDS.keys())
    if unknown or not wanted:
        raise LassError(
            f"unknown matrix '{unknown[0] if unknown else ''}'; choose from "
            f"{', '.join(KINDS)}"
        )
    return tuple(kind for kind in KINDS if kind in wanted)


def find_matrices(
    tensors: Mapping[str, Tensor], kinds: Iterable[str] = DEFAULT_KINDS
) -> dict[str, Matrix]:
    """The matrices of *kinds*, encoder first, layer by layer.

    Args:
        tensors: name -> parameter or stored weight.

    Raises:
        LassError: there is none of a kind.
    """
    kinds = tuple(kinds)
    found = []
    for name, tensor in tensors.items():
        place = _PLACE.fullmatch(name)
        if place and _NAMES.get(place[3]) in kinds:
            found.append(matrix_of(name.removesuffix(".weight"), *tensor.shape))
    for kind in kinds:
        if all(matrix.kind != kind for matrix in found):
            raise LassError(
                f"this model has no matrix '{kind}' ({KINDS[kind]}); leave it out"
            )
    order = list(KINDS)
    found.sort(key=lambda m: (SIDES.index(m.side), m.layer, order.index(m.kind)))
    return {matrix.name: matrix for matrix in found}


def matrix_of(name: str, outputs: int, inputs: int) -> Matrix:
    """The matrix *name*, ``(outputs, inputs)``, such as ``encoder.layers.0.fc1``.

    Raises:
        ValueError: it is no name of a matrix that modules can stand beside.
    """
    place = _PLACE.fullmatch(f"{name}.weight")
    if place is None or place[3] not in _NAMES:
        raise ValueError(f"{name} is no matrix of a layer")
    return Matrix(name, place[1], int(place[2]), _NAMES[place[3]], outputs, inputs)


def place_of(matrix: str) -> tuple[str, int]:
    """Side and layer of a matrix by its name, such as ``encoder.layers.0.fc1``.

    Raises:
        ValueError: it is no name of a matrix of a layer.
    """
    place = _PLACE.fullmatch(f"{matrix}.weight")
    if place is None:
        raise ValueError(f"{matrix} is no matrix of a layer")
    return place[1], int(place[2])


def count_layers(tensors: Iterable[str]) -> dict[str, int]:
    """Side -> number of its layers, from the names of a model's weights."""
    counts = dict.fromkeys(SIDES, 0)
    for name in tensors:
        if place := _PLACE.fullmatch(name):
            counts[place[1]] = max(counts[place[1]], int(place[2]) + 1)
    return counts
