"""Switching a model with low-rank modules between directions, and merging one."""

import contextlib
from typing import Iterator

import torch
from torch import nn

from lass_plugin.languages import Pair
from lass_plugin.methods.lowrank.attaching import merge
from lass_plugin.methods.lowrank.modules import Routing
from lass_plugin.methods.lowrank.planning.placement import SOURCE, TARGET
from lass_plugin.methods.lowrank.planning.plan import Plan
from lass_plugin.methods.lowrank.training import using


class LowRankParts:
    """The directions of a model with low-rank modules.

    Args:
        model: equipped, see :func:`.attaching.attach`.
        routing: of that model.
    """

    def __init__(self, model: nn.Module, plan: Plan, routing: Routing):
        self._model = model
        self.plan = plan
        self.routing = routing

    @contextlib.contextmanager
    def using(self, key: str) -> Iterator[None]:
        """Compute with the modules of the pair *key* inside this block."""
        pair = Pair.parse(key)
        self.plan.check_pairs([pair])
        with using(self.routing, [pair]):
            yield

    @torch.no_grad()
    def bake(self, key: str) -> None:
        """Add the modules of the pair *key* to the matrices for good."""
        pair = Pair.parse(key)
        self.plan.check_pairs([pair])
        merge(self._model, {SOURCE: pair.source, TARGET: pair.target})
