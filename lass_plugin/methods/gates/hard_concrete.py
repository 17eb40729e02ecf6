"""Hard concrete gates: learned numbers in [0, 1], exactly 0 or 1 with some probability
(Louizos 2018; Li 2022, Eq. 5 to 9)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

EXACT, PRINTED = "exact", "printed"
NORMS = (EXACT, PRINTED)
"""Eq. 9 as it has to be for any temperature, or as it is printed, which is the
probability of an open gate at β = 1 only."""


@dataclass(frozen=True)
class HardConcrete:
    """The distribution of gates.

    Attributes:
        left, right: l < 0 and r > 1, between which a gate is stretched.
        beta: the temperature β.
    """

    left: float = -0.1
    right: float = 1.1
    beta: float = 2 / 3

    def __post_init__(self) -> None:
        if not (self.left < 0.0 and self.right > 1.0 and self.beta > 0.0):
            raise ValueError(
                f"a hard concrete gate needs l < 0, r > 1 and β > 0, not {self.left}, "
                f"{self.right} and {self.beta}"
            )

    def sample(self, alpha: Tensor, uniform: Tensor | None = None) -> Tensor:
        """Gates as in training (Eq. 5 to 8), with a gradient for *alpha*.

        Args:
            alpha: any shape.
            uniform: u in (0, 1) of the same shape; None draws it.
        """
        if uniform is None:
            uniform = torch.rand_like(alpha)
        tiny = torch.finfo(alpha.dtype).eps
        uniform = uniform.clamp(tiny, 1.0 - tiny)
        noise = torch.log(uniform) - torch.log1p(-uniform)
        return self._stretched(torch.sigmoid((noise + alpha) / self.beta))

    def value(self, alpha: Tensor) -> Tensor:
        """Gates as at inference: Eq. 7 and 8 of s = sigmoid(α), no noise."""
        return self._stretched(torch.sigmoid(alpha))

    def _stretched(self, s: Tensor) -> Tensor:
        return (s * (self.right - self.left) + self.left).clamp(0.0, 1.0)

    def open_probability(self, alpha: Tensor, norm: str = EXACT) -> Tensor:
        """‖g‖₀: the probability that a gate of training is not zero (Eq. 9).

        Args:
            norm: ``exact``, σ(α − β log(−l/r)), or ``printed``, σ(α − log(−l/r)).
        """
        factor = self.beta if norm == EXACT else 1.0
        return torch.sigmoid(alpha - factor * self.closes_at)

    @property
    def closes_at(self) -> float:
        """f⁻¹(0): the largest α at which a gate of inference is zero, log(−l/r)."""
        return math.log(-self.left / self.right)

    @property
    def opens_at(self) -> float:
        """f⁻¹(1): the smallest α at which a gate of inference is one."""
        return math.log((1.0 - self.left) / (self.right - 1.0))
