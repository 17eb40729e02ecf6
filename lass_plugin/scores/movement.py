"""Movement: the signed first-order score of He 2023, Eq. 2, called ``gradient``."""

from torch import Tensor

from lass_plugin.scores.score import Score, register_score


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


register_score(Score("gradient", accumulate=accumulate_movement, elementwise=True))
