"""Neurons: units that are whole rows and columns of weights (Xie 2021).

A row of neurons is named after the tensor that they are the entries of: the output of
a module, such as ``encoder.layers.0.fc1``, or ``….self_attn.heads``.
"""

from dataclasses import dataclass
from functools import partial
from typing import Iterable, Mapping, Sequence

from lass_plugin.anatomy.places import (
    ATTENTIONS,
    FC1,
    FC2,
    HEADS,
    KEY,
    OUT,
    QUERY,
    VALUE,
    find_place,
    parse_names,
)


@dataclass(frozen=True)
class Unit:
    """A kind of neuron: where its outputs stand, and which weights are its own."""

    name: str
    parts: tuple[str, ...]
    """Parts that are rows of such neurons."""
    owned: tuple[tuple[str, int], ...]
    """Parameters, named from the layer or the attention that the site is in, and the
    axis along which the neurons (or runs of equal length of them) are numbered."""
    seen_in: str = ""
    """Module where the outputs can be seen, named in the same way; empty for the layer
    or the attention itself (the call of its matrix is inside torch)."""
    is_input: bool = False
    """Whether they are what that module reads, not what it gives."""

    def sites(self, names: Iterable[str]) -> list[str]:
        """Names, of *names*, that are rows of such neurons."""
        return [name for name in names if unit_of(name) is self]


def _outputs(matrix: str) -> tuple[tuple[str, int], ...]:
    return (f"{matrix}.weight", 0), (f"{matrix}.bias", 0)


def _inputs(matrix: str) -> tuple[tuple[str, int], ...]:
    return ((f"{matrix}.weight", 1),)


def _attention(name: str) -> tuple[str, ...]:
    return tuple(f"{each}.{name}" for each in ATTENTIONS)


_KINDS = (
    Unit("attention-output", _attention(OUT), _outputs(OUT)),
    Unit("ffn-hidden", (FC1,), _outputs(FC1) + _inputs(FC2), FC2, is_input=True),
    Unit("ffn-output", (FC2,), _outputs(FC2), FC2),
    Unit("queries", _attention(QUERY), _outputs(QUERY), QUERY),
    Unit("keys", _attention(KEY), _outputs(KEY), KEY),
    Unit("values", _attention(VALUE), _outputs(VALUE) + _inputs(OUT), VALUE),
    Unit(
        "heads",
        _attention(HEADS),
        _outputs(QUERY) + _outputs(KEY) + _outputs(VALUE) + _inputs(OUT),
        OUT,
        is_input=True,
    ),
)
UNITS: dict[str, Unit] = {unit.name: unit for unit in _KINDS}
"""Name -> kind. A neuron of ``ffn-hidden`` is an input of fc2 (fc1 after the
activation), a head is its stretch of the inputs of out_proj, the others are outputs of
the matrix that they are named after."""

DEFAULT_UNITS = ("attention-output", "ffn-hidden", "ffn-output")
"""Output units of self-attention, cross-attention and both feed-forward layers."""

_UNIT_OF = {part: unit for unit in _KINDS for part in unit.parts}

parse_units = partial(parse_names, UNITS, "unit")


def unit_of(site: str) -> Unit | None:
    """The kind of neuron whose outputs stand at *site*; None for a weight matrix."""
    place = find_place(site)
    return None if place.tensor else _UNIT_OF.get(place.part)


def owned_parameters(site: str) -> tuple[tuple[str, int], ...]:
    """Name of each parameter that the neurons of *site* own, and their axis in it."""
    unit = unit_of(site)
    assert unit is not None
    place = site.rpartition(".")[0]
    return tuple((f"{place}.{name}", axis) for name, axis in unit.owned)


def are_neurons(shapes: Mapping[str, Sequence[int]]) -> bool:
    """Whether the sites of a mask are neurons and not weight matrices."""
    return bool(shapes) and all(unit_of(site) is not None for site in shapes)
