"""Training low-rank modules: those of the languages of an update move, nothing else."""

import contextlib
from collections import defaultdict
from typing import Iterator, Sequence

from fairseq.optim import FairseqOptimizer
from torch import nn

from lass_plugin.anatomy.targets import unwrap
from lass_plugin.languages import Pair
from lass_plugin.methods.lowrank.modules import Routing
from lass_plugin.methods.lowrank.planning.placement import SOURCE, TARGET
from lass_plugin.methods.lowrank.planning.plan import LowRankPlan
from lass_plugin.methods.lowrank.pruning import MATRIX, Pruner, all_sites
from lass_plugin.training.participants import Participants
from lass_plugin.training.stretches import find_stretches
from lass_plugin.training.strict_update import check_optimizer, standing_still, strict


class LowRankTraining:
    """Micro-batches under the modules of their languages, and strict updates.

    A module whose language takes no part in an update keeps its values and moments, and
    so does what is pruned.

    Args:
        model: possibly wrapped for data-parallel training; with low-rank modules.
        pairs: all that are trained, in the same order on every rank.
        optimizer: refused if it cannot be strict.
        pruner: None for no pruning.
    """

    def __init__(
        self,
        model: nn.Module,
        plan: LowRankPlan,
        routing: Routing,
        pairs: Sequence[Pair],
        optimizer: FairseqOptimizer,
        pruner: Pruner | None = None,
    ):
        check_optimizer(optimizer)
        self._plan, self._routing, self._pruner = plan, routing, pruner
        self._pairs = {str(pair): pair for pair in pairs}
        self._optimizer = optimizer
        self.parameters: dict[str, nn.Parameter] = {}
        self._names: dict[tuple[str, str], list[str]] = defaultdict(list)
        """Index and language -> names of its parameters."""
        for site in all_sites(unwrap(model), MATRIX):
            self.parameters[site.name] = site.parameter
            self._names[site.module.index, site.language].append(site.name)
        self.stretches = find_stretches(optimizer, self.parameters)
        self._participants = Participants(list(self._pairs), self.parameters)
        self._pruned_for: int | None = None

    def belongs_to(self, optimizer: FairseqOptimizer) -> bool:
        """False after the trainer has rebuilt its optimizer."""
        return optimizer is self._optimizer

    def begin_epoch(self, epoch: int) -> None:
        """Prune to the ratio of *epoch*, once."""
        if self._pruner is not None and self._pruned_for != epoch:
            self._pruner.prune(epoch, self.stretches)
            self._pruned_for = epoch

    @contextlib.contextmanager
    def micro_batch(self, keys: Sequence[str], counts: bool = True) -> Iterator[None]:
        """Forward and backward of one micro-batch.

        Args:
            keys: the pair of the batch, or of each of its sentences.
            counts: False for the dummy batch of a rank that has run out of data.
        """
        for key in dict.fromkeys(keys):
            self._participants.add(key, counts)
        pairs = [self._pairs[key] for key in keys]
        device = next(iter(self.parameters.values())).device
        with self._routing.using(pairs, device):
            yield

    @contextlib.contextmanager
    def update(self) -> Iterator[None]:
        """The optimizer's step: modules of other languages stay still."""
        keys = self._participants.gather()
        taking: set[str] = set()
        for key in keys:
            for index in (SOURCE, TARGET):
                language = self._plan.language_of(index, self._pairs[key])
                taking.update(self._names.get((index, language), ()))
        others = {n: p for n, p in self.parameters.items() if n not in taking}
        movable = standing_still(others, self.stretches)
        if self._pruner is not None:
            movable.update(self._pruner.movable(taking))
        with strict(self._optimizer, self.stretches, movable):
            yield
        self._participants.clear()
