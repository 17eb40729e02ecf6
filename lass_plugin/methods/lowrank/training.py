"""Training low-rank modules: those of the languages of an update move, nothing else."""

from collections import defaultdict
from typing import Iterator, Mapping, Sequence

from fairseq.optim import FairseqOptimizer
from torch import Tensor, nn

from lass_plugin.anatomy.targets import unwrap
from lass_plugin.languages import SOURCE, TARGET, Pair
from lass_plugin.methods.keyed_training import KeyedTraining
from lass_plugin.methods.lowrank.planning.plan import LowRankPlan
from lass_plugin.methods.lowrank.pruning import MATRIX, Pruner, all_sites
from lass_plugin.methods.routing import Routing


class LowRankTraining(KeyedTraining):
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
        self._pruner = pruner
        self._names: dict[tuple[str, str], list[str]] = defaultdict(list)
        """Index and language -> names of its parameters."""
        parameters = {}
        for site in all_sites(unwrap(model), MATRIX):
            parameters[site.name] = site.parameter
            self._names[site.module.index, site.language].append(site.name)
        known = {str(pair): pair for pair in pairs}

        def names_of(key: str) -> Iterator[str]:
            for index in (SOURCE, TARGET):
                language = plan.language_of(index, known[key])
                yield from self._names.get((index, language), ())

        using = routing.using_keys(known, parameters.values())
        super().__init__(optimizer, list(known), parameters, names_of, using)
        self._pruned_for: int | None = None

    def begin_epoch(self, epoch: int) -> None:
        """Prune to the ratio of *epoch*, once."""
        if self._pruner is not None and self._pruned_for != epoch:
            self._pruner.prune(epoch, self.stretches)
            self._pruned_for = epoch

    def parts_that_move(self, taking: set[str]) -> Mapping[str, Tensor | None]:
        return {} if self._pruner is None else self._pruner.movable(taking)
