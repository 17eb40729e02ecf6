"""Joint training: every pair updates only its own sub-network (He 2023, §3.3)."""

import contextlib
import logging
from typing import Iterator

import torch
from fairseq.optim import FairseqOptimizer
from torch import nn

from lass_plugin.masks.fingerprint import fingerprint
from lass_plugin.masks.mask import MaskSet
from lass_plugin.masks.sites import unwrap
from lass_plugin.training.holding import Holding
from lass_plugin.training.masked_weights import MaskedWeights
from lass_plugin.training.participants import Participants
from lass_plugin.training.slots import find_slots
from lass_plugin.training.strict_update import check_optimizer, strict

logger = logging.getLogger(__name__)


class JointTraining:
    """Micro-batches under their masks, and strict updates of the union of these.

    Args:
        model: possibly wrapped for data-parallel training.
        masks: one mask for every pair that is trained.
        optimizer: refused if it cannot be strict.
        holding: what does not move although its pair is trained; None for nothing.
    """

    def __init__(
        self,
        model: nn.Module,
        masks: MaskSet,
        optimizer: FairseqOptimizer,
        holding: Holding | None = None,
    ):
        check_optimizer(optimizer)
        sites = sites_of(unwrap(model), masks)
        holding = holding or Holding()
        self.weights = MaskedWeights(sites, masks, holding.sites)
        self._keys = list(masks)
        shared = holding.shared_parameters(unwrap(model), sites)
        self._shared = {name: each.bits for name, each in shared.items()}
        parameters = {name: each.parameter for name, each in shared.items()}
        self._slots = find_slots(optimizer, {**sites, **parameters})
        self._optimizer = optimizer
        self._participants = Participants(self._keys, sites)

    def belongs_to(self, optimizer: FairseqOptimizer) -> bool:
        """False after the trainer has rebuilt its optimizer."""
        return optimizer is self._optimizer

    @contextlib.contextmanager
    def micro_batch(self, key: str, counts: bool = True) -> Iterator[None]:
        """Forward and backward of one micro-batch of *key*.

        Args:
            counts: False for the dummy batch of a rank that has run out of data; its
                gradient is zero and its sub-network does not take part in the update.
        """
        self._participants.add(key, counts)
        with self.weights.applied(key):
            yield

    @contextlib.contextmanager
    def update(self) -> Iterator[None]:
        """The optimizer's step: weights outside the union of this update stay still."""
        keys = self._participants.gather()
        movable = {**self.weights.movable(keys or self._keys), **self._shared}
        if not keys:
            movable = {name: torch.zeros_like(bits) for name, bits in movable.items()}
        with strict(self._optimizer, self._slots, movable):
            yield
        self._participants.clear()


def sites_of(model: nn.Module, masks: MaskSet) -> dict[str, nn.Parameter]:
    """The parameters of *model* that *masks* cover, in the model's order.

    Raises:
        LassError: the model lacks a matrix or has another shape.
    """
    parameters = dict(model.named_parameters())
    sites = {name: parameters[name] for name in parameters if name in masks.shapes}
    for mask in masks.values():
        mask.check_fits(sites)
    return sites


def check_base(model: nn.Module, masks: MaskSet) -> None:
    """Refuse masks that were searched on other weights than those of *model*."""
    base = fingerprint(sites_of(unwrap(model), masks))
    for mask in masks.values():
        mask.check_base(base)
