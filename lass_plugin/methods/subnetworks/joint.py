"""Joint training: every pair updates only its own sub-network (He 2023, §3.3)."""

import contextlib
import logging
from typing import Iterator

import torch
from fairseq.optim import FairseqOptimizer
from torch import nn

from lass_plugin.anatomy.targets import unwrap
from lass_plugin.masks.mask import MaskSet
from lass_plugin.masks.neurons import weight_masks
from lass_plugin.methods.subnetworks.holding import Holding
from lass_plugin.training.masked_gradients import reduces_in_backward
from lass_plugin.training.masked_weights import MaskedWeights
from lass_plugin.training.participants import Participants
from lass_plugin.training.stretches import find_stretches
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
        holding = holding or Holding()
        self.weights = masked_weights(
            unwrap(model), masks, holding, reduces_in_backward(model)
        )
        sites = self.weights.sites
        self._keys = list(masks)
        shared = holding.shared_parameters(unwrap(model), sites)
        self._shared = {name: each.bits for name, each in shared.items()}
        parameters = {name: each.parameter for name, each in shared.items()}
        self._stretches = find_stretches(optimizer, {**sites, **parameters})
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
        with strict(self._optimizer, self._stretches, movable):
            yield
        self._participants.clear()


def masked_weights(
    model: nn.Module,
    masks: MaskSet,
    holding: Holding | None = None,
    reduced_in_backward: bool = False,
) -> MaskedWeights:
    """The weights of *model* that *masks*, of weights or of neurons, cover.

    Args:
        holding, reduced_in_backward: see :class:`.MaskedWeights`.

    Raises:
        LassError: the model lacks one of them or has another shape.
    """
    parameters = dict(model.named_parameters())
    masks = weight_masks(masks, parameters)
    sites = {name: parameters[name] for name in parameters if name in masks.shapes}
    held = holding.sites if holding else None
    return MaskedWeights(sites, masks, held, reduced_in_backward)
