"""What a method is handed in training."""

from dataclasses import dataclass
from typing import Any, Mapping

from fairseq.optim import FairseqOptimizer
from torch import nn


@dataclass(frozen=True)
class MicroBatch:
    """A micro-batch of training."""

    sample: Mapping[str, Any]
    model: nn.Module
    """Possibly wrapped for data-parallel training."""
    optimizer: FairseqOptimizer
    counts: bool = True
    """False for the dummy batch of a rank that has run out of data."""

    @property
    def key(self) -> Any:
        """Its language key; None where it mixes several."""
        return self.sample["language_key"]
