"""Training low-rank modules: those of the languages of an update move, nothing else."""

import contextlib
from typing import Iterator, Mapping, Sequence

import torch
from fairseq.optim import FairseqOptimizer
from torch import Tensor, nn

from lass_plugin.anatomy.targets import unwrap
from lass_plugin.languages import Pair
from lass_plugin.methods.lowrank.attaching import low_rank_modules
from lass_plugin.methods.lowrank.modules import Chosen, Routing, entry_name
from lass_plugin.methods.lowrank.planning.plan import Plan
from lass_plugin.methods.lowrank.pruning import Pruner
from lass_plugin.training.participants import Participants
from lass_plugin.training.stretches import find_stretches
from lass_plugin.training.strict_update import check_optimizer, strict


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
        plan: Plan,
        routing: Routing,
        pairs: Sequence[Pair],
        optimizer: FairseqOptimizer,
        pruner: Pruner | None = None,
    ):
        check_optimizer(optimizer)
        self._plan, self._routing, self._pruner = plan, routing, pruner
        self._pairs = {str(pair): pair for pair in pairs}
        self._optimizer = optimizer
        inner = unwrap(model)
        self._modules: dict[tuple[str, str], dict[str, nn.Parameter]] = {}
        for matrix, module in low_rank_modules(inner):
            for language in module.languages:
                own = self._modules.setdefault((module.index, language), {})
                for factor, parameter in zip(
                    "AB", module.parameters_of(language), strict=True
                ):
                    name = entry_name(matrix, module.index, factor, language)
                    own[name] = parameter
        self.parameters = {
            name: parameter
            for own in self._modules.values()
            for name, parameter in own.items()
        }
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
        with using(self._routing, pairs, self._device):
            yield

    @property
    def _device(self) -> torch.device:
        return next(iter(self.parameters.values())).device

    @contextlib.contextmanager
    def update(self) -> Iterator[None]:
        """The optimizer's step: modules of other languages stay still."""
        keys = self._participants.gather()
        taking: set[str] = set()
        for key in keys:
            for index in ("source", "target"):
                language = self._plan.language_of(index, self._pairs[key])
                taking |= self._modules.get((index, language), {}).keys()
        movable: dict[str, Tensor | None] = {}
        for name, parameter in self.parameters.items():
            if name in taking:
                continue
            if self.stretches[name].owner is parameter:
                parameter.grad = None  # the optimizer passes it by
            else:  # a stretch of a tensor that the optimizer steps on as a whole
                movable[name] = None
        if self._pruner is not None:
            movable.update(self._pruner.movable(taking))
        with strict(self._optimizer, self.stretches, movable):
            yield
        self._participants.clear()


@contextlib.contextmanager
def using(
    routing: Routing, pairs: Sequence[Pair], device: torch.device | None = None
) -> Iterator[None]:
    """Compute with the modules of *pairs* inside this block.

    Args:
        pairs: that of the batch, or that of each of its sentences.
    """
    before: Mapping[str, Chosen] = routing.chosen
    routing.choose(
        Chosen.of([pair.source for pair in pairs], device),
        Chosen.of([pair.target for pair in pairs], device),
    )
    try:
        yield
    finally:
        routing.chosen = dict(before)
