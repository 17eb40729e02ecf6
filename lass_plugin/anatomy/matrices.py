"""Matrices of a transformer that a low-rank module can stand beside."""

from dataclasses import dataclass
from functools import partial
from typing import Iterable, Mapping

from torch import Tensor

from lass_plugin.anatomy.places import (
    CROSS_ATTENTION,
    FC1,
    FC2,
    KEY,
    OUT,
    QUERY,
    SELF_ATTENTION,
    SIDES,
    VALUE,
    find_place,
    parse_names,
)
from lass_plugin.errors import LassError

_PROJECTIONS = {"q": QUERY, "k": KEY, "v": VALUE, "out": OUT}

KINDS: dict[str, str] = {
    **{kind: f"{SELF_ATTENTION}.{name}" for kind, name in _PROJECTIONS.items()},
    **{f"c-{kind}": f"{CROSS_ATTENTION}.{name}" for kind, name in _PROJECTIONS.items()},
    "fc1": FC1,
    "fc2": FC2,
}
"""Name of each kind of matrix in the paper -> its part of a layer."""

DEFAULT_KINDS = ("q", "k", "v", "c-q", "c-k", "c-v", "fc1", "fc2")
"""Choice of Cao 2024, §6.1; output projections of attention can be added."""

_KIND_OF = {part: kind for kind, part in KINDS.items()}


@dataclass(frozen=True)
class Matrix:
    """A weight matrix W of the base."""

    name: str
    """Name of the module that owns it: ``encoder.layers.0.self_attn.q_proj``."""
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
    def highest_rank(self) -> int:
        """The smaller side."""
        return min(self.outputs, self.inputs)

    @property
    def square_units(self) -> int:
        """Units of a square of the smaller side, as the tables of Cao 2024 count."""
        return 2 * self.highest_rank


parse_kinds = partial(parse_names, KINDS, "matrix")


def find_matrices(
    tensors: Mapping[str, Tensor], kinds: Iterable[str] = DEFAULT_KINDS
) -> dict[str, Matrix]:
    """The matrices of *kinds*, encoder first, layer by layer.

    Args:
        tensors: name -> parameter or stored weight.

    Raises:
        LassError: there is none of a kind.
    """
    kinds, places = tuple(kinds), {name: find_place(name) for name in tensors}
    found = [
        matrix_of(place.owner, *tensors[name].shape)
        for name, place in places.items()
        if place.tensor == "weight" and _KIND_OF.get(place.part) in kinds
    ]
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
    kind = _KIND_OF.get(find_place(name).part)
    if kind is None:
        raise ValueError(f"{name} is no matrix that modules stand beside")
    return Matrix(name, *place_of(name), kind, outputs, inputs)


def place_of(matrix: str) -> tuple[str, int]:
    """Side and layer of a matrix by its name, such as ``encoder.layers.0.fc1``.

    Raises:
        ValueError: it is no name of a matrix of a layer.
    """
    place = find_place(matrix)
    if place.layer is None or place.tensor:
        raise ValueError(f"{matrix} is no matrix of a layer")
    return place.side, place.layer
