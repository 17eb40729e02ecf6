"""Training modules of keys: those of an update's keys move, the others stand still."""

import contextlib
from typing import Callable, Iterable, Iterator, Mapping, Sequence

from fairseq.optim import FairseqOptimizer
from torch import Tensor, nn

from lass_plugin.languages import Pair
from lass_plugin.methods.routing import Routing
from lass_plugin.training.participants import Participants
from lass_plugin.training.stretches import find_stretches
from lass_plugin.training.strict_update import check_optimizer, standing_still, strict


class KeyedTraining:
    """Micro-batches under the modules of their keys, and strict updates.

    A module whose key takes no part in an update keeps its values and moments. What is
    no parameter of a module moves as the optimizer moves it.

    Args:
        routing: what the modules ask.
        pairs: all that are trained, in the same order on every rank.
        optimizer: refused if it cannot be strict.
        parameters: name -> parameter of a module of any key.
        names_of: the names of those that a pair computes with.
    """

    def __init__(
        self,
        routing: Routing,
        pairs: Sequence[Pair],
        optimizer: FairseqOptimizer,
        parameters: Mapping[str, nn.Parameter],
        names_of: Callable[[Pair], Iterable[str]],
    ):
        check_optimizer(optimizer)
        self._routing, self._names_of = routing, names_of
        self._pairs = {str(pair): pair for pair in pairs}
        self._optimizer = optimizer
        self.parameters = dict(parameters)
        self.stretches = find_stretches(optimizer, self.parameters)
        self._participants = Participants(list(self._pairs), self.parameters)

    def belongs_to(self, optimizer: FairseqOptimizer) -> bool:
        """False after the trainer has rebuilt its optimizer."""
        return optimizer is self._optimizer

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
        """The optimizer's step: modules of other keys stay still."""
        taking: set[str] = set()
        for key in self._participants.gather():
            taking.update(self._names_of(self._pairs[key]))
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
