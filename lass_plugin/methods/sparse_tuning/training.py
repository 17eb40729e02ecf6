"""Training differences: those of the keys of an update move, nothing else."""

import contextlib
from typing import Iterator, Sequence

from fairseq.optim import FairseqOptimizer
from torch import Tensor

from lass_plugin.languages import Pair
from lass_plugin.methods.sparse_tuning.parts import Differences
from lass_plugin.methods.sparse_tuning.stored import Entry
from lass_plugin.training.participants import Participants
from lass_plugin.training.stretches import find_stretches
from lass_plugin.training.strict_update import check_optimizer, strict


class SparseTraining:
    """Micro-batches under the differences of their pair, and strict updates.

    Both differences of a pair, of its source and its target, are trained by each of its
    batches. One that takes no part in an update keeps its values and moments.

    Args:
        pairs: all that are trained, in the same order on every rank.
        optimizer: refused if it cannot be strict.
    """

    def __init__(
        self,
        entry: Entry,
        differences: Differences,
        pairs: Sequence[Pair],
        optimizer: FairseqOptimizer,
    ):
        check_optimizer(optimizer)
        self._differences, self._optimizer = differences, optimizer
        self._parts = {str(pair): entry.parts_of(pair) for pair in pairs}
        self._values = differences.values
        self._stretches = find_stretches(optimizer, self._values)
        self._participants = Participants(list(self._parts), self._values)

    def belongs_to(self, optimizer: FairseqOptimizer) -> bool:
        """False after the trainer has rebuilt its optimizer."""
        return optimizer is self._optimizer

    @contextlib.contextmanager
    def micro_batch(self, pair: str, counts: bool = True) -> Iterator[None]:
        """Forward and backward of one micro-batch of *pair*.

        Args:
            counts: False for the dummy batch of a rank that has run out of data.
        """
        self._participants.add(pair, counts)
        with self._differences.computed(self._parts[pair]):
            yield

    @contextlib.contextmanager
    def update(self) -> Iterator[None]:
        """The optimizer's step: differences of other keys stay still."""
        taking = {
            key for pair in self._participants.gather() for key in self._parts[pair]
        }
        movable: dict[str, Tensor | None] = {}
        for key, values in self._values.items():
            if key in taking:
                continue
            if self._stretches[key].owner is values:
                values.grad = None  # the optimizer passes it by
            else:  # a stretch of a tensor that the optimizer steps on as a whole
                movable[key] = None
        with strict(self._optimizer, self._stretches, movable):
            yield
        self._participants.clear()
