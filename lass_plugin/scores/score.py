"""Score: what gives every weight a number, found by its name."""

from dataclasses import dataclass
from typing import Callable

from torch import Tensor

from lass_plugin.errors import LassError
from lass_plugin.registry import Registry


@dataclass(frozen=True)
class Score:
    """One way to score weights. Exactly one of the three functions is given."""

    name: str
    of_weight: Callable[[Tensor], Tensor] | None = None
    """Weight -> score of the same shape."""
    accumulate: Callable[[Tensor, Tensor, Tensor, float | Tensor], None] | None = None
    """Add an update to the score, in place (:func:`.movement.accumulate_movement`)."""
    of_change: Callable[[Tensor, Tensor], Tensor] | None = None
    """Weight after a fine-tuning, weight before it -> score of the same shape."""
    elementwise: bool = False
    """Whether ``accumulate`` gives a weight the same score whatever weights stand
    beside it, so that a GPU may take many matrices in one call."""

    def __post_init__(self) -> None:
        functions = (self.of_weight, self.accumulate, self.of_change)
        if sum(each is not None for each in functions) != 1:
            raise ValueError(
                f"score {self.name}: give of_weight, accumulate or of_change"
            )

    @property
    def accumulates(self) -> bool:
        """Whether it needs the gradients of a search, and memory for its sums."""
        return self.accumulate is not None

    def check_searched(self) -> None:
        """Refuse it where only the weights of a search, or its gradients, are known.

        Raises:
            LassError: it compares them with what they were before.
        """
        if self.of_change is not None:
            raise LassError(
                f"the score '{self.name}' compares a fine-tuned model with the base "
                "that it began from; take masks by it with 'lass extract --base'"
            )


SCORES: Registry[Score] = Registry("score")


def register_score(score: Score) -> Score:
    """Make *score* known to searches, ``lass extract`` and ``lass sweep``."""
    return SCORES.register(score.name, score)
