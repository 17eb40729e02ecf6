"""Magnitude score: |W| (Lin 2021, §3.2; Han 2015)."""

from torch import Tensor


def magnitude(weight: Tensor) -> Tensor:
    """Score of each weight: its absolute value. Same shape as *weight*."""
    return weight.detach().abs()
