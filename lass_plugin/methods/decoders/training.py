"""Training own parts: those of the keys of an update move, those of others do not."""

from fairseq.optim import FairseqOptimizer
from torch import nn

from lass_plugin.anatomy.targets import unwrap
from lass_plugin.methods.decoders.own_parameters import beside, own_name
from lass_plugin.methods.keyed_training import KeyedTraining


class OwnPartsTraining(KeyedTraining):
    """Micro-batches with the parts of their keys, and strict updates.

    Args:
        model: possibly wrapped for data-parallel training.
        optimizer: refused if it cannot be strict.
    """

    def __init__(self, model: nn.Module, optimizer: FairseqOptimizer):
        inner = unwrap(model)
        own = beside(inner)
        self.names = {
            key: [own_name(key, name, own.keys) for name in own.names]
            for key in own.keys
        }
        """Key -> names of its parameters."""
        known = dict(inner.named_parameters())
        parameters = {
            name: known[name] for names in self.names.values() for name in names
        }
        super().__init__(
            optimizer,
            own.keys,
            parameters,
            self.names.__getitem__,
            lambda keys: own.using(inner, keys[0]),
        )
