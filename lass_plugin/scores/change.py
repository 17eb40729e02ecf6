"""Change: how far a weight moved in a fine-tuning (Ansell 2022, phase 1 of LT-SFT)."""

from torch import Tensor

from lass_plugin.scores.score import Score, register_score


def change(weight: Tensor, base: Tensor) -> Tensor:
    """|θ − θ₀| of each weight, in the shape of *weight* (Ansell 2022).

    Args:
        weight: θ, after the fine-tuning.
        base: θ₀, before it, of the same shape and type.
    """
    return (weight.detach() - base.detach()).abs()


register_score(Score("change", of_change=change))
