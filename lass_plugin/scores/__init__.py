"""Scores: a number for every unit; the higher, the more it is needed.

A score of weights is made of the weights alone when it is asked for (magnitude), or
accumulated over the updates of a search (gradient). Scores of neurons: :mod:`.neuron`.
"""

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
    """Add an update to the score, in place; as :func:`accumulate_movement`."""

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


def magnitude(weight: Tensor) -> Tensor:
    """|W| of each weight, in the shape of *weight* (Lin 2021, §3.2; Han 2015)."""
    return weight.detach().abs()


def accumulate_movement(
    score: Tensor, weight: Tensor, gradient: Tensor, factor: float | Tensor = 1.0
) -> None:
    """Add one update to the score, in place (He 2023, Eq. 2; Sanh 2020).

    S ← S − factor · ∂L/∂W ⊙ W

    The gradient is that with respect to the masked weight W ⊙ M (straight-through,
    He 2023, Appendix G), so the score of a removed weight keeps moving and it can
    return; W is the unmasked weight before the update.

    Args:
        score: S, float32, shape of the matrix.
        weight: W, shape of the matrix.
        gradient: ∂L/∂W as the optimizer is about to use it: of the whole update,
            reduced over processes, divided by the tokens, and clipped (--clip-norm), so
            that an outsized gradient counts no more for the score than for W.
        factor: what the optimizer would still multiply the gradient by (it undoes loss
            scaling in mixed precision).
    """
    weight, gradient = weight.detach().to(score.dtype), gradient.detach()
    if isinstance(factor, Tensor) or gradient.dtype != score.dtype:
        gradient = gradient.to(score.dtype) * factor
        factor = 1.0
    score.addcmul_(gradient, weight, value=-factor)


register_score(Score("magnitude", of_weight=magnitude))
register_score(Score("gradient", accumulate=accumulate_movement))
