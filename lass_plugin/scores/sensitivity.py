"""Sensitivity: how much the loss would change without a weight, to first order.

To first order L changes by ∂L/∂W · W when W is removed. Its size is the criterion of
Molchanov 2017 (there of feature maps, averaged over batches) and the connection
sensitivity of Lee 2019 (there of one batch, before training). Of :mod:`.movement` it
has the absolute value: a weight whose removal would lower the loss counts as much as
one whose removal would raise it, since that many removed together overshoot.
"""

from torch import Tensor

from lass_plugin.scores.score import Score, register_score


def change_of_loss(
    score: Tensor, weight: Tensor, gradient: Tensor, factor: float | Tensor = 1.0
) -> Tensor:
    """∂L/∂W ⊙ W of one update, in type and shape of *score*; the rest is as in
    :func:`.movement.accumulate_movement`."""
    change = gradient.detach().to(score.dtype) * weight.detach().to(score.dtype)
    return change.mul_(factor)


def accumulate_sensitivity(
    score: Tensor, weight: Tensor, gradient: Tensor, factor: float | Tensor = 1.0
) -> None:
    """Add one update to the score, in place: S ← S + |factor · ∂L/∂W ⊙ W|.

    The gradient is that of the whole update, over its micro-batches and processes, so
    the absolute value is taken after these have been added up; the arguments are those
    of :func:`.movement.accumulate_movement`.
    """
    score.add_(change_of_loss(score, weight, gradient, factor).abs_())


register_score(
    Score("sensitivity", accumulate=accumulate_sensitivity, elementwise=True)
)
