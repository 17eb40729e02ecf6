"""Training under gates that do not move: what they close does not move either.

A closed head's rows of W_q, W_k, W_v and columns of W_o, a closed unit's row of W_1 and
column of W_2, and a closed rank's column of Ê and row of P keep their values and the
optimizer's state of them bit for bit, unless another key of the same update has them.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from fairseq.optim import FairseqOptimizer
from torch import Tensor, nn

from lass_plugin.anatomy.neurons import owned_parameters
from lass_plugin.anatomy.targets import unwrap
from lass_plugin.masks.packing import pack
from lass_plugin.methods.gates.components import Components, is_rank
from lass_plugin.methods.gates.embedding import PROJECTION
from lass_plugin.training.participants import Participants
from lass_plugin.training.stretches import find_stretches
from lass_plugin.training.strict_update import check_optimizer, strict

_REMEMBERED = 8
"""Unions of gates whose spread bits are kept: one bit a weight of the model each."""


def owned_by(site: str) -> tuple[tuple[str, int], ...]:
    """Name of each parameter that the components of *site* own, and their axis."""
    if is_rank(site):
        return (f"{site}.weight", 1), (f"{site}.{PROJECTION}", 0)
    return owned_parameters(site)


def owned_parameter_counts(
    components: Components, tensors: Mapping[str, Tensor]
) -> Tensor:
    """``(components,)`` float64: parameters that go with each component.

    Args:
        tensors: name -> parameter or stored weight.
    """
    counts = {}
    for site, count in components.counts.items():
        sizes = [tensors[n].numel() / count for n, _ in owned_by(site) if n in tensors]
        counts[site] = torch.full((count,), sum(sizes), dtype=torch.float64)
    return components.joined(counts)


class FrozenTraining:
    """Micro-batches under their gates, and strict updates of what these keep.

    Args:
        model: possibly wrapped for data-parallel training.
        keeps: label -> ``(components,)`` boolean, what it keeps; the labels in the
            same order on every rank.
        optimizer: refused if it cannot be strict.
    """

    def __init__(
        self,
        model: nn.Module,
        components: Components,
        keeps: Mapping[str, Tensor],
        optimizer: FairseqOptimizer,
    ):
        check_optimizer(optimizer)
        self._components, self._keeps = components, dict(keeps)
        parameters: Any = dict(unwrap(model).named_parameters())
        self._owned = {
            name: (site, axis, parameters[name])
            for site in components.counts
            for name, axis in owned_by(site)
            if name in parameters
        }
        sites = {name: parameter for name, (_, _, parameter) in self._owned.items()}
        self._stretches = find_stretches(optimizer, sites)
        self._optimizer = optimizer
        self._participants = Participants(list(keeps), sites)
        self._spread: dict[tuple[str, ...], dict[str, Tensor | None]] = {}

    def belongs_to(self, optimizer: FairseqOptimizer) -> bool:
        """False after the trainer has rebuilt its optimizer."""
        return optimizer is self._optimizer

    def add(self, label: str, counts: bool) -> None:
        """Note a micro-batch that is about to be computed."""
        self._participants.add(label, counts)

    @contextlib.contextmanager
    def update(self) -> Iterator[None]:
        """The optimizer's step: what no gates of this update keep stays still."""
        with strict(self._optimizer, self._stretches, self._movable()):
            yield
        self._participants.clear()

    def _movable(self) -> dict[str, Tensor | None]:
        labels = tuple(self._participants.gather())
        if not labels:
            return dict.fromkeys(self._owned)
        if labels not in self._spread:
            while len(self._spread) >= _REMEMBERED:
                del self._spread[next(iter(self._spread))]
            kept = torch.stack([self._keeps[label] for label in labels]).any(dim=0)
            self._spread[labels] = self._bits(self._components.split(kept.cpu()))
        return self._spread[labels]

    def _bits(self, kept: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
        """Packed masks of the parameters that are not kept as a whole."""
        found: dict[str, Tensor | None] = {}
        for name, (site, axis, parameter) in self._owned.items():
            if bool(kept[site].all()):
                continue
            shape = parameter.shape
            along = kept[site].repeat_interleave(shape[axis] // len(kept[site]))
            if len(shape) > 1:
                along = along.unsqueeze(1 - axis).expand(shape)
            found[name] = pack(along).to(parameter.device)
        return found
