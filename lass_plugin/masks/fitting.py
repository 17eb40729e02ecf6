"""Whether masks, of weights or of neurons, belong to a model."""

from typing import Mapping, Sequence

from torch import Tensor

from lass_plugin.anatomy.neurons import are_neurons, owned_parameters
from lass_plugin.masks.fingerprint import Fingerprint, fingerprint
from lass_plugin.masks.mask import MaskSet
from lass_plugin.masks.neurons import weight_shapes


def check_fit(masks: MaskSet, tensors: Mapping[str, Tensor], what: str) -> None:
    """Refuse masks whose names or shapes are not those of the model.

    Args:
        tensors: name -> parameter or stored weight.
        what: the model, for the message.

    Raises:
        LassError: names the matrix.
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
    found = {site: tensors[name] for site, name in owners.items() if name in tensors}
    return fingerprint(found)


def check_weights(masks: MaskSet, tensors: Mapping[str, Tensor], what: str) -> None:
    """Refuse masks that were searched on other weights than *tensors*.

    Args:
        tensors: name -> parameter or stored weight.
        what: the model, for the message.

    Raises:
        LassError: names the mask.
    """
    check_fit(masks, tensors, what)
    base = base_of(masks.shapes, tensors)
    for mask in masks.values():
        mask.check_base(base, what)
