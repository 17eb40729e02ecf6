"""Dynamic sparsification: any sparsity from one training (Li 2022, §6.1, Appendix D).

A gate of the network size t (one minus the sparsity) is

    g = f(α + tθ) = f(a + (t − t̂)θ)        Eq. 14, with α = a − t̂θ

where t̂ is the size from which on its component is there. With a = f⁻¹(1) this is the
solution of Eq. 15 in Eq. 16. It is computed in the second form: θ, which is
(f⁻¹(1) − f⁻¹(0)) / δ, is as large as the share δ of one component is small, and α + t̂θ
would be a difference of two large numbers, where a alone is exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lass_plugin.errors import LassError
from lass_plugin.methods.gates.components import Components
from lass_plugin.methods.gates.hard_concrete import HardConcrete
from lass_plugin.methods.gates.ranking import activation_sizes
from lass_plugin.schedules import check_ratio

TENTHS = tuple(number / 10 for number in range(11))
"""Sizes that can be chosen at inference, by default."""

_MARGIN = 1e-5
"""Above f⁻¹(1) and below f⁻¹(0), so that gates are exactly 1 and 0 in float32."""


def solve(size: Tensor, share: Tensor, gate: HardConcrete) -> tuple[Tensor, Tensor]:
    """α and θ of Eq. 16, by the letter.

    Args:
        size: t̂, any shape.
        share: δ, the same shape.
    """
    ratio = size / share
    alpha = (1.0 - ratio) * gate.opens_at + ratio * gate.closes_at
    return alpha, (gate.opens_at - gate.closes_at) / share


def rounded_up(sizes: Tensor, grid: Sequence[float]) -> Tensor:
    """t̂ as the size of *grid* in whose range it falls: s_{i−1} < t̂ ≤ s_i (App. D).

    Args:
        sizes: in [0, 1].
        grid: from 0 to 1, rising.
    """
    check_grid(grid)
    borders = torch.tensor(grid, dtype=torch.float64)
    # sums of shares are off by a rounding, which must not move them over a border
    number = torch.bucketize(sizes.double() - 1e-9, borders)
    return borders[number.clamp(max=len(grid) - 1)]


def check_grid(grid: Sequence[float]) -> None:
    """Refuse sizes that do not rise from 0 to 1.

    Raises:
        ValueError: they do not.
    """
    rising = all(low < high for low, high in zip(grid, grid[1:], strict=False))
    if len(grid) < 2 or grid[0] != 0.0 or grid[-1] != 1.0 or not rising:
        raise ValueError(f"the sizes {list(grid)} do not rise from 0 to 1")


@dataclass(frozen=True)
class Slopes:
    """What makes gates of a size: ``(components,)`` each, float32.

    Attributes:
        offsets: a.
        slopes: θ.
        sizes: t̂, of the grid.
    """

    offsets: Tensor
    slopes: Tensor
    sizes: Tensor

    def arguments(self, size: float | Tensor) -> Tensor:
        """α + tθ, what the hard concrete function f takes."""
        return self.offsets + (size - self.sizes) * self.slopes


def slopes_of(
    components: Components,
    importance: Mapping[str, Tensor],
    grid: Sequence[float],
    gate: HardConcrete,
) -> Slopes:
    """The solution of Eq. 16 in the stable form of Appendix D.

    δ of a component is its weight divided by the sum of all, ranks included, but no
    more than the range of sizes that t̂ is in: so a gate is 0 or 1 at every size of
    *grid*, in a model of few components too. t̂ is the size of *grid* at which its share
    of heads and hidden units is reached.
    """
    sizes = components.joined(activation_sizes(components, importance))
    weights = components.weights()
    sizes = rounded_up(sizes, grid)
    borders = torch.tensor(grid, dtype=torch.float64)
    below = borders[(torch.bucketize(sizes, borders) - 1).clamp(min=0)]
    ranges = torch.where(sizes > below, sizes - below, borders[1])
    share = torch.minimum(weights / weights.sum(), ranges)
    return Slopes(
        torch.full((components.total,), gate.opens_at + _MARGIN),
        ((gate.opens_at - gate.closes_at + 3 * _MARGIN) / share).float(),
        sizes.float(),
    )


def size_of(sparsity: float, grid: Sequence[float], flag: str) -> float:
    """The size of *grid* that *sparsity* asks for.

    Raises:
        LassError: it is none of them.
    """
    check_ratio(sparsity, flag)
    for size in grid:
        if abs(1.0 - sparsity - size) < 1e-6:
            return size
    known = ", ".join(f"{1.0 - size:g}" for size in reversed(grid) if size > 0.0)
    raise LassError(
        f"{flag} {sparsity:g} is none that these gates were made for; choose from "
        f"{known}"
    )


def draw_size(grid: Sequence[float]) -> float:
    """t of a micro-batch of training: one of *grid* but 0, each as likely.

    Drawn from torch's generator, which fairseq seeds anew for every update, so that a
    resumed run draws the same.
    """
    return grid[1 + int(torch.randint(len(grid) - 1, ()))]
