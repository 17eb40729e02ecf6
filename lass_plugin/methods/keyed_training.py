"""Training what keys have of their own: an update moves that of its keys alone."""

import contextlib
from typing import Callable, Iterable, Iterator, Mapping, Sequence

from fairseq.optim import FairseqOptimizer
from torch import Tensor, nn

from lass_plugin.training.participants import Participants
from lass_plugin.training.stretches import find_stretches
from lass_plugin.training.strict_update import check_optimizer, standing_still, strict


class KeyedTraining:
    """Micro-batches with what their keys have of their own, and strict updates.

    What belongs to keys that take no part in an update keeps its values and moments;
    weight decay does not reach it either. All else moves as the optimizer moves it.

    Args:
        optimizer: refused if it cannot be strict.
        keys: all that are trained, in the same order on every rank.
        parameters: name -> parameter that belongs to any of them.
        names_of: the names of those of a key.
        using: compute with those of a batch inside a block; it is given the key of the
            batch, or of each of its sentences.
    """

    def __init__(
        self,
        optimizer: FairseqOptimizer,
        keys: Sequence[str],
        parameters: Mapping[str, nn.Parameter],
        names_of: Callable[[str], Iterable[str]],
        using: Callable[[Sequence[str]], contextlib.AbstractContextManager],
    ):
        check_optimizer(optimizer)
        self._names_of, self._using = names_of, using
        self._optimizer = optimizer
        self.parameters = dict(parameters)
        self.stretches = find_stretches(optimizer, self.parameters)
        self._participants = Participants(list(keys), self.parameters)

    def belongs_to(self, optimizer: FairseqOptimizer) -> bool:
        """False after the trainer has rebuilt its optimizer."""
        return optimizer is self._optimizer

    @contextlib.contextmanager
    def micro_batch(self, keys: Sequence[str], counts: bool = True) -> Iterator[None]:
        """Forward and backward of one micro-batch.

        Args:
            keys: that of the batch, or of each of its sentences.
            counts: False for the dummy batch of a rank that has run out of data.
        """
        for key in dict.fromkeys(keys):
            self._participants.add(key, counts)
        with self._using(keys):
            yield

    @contextlib.contextmanager
    def update(self) -> Iterator[None]:
        """The optimizer's step: what belongs to other keys stays still."""
        taking: set[str] = set()
        for key in self._participants.gather():
            taking.update(self._names_of(key))
        others = {n: each for n, each in self.parameters.items() if n not in taking}
        movable = standing_still(others, self.stretches)
        movable.update(self.parts_that_move(taking))
        with strict(self._optimizer, self.stretches, movable):
            yield
        self._participants.clear()

    def parts_that_move(self, taking: set[str]) -> Mapping[str, Tensor | None]:
        """Name of a parameter of which only a part moves -> packed, 1 = moves.

        Args:
            taking: names of the parameters that take part in the update.
        """
        return {}
