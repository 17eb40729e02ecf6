"""Each pair its own ratio: what every pair can best spare under one budget.

He 2023 (Limitations) prunes every pair at one ratio. Here the loss of each pair on its
validation data, measured at the ratios of a grid, decides how a mean ratio is shared.
"""

import math
from dataclasses import dataclass
from typing import Mapping

from lass_plugin.errors import LassError

Points = tuple[tuple[float, float], ...]
"""(ratio, loss) by increasing ratio."""

_ROUNDING = 1e-9


def lower_envelope(points: Mapping[float, float]) -> Points:
    """The lower convex hull of the points ratio -> loss: its corners.

    Between its corners the envelope is below what was measured; at them it is what was
    measured.
    """
    hull: list[tuple[float, float]] = []
    for point in sorted(points.items()):
        while len(hull) > 1 and _turns_down(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return tuple(hull)


def _turns_down(
    first: tuple[float, float], second: tuple[float, float], third: tuple[float, float]
) -> bool:
    """Whether *second* lies on or above the line from *first* to *third*."""
    (x1, y1), (x2, y2), (x3, y3) = first, second, third
    return (y2 - y1) * (x3 - x1) >= (y3 - y1) * (x2 - x1)


@dataclass(frozen=True)
class RatioChoice:
    """The ratio of each pair, and what was expected of it."""

    budget: float
    """Mean ratio asked for."""
    ratios: dict[str, float]
    losses: dict[str, float]
    """Envelope at these ratios: as measured, but for at most one pair in between."""
    single: float | None
    """Mean loss with one ratio for all, the budget, where it was measured."""

    @property
    def mean_ratio(self) -> float:
        return sum(self.ratios.values()) / len(self.ratios)

    @property
    def mean_loss(self) -> float:
        return sum(self.losses.values()) / len(self.losses)


def choose_ratios(
    losses: Mapping[str, Mapping[float, float]], budget: float
) -> RatioChoice:
    """Ratios with the least mean loss of all whose mean is *budget*.

    Every pair begins at its least ratio. The steps along all envelopes are taken in the
    order of what a share of weights removed costs, the cheapest first, until the budget
    is reached; the last step is taken as far as is needed. Envelopes are convex, so the
    steps of a pair come in their order, and no other choice on them has a lower mean
    loss.

    Args:
        losses: pair -> ratio -> loss on the validation data, the same unit for all.
        budget: mean ratio over the pairs, each counting the same.

    Raises:
        LassError: the budget cannot be reached or is below what was measured, or a
            loss is not a number.
    """
    if not losses:
        raise LassError("there are no losses to choose ratios by; give a pair at least")
    for key, points in losses.items():
        if not points or not all(map(math.isfinite, points.values())):
            raise LassError(
                f"the validation loss of {key} is not known at every ratio; its search "
                "or the base has diverged"
            )
    least = sum(min(points) for points in losses.values()) / len(losses)
    most = sum(max(points) for points in losses.values()) / len(losses)
    if not least - _ROUNDING <= budget <= most + _ROUNDING:
        raise LassError(
            f"the budget {budget:g} is outside the ratios that were measured, "
            f"{least:g} to {most:g}; measure more of them, or choose one between"
        )
    envelopes = {key: lower_envelope(points) for key, points in losses.items()}
    ratios = {key: envelope[0][0] for key, envelope in envelopes.items()}
    values = {key: envelope[0][1] for key, envelope in envelopes.items()}
    missing = budget * len(losses) - sum(ratios.values())
    for slope, key, start, end in _steps(envelopes):
        width = min(end - start, missing)
        if width <= _ROUNDING:
            break
        ratios[key] = end if width == end - start else start + width
        values[key] += slope * width
        missing -= width
    same = [points.get(budget) for points in losses.values()]
    known = [value for value in same if value is not None]
    single = sum(known) / len(known) if len(known) == len(same) else None
    return RatioChoice(
        budget, {key: round(r, 9) for key, r in ratios.items()}, values, single
    )


def _steps(
    envelopes: Mapping[str, Points],
) -> list[tuple[float, str, float, float]]:
    """(slope, pair, from ratio, to ratio) of every side, the cheapest first."""
    steps = []
    for key, corners in envelopes.items():
        for (x1, y1), (x2, y2) in zip(corners, corners[1:], strict=False):
            steps.append(((y2 - y1) / (x2 - x1), key, x1, x2))
    # of equal slopes the first pair by name, and in its own order
    return sorted(steps, key=lambda step: (step[0], step[1], step[2]))
