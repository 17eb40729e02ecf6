"""Neurons: units that are whole rows and columns of weights (Xie 2021).

A neuron mask has one bit a neuron, under the name of the tensor that the neurons are
the entries of. Where the model computes or is trained, it stands for the mask of the
weights that belong to its neurons: with these at zero a neuron's output is exactly
zero, and what may not take part does not move, its moments and its decay included. So
training, translation and export have one kind of mask to deal with.
"""

import re
from dataclasses import dataclass
from typing import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from lass_plugin.errors import LassError
from lass_plugin.masks.fingerprint import Fingerprint
from lass_plugin.masks.mask import Mask, MaskSet, Provenance
from lass_plugin.masks.packing import unpack

_LAYER = r"(?:encoder|decoder)\.layers\.\d+"
_ATTENTION = rf"{_LAYER}\.(?:self_attn|encoder_attn)"


@dataclass(frozen=True)
class Unit:
    """A kind of neuron: where its outputs stand, and which weights are its own."""

    name: str
    pattern: str
    """Of the sites, such as ``encoder.layers.0.fc1``."""
    owned: tuple[tuple[str, int], ...]
    """Parameters, named from the layer or the attention that the site is in, and the
    axis along which the neurons (or runs of equal length of them) are numbered."""

    def sites(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if re.fullmatch(self.pattern, name)]


UNITS: dict[str, Unit] = {
    unit.name: unit
    for unit in (
        Unit(
            "attention-output",
            rf"{_ATTENTION}\.out_proj",
            (("out_proj.weight", 0), ("out_proj.bias", 0)),
        ),
        Unit(
            "ffn-hidden",
            rf"{_LAYER}\.fc1",
            (("fc1.weight", 0), ("fc1.bias", 0), ("fc2.weight", 1)),
        ),
        Unit(
            "ffn-output",
            rf"{_LAYER}\.fc2",
            (("fc2.weight", 0), ("fc2.bias", 0)),
        ),
        Unit(
            "queries",
            rf"{_ATTENTION}\.q_proj",
            (("q_proj.weight", 0), ("q_proj.bias", 0)),
        ),
        Unit(
            "keys", rf"{_ATTENTION}\.k_proj", (("k_proj.weight", 0), ("k_proj.bias", 0))
        ),
        Unit(
            "values",
            rf"{_ATTENTION}\.v_proj",
            (("v_proj.weight", 0), ("v_proj.bias", 0), ("out_proj.weight", 1)),
        ),
        Unit(
            "heads",
            rf"{_ATTENTION}\.heads",
            (
                *(("q_proj.weight", 0), ("q_proj.bias", 0)),
                *(("k_proj.weight", 0), ("k_proj.bias", 0)),
                *(("v_proj.weight", 0), ("v_proj.bias", 0)),
                ("out_proj.weight", 1),
            ),
        ),
    )
}
"""Name -> kind. A neuron of ``ffn-hidden`` is an input of fc2 (fc1 after the
activation), a head is its stretch of the inputs of out_proj, the others are outputs of
the matrix that they are named after."""

DEFAULT_UNITS = ("attention-output", "ffn-hidden", "ffn-output")
"""Output units of self-attention, cross-attention and both feed-forward layers."""


def parse_units(text: str | Iterable[str]) -> tuple[str, ...]:
    """Read ``ffn-hidden,heads`` into a tuple in the order of :data:`UNITS`.

    Raises:
        LassError: an unknown kind, or none.
    """
    items = text.split(",") if isinstance(text, str) else list(text)
    wanted = {item.strip() for item in items if item.strip()}
    unknown = sorted(wanted - UNITS.keys())
    if unknown or not wanted:
        raise LassError(
            f"unknown unit '{unknown[0] if unknown else ''}'; choose from "
            f"{', '.join(UNITS)}"
        )
    return tuple(name for name in UNITS if name in wanted)


def unit_of(site: str) -> Unit | None:
    """The kind of neuron whose outputs stand at *site*; None for a weight matrix."""
    for unit in UNITS.values():
        if re.fullmatch(unit.pattern, site):
            return unit
    return None


def owned_parameters(site: str) -> tuple[tuple[str, int], ...]:
    """Name of each parameter that the neurons of *site* own, and their axis in it."""
    unit = unit_of(site)
    assert unit is not None
    place = site.rpartition(".")[0]
    return tuple((f"{place}.{name}", axis) for name, axis in unit.owned)


def are_neurons(shapes: Mapping[str, Sequence[int]]) -> bool:
    """Whether the sites of a mask are neurons and not weight matrices."""
    return bool(shapes) and all(unit_of(site) is not None for site in shapes)


def weight_shapes(
    shapes: Mapping[str, Sequence[int]], tensors: Mapping[str, Tensor], what: str
) -> dict[str, tuple[int, ...]]:
    """Parameter -> shape of all that the neurons of *shapes* own, in their order.

    Raises:
        LassError: the model lacks a parameter, or it has another number of neurons.
    """
    found: dict[str, tuple[int, ...]] = {}
    for site, shape in shapes.items():
        for name, axis in owned_parameters(site):
            if name not in tensors:
                if name.endswith(".bias"):  # a layer without bias
                    continue
                raise LassError(
                    f"the masks are of neurons of {site}, whose {name} {what} does not "
                    "have; they belong to another model"
                )
            size = tensors[name].shape[axis]
            run, rest = divmod(size, shape[0])
            if rest or (run != 1 and not site.endswith(".heads")):
                raise LassError(
                    f"the masks have {shape[0]} neurons for {site}, but {what} has "
                    f"{size}; they belong to another model"
                )
            found[name] = tuple(tensors[name].shape)
    return found


def weight_masks(
    masks: MaskSet, tensors: Mapping[str, Tensor], what: str = "the model"
) -> MaskSet:
    """Masks of weights, one bit a weight: a set of these as it is, or the weights that
    the neurons of a set of neuron masks own.

    A weight between two neurons (of fc2: from a hidden to an output unit) is kept where
    both are.

    Args:
        tensors: name -> parameter or stored weight of the model.

    Raises:
        LassError: the neurons are of another model.
    """
    if not are_neurons(masks.shapes):
        return masks
    shapes = weight_shapes(masks.shapes, tensors, what)
    return MaskSet(_weight_mask(mask, shapes) for mask in masks.values())


def _weight_mask(mask: Mask, shapes: Mapping[str, tuple[int, ...]]) -> Mask:
    kept = {name: torch.ones(shape, dtype=torch.bool) for name, shape in shapes.items()}
    for site, (count,) in mask.shapes.items():
        neurons = unpack(mask.bits[site].cpu(), (count,))
        for name, axis in owned_parameters(site):
            if name not in kept:
                continue
            shape = shapes[name]
            along = neurons.repeat_interleave(shape[axis] // count)
            kept[name] &= along if len(shape) == 1 else along.unsqueeze(1 - axis)
    return Mask.from_tensors(mask.key, kept, mask.provenance)


def neuron_mask(
    key: str,
    neurons: Mapping[str, Tensor],
    provenance: Provenance,
    base: Fingerprint | None = None,
) -> Mask:
    """A mask of neurons.

    Args:
        neurons: site -> ``(n,)`` boolean, True = keep.
    """
    for site, kept in neurons.items():
        if unit_of(site) is None or kept.dim() != 1:
            raise ValueError(
                f"{site} of shape {tuple(kept.shape)} is no row of neurons"
            )
    return Mask.from_tensors(key, neurons, provenance, base)
