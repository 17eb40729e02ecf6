"""Magnitude score: |W| (Lin 2021, §3.2; Han 2015)."""

from torch import Tensor

from lass_plugin.scores.registry import Score, register_score


def magnitude(weight: Tensor) -> Tensor:
    """Score of each weight: its absolute value. Same shape as *weight*."""
    return weight.detach().abs()


MAGNITUDE = register_score(Score("magnitude", of_weight=magnitude))
