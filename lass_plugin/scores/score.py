"""Score: what gives every weight a number, found by its name."""

from dataclasses import dataclass
from typing import Callable

from torch import Tensor

from lass_plugin.registry import Registry


@dataclass(frozen=True)
class Score:
    """One way to score weights. Exactly one of the two functions is given."""

    name: str
    of_weight: Callable[[Tensor], Tensor] | None = None
    """Weight -> score of the same shape."""
    accumulate: Callable[[Tensor, Tensor, Tensor, float | Tensor], None] | None = None
    """Add an update to the score, in place (:func:`.movement.accumulate_movement`)."""
    elementwise: bool = False
    """Whether ``accumulate`` gives a weight the same score whatever weights stand
    beside it, so that a GPU may take many matrices in one call."""

    def __post_init__(self) -> None:
        if (self.of_weight is None) == (self.accumulate is None):
            raise ValueError(f"score {self.name}: give of_weight or accumulate")

    @property
    def accumulates(self) -> bool:
        """Whether it needs the gradients of a search, and memory for its sums."""
        return self.accumulate is not None


SCORES: Registry[Score] = Registry("score")


def register_score(score: Score) -> Score:
    """Make *score* known to searches, ``lass extract`` and ``lass sweep``."""
    return SCORES.register(score.name, score)
