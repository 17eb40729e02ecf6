"""Masks of neurons, the weights that they stand for (Xie 2021), and their model.

A neuron mask has one bit a neuron, under the name of the tensor that the neurons are
the entries of. Where the model computes or is trained, it stands for the mask of the
weights that belong to its neurons: with these at zero a neuron's output is exactly
zero, and what may not take part does not move, its moments and its decay included. So
training, translation and export have one kind of mask to deal with.
"""

from typing import Mapping, Sequence

import torch
from torch import Tensor

from lass_plugin.anatomy.neurons import UNITS, are_neurons, owned_parameters, unit_of
from lass_plugin.errors import LassError
from lass_plugin.masks.fingerprint import Fingerprint, fingerprint
from lass_plugin.masks.mask import Mask, MaskSet, Provenance
from lass_plugin.masks.packing import unpack


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
            if rest or (run != 1 and unit_of(site) is not UNITS["heads"]):
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


def check_fit(masks: MaskSet, tensors: Mapping[str, Tensor], what: str) -> None:
    """Refuse masks, of weights or of neurons, that are not those of the model.

    Args:
        tensors: name -> parameter or stored weight.
        what: the model, for the message.

    Raises:
        LassError: names the matrix that has another name or shape.
    """
    if are_neurons(masks.shapes):
        weight_shapes(masks.shapes, tensors, what)
        return
    sites = {name: tensors[name] for name in masks.shapes if name in tensors}
    for mask in masks.values():
        mask.check_fits(sites, what)


def base_of(
    shapes: Mapping[str, Sequence[int]], tensors: Mapping[str, Tensor]
) -> Fingerprint:
    """Fingerprint, site by site, of the weights that masks with *shapes* belong to.

    The fingerprint of a site of neurons is that of the first matrix that they own.
    """
    owners = {site: site for site in shapes}
    if are_neurons(shapes):
        owners = {site: owned_parameters(site)[0][0] for site in shapes}
    return fingerprint({s: tensors[n] for s, n in owners.items() if n in tensors})


def check_weights(masks: MaskSet, tensors: Mapping[str, Tensor], what: str) -> None:
    """Refuse masks as :func:`check_fit`, and those searched on other weights."""
    check_fit(masks, tensors, what)
    base = base_of(masks.shapes, tensors)
    for mask in masks.values():
        mask.check_base(base, what)
