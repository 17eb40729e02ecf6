"""Fisher: the second-order estimate of what the loss loses without a weight.

Where the loss is flat it changes by H/2 · W² when W is removed (LeCun 1990); with the
diagonal of the empirical Fisher information in place of the Hessian, that is half of
the mean of (∂L/∂W)² · W² (Theis 2018; the squared criterion of Molchanov 2019). There
the mean is over examples; here the gradients are those of the updates.
"""

from torch import Tensor

from lass_plugin.scores.score import Score, register_score
from lass_plugin.scores.sensitivity import change_of_loss


def accumulate_fisher(
    score: Tensor, weight: Tensor, gradient: Tensor, factor: float | Tensor = 1.0
) -> None:
    """Add one update to the score, in place: S ← S + (factor · ∂L/∂W ⊙ W)².

    The arguments are those of :func:`.movement.accumulate_movement`.
    """
    score.add_(change_of_loss(score, weight, gradient, factor).square_())


register_score(Score("fisher", accumulate=accumulate_fisher, elementwise=True))
