"""Magnitude: the size of a weight (Lin 2021, §3.2; Han 2015)."""

from torch import Tensor

from lass_plugin.scores.score import Score, register_score


def magnitude(weight: Tensor) -> Tensor:
    """|W| of each weight, in the shape of *weight* (Lin 2021, §3.2; Han 2015)."""
    return weight.detach().abs()


register_score(Score("magnitude", of_weight=magnitude))
