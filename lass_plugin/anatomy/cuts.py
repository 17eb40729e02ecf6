"""Cuts: units that leave a model, taken out of every weight that they own."""

from dataclasses import dataclass
from functools import cached_property
from typing import Mapping

import torch
from torch import Tensor

from lass_plugin.anatomy.neurons import owned_parameters


@dataclass(frozen=True, eq=False)
class Kept:
    """Units of one site that stay."""

    places: Tensor
    """``(units that stay,)`` their numbers, rising."""
    before: int
    """Units that there were."""
    after: int
    """Units that there will be; those beyond *places* are zeros."""


@dataclass(frozen=True, eq=False)
class Cuts:
    """What stays of each site, and every tensor of the model without the rest."""

    kept: Mapping[str, Kept]
    """Site, such as ``encoder.layers.0.fc1`` -> its units that stay."""

    @cached_property
    def _axes(self) -> dict[str, tuple[str, int]]:
        """Parameter or row of neurons -> site, and the axis of its units."""
        return {
            name: (site, axis)
            for site in self.kept
            for name, axis in ((site, 0), *owned_parameters(site))
        }

    def __call__(self, name: str, tensor: Tensor) -> Tensor:
        """*tensor* without the units that are cut; itself where none is numbered.

        Args:
            name: of the parameter or the row of neurons that *tensor*, or its mask, is.
        """
        site, axis = self._axes.get(name, ("", 0))
        if not site or not self.kept[site].before:
            return tensor
        kept = self.kept[site]
        run = tensor.shape[axis] // kept.before  # rows of a unit: 1, or a head's width
        rows = kept.places.unsqueeze(1) * run + torch.arange(run)  # (units, run)
        shape = list(tensor.shape)
        shape[axis] = kept.after * run
        result = tensor.new_zeros(shape)
        chosen = tensor.index_select(axis, rows.flatten())
        result.narrow(axis, 0, rows.numel()).copy_(chosen)
        return result
