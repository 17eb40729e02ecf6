"""Differences in a model: values that are trained, beside a base that is not.

    W of a direction = W₀ + δ_source + δ_target         (or W₀ + δ_pair)

δ has a value at the positions of its key and is zero elsewhere (Ansell 2022: sparse
fine-tunings are composed by addition).
"""

import contextlib
from typing import Iterator, Sequence

import torch
from torch import Tensor, nn

from lass_plugin.languages import written
from lass_plugin.masks.mask import is_key
from lass_plugin.methods.sparse_tuning.stored import NAME, Entry, split_values


class Differences:
    """The values of all keys of a model, and the matrices that they are added to.

    While training, a matrix that has differences is replaced by the sum of the frozen
    one and its differences, whose gradients reach the values. To compute only, values
    are added in place, and what stood there is put back bit for bit.
    """

    def __init__(self, model: nn.Module, entry: Entry):
        self._entry, self._model = entry, model
        parameters = dict(model.named_parameters())
        self.sites = {site: parameters[site] for site in entry.shapes}
        names = {id(parameter): site for site, parameter in self.sites.items()}
        self._owners: list[tuple[nn.Module, str, str]] = []
        """Module and attribute that a site is found under; several if it is shared."""
        for module in model.modules():
            for attribute, parameter in module._parameters.items():
                if site := names.get(id(parameter)):
                    self._owners.append((module, attribute, site))
        self._places: dict[tuple[str, torch.device], dict[str, Tensor]] = {}
        self._applied: Sequence[str] = ()
        """Keys whose differences stand in the base now."""
        self._before: list[tuple[Tensor, Tensor, Tensor]] = []
        """Of each of them, what it was added to: a matrix, flat; where; what stood."""

    @property
    def values(self) -> dict[str, nn.Parameter]:
        """Key -> ``(weights,)``."""
        module = getattr(self._model, NAME)
        return {key: module[written(key)] for key in self._entry.positions}

    def _positions(self, key: str) -> dict[str, Tensor]:
        """The positions of *key* on the device of the model; sites without are out."""
        device = next(iter(self.sites.values())).device
        if (key, device) not in self._places:
            self._places[key, device] = {
                site: each.to(device)
                for site, each in self._entry.positions[key].items()
                if each.numel()
            }
        return self._places[key, device]

    @contextlib.contextmanager
    def computed(self, keys: Sequence[str]) -> Iterator[None]:
        """Compute with the differences of *keys* inside this block; their values get
        gradients."""
        sums: dict[str, Tensor] = {}
        for key in keys:
            parts = split_values(self.values[key], self._entry.positions[key])
            for site, positions in self._positions(key).items():
                flat = sums.get(site, self.sites[site].view(-1))
                sums[site] = flat.index_add(0, positions, parts[site])
        used = [owner for owner in self._owners if owner[2] in sums]
        for module, attribute, site in used:
            whole = sums[site].view(self.sites[site].shape)
            module._parameters[attribute] = whole  # type: ignore[assignment]
        try:
            yield
        finally:
            for module, attribute, site in used:
                module._parameters[attribute] = self.sites[site]

    @contextlib.contextmanager
    def using(self, keys: Sequence[str]) -> Iterator[None]:
        """Compute with the differences of *keys* inside this block, without gradients;
        afterwards stands what stood before, bit for bit. Those of a block around it
        give way."""
        outer = self._applied
        try:
            self._apply(keys)
            yield
        finally:
            self._apply(outer)

    @torch.no_grad()
    def _apply(self, keys: Sequence[str]) -> None:
        """Put the base back, and add the differences of *keys* in place."""
        while self._before:
            flat, positions, old = self._before.pop()
            flat.index_copy_(0, positions.long(), old)
        self._applied = tuple(keys)
        for key in keys:
            for flat, positions, values in self._pieces(key):
                old = flat.index_select(0, positions)
                self._before.append((flat, positions, old))
                flat.index_add_(0, positions, values)

    @torch.no_grad()
    def put_in(self, keys: Sequence[str]) -> None:
        """Add the differences of *keys* to the base for good, and take all away."""
        for key in keys:
            for flat, positions, values in self._pieces(key):
                flat.index_add_(0, positions, values)
        delattr(self._model, NAME)
        self._places.clear()

    def _pieces(self, key: str) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """The matrices with a difference of *key*: each flat; where; how much."""
        parts = split_values(self.values[key].detach(), self._entry.positions[key])
        for site, positions in self._positions(key).items():
            flat = self.sites[site].detach().view(-1)
            yield flat, positions, parts[site].to(flat.dtype)


def attach(model: nn.Module, entry: Entry) -> None:
    """Freeze *model* and put a zero difference of every key into it."""
    model.requires_grad_(False)
    like = next(model.parameters())
    held = nn.ParameterDict()
    for key in entry.positions:
        assert is_key(key)
        zeros = torch.zeros(entry.count(key), dtype=like.dtype, device=like.device)
        held[written(key)] = nn.Parameter(zeros)
    model.add_module(NAME, held)
