"""Training own parts: those of the keys of an update move, those of others do not."""

import contextlib
from typing import Iterator

from fairseq.optim import FairseqOptimizer
from torch import nn

from lass_plugin.anatomy.targets import unwrap
from lass_plugin.methods.decoders.own_parameters import beside, own_name
from lass_plugin.training.participants import Participants
from lass_plugin.training.stretches import find_stretches
from lass_plugin.training.strict_update import check_optimizer, standing_still, strict


class OwnPartsTraining:
    """Micro-batches with the parts of their keys, and strict updates.

    What belongs to a key that takes no part in an update keeps its values and moments;
    weight decay does not reach it either.

    Args:
        model: possibly wrapped for data-parallel training.
        optimizer: refused if it cannot be strict.
    """

    def __init__(self, model: nn.Module, optimizer: FairseqOptimizer):
        check_optimizer(optimizer)
        self._model = unwrap(model)
        self._own, self._optimizer = beside(self._model), optimizer
        keys = self._own.keys
        self.names = {
            key: [own_name(key, name, keys) for name in self._own.names] for key in keys
        }
        """Key -> names of its parameters."""
        self.parameters = {
            name: self._model.get_parameter(name)
            for names in self.names.values()
            for name in names
        }
        self.stretches = find_stretches(optimizer, self.parameters)
        self._participants = Participants(keys, self.parameters)

    def belongs_to(self, optimizer: FairseqOptimizer) -> bool:
        """False after the trainer has rebuilt its optimizer."""
        return optimizer is self._optimizer

    @contextlib.contextmanager
    def micro_batch(self, key: str, counts: bool = True) -> Iterator[None]:
        """Forward and backward of one micro-batch of *key*.

        Args:
            counts: False for the dummy batch of a rank that has run out of data.
        """
        self._participants.add(key, counts)
        with self._own.using(self._model, key):
            yield

    @contextlib.contextmanager
    def update(self) -> Iterator[None]:
        """The optimizer's step: what other keys have stands still."""
        others = {*self._own.keys} - {*self._participants.gather()}
        names = [name for key in sorted(others) for name in self.names[key]]
        held = standing_still({n: self.parameters[n] for n in names}, self.stretches)
        with strict(self._optimizer, self.stretches, held):
            yield
        self._participants.clear()
