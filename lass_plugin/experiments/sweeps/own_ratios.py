"""Each pair its own ratio: what every pair can best spare under one budget.

He 2023 (Limitations) prunes every pair at one ratio. Here the loss of each pair on its
validation data, measured at the ratios of a grid, decides how a mean ratio is shared.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.experiments.sweeps.losses import MEASURE
from lass_plugin.experiments.sweeps.weight_variants import RATIO, WeightVariant
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.curves import Curve, draw_curves
from lass_plugin.records.json_record import RecordFormat

FORM = RecordFormat("lass_plugin allocation", "a record of an allocation")

_ROUNDING = 1e-9


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


def choose(
    own: WeightVariant,
    variants: Sequence[WeightVariant],
    losses: Mapping[str, Mapping[str, float]],
    data: Path,
) -> tuple[RatioChoice, list[Path]]:
    """Choose each pair's own ratio by the losses of the single ratios, and write it.

    Args:
        own: its ratio is the budget.
        variants: those of one ratio for all pairs, by the search of *own*, are the
            grid.
        losses: name of a variant -> pair -> loss.
        data: ``.json`` of the choice; ``.csv``, ``.png``, ``.svg`` come beside it.

    Returns:
        The choice, and the files.
    """
    names = {
        v.ratio: v.name for v in variants if v.kind == RATIO and v.search == own.search
    }
    if not names:
        raise LassError(
            "own ratios need a grid of ratios to choose from; give --ratios"
        )
    table = {
        key: {ratio: losses[name][key] for ratio, name in names.items()}
        for key in losses[next(iter(names.values()))]
    }
    choice = choose_ratios(table, own.ratio)
    pairs, lines, curves = {}, [], []
    for key, ratio in choice.ratios.items():
        loss, measured = choice.losses[key], table[key]
        values = list(measured.values())
        pairs[key] = {"ratio": ratio, "loss": loss, "losses": values}
        lines.append({"pair": key, "ratio": f"{ratio:g}", "loss": loss})
        lines[-1] |= {f"loss_{r:g}": value for r, value in measured.items()}
        curves.append(Curve(f"{key} ({ratio:.2f})", list(measured), values))
    x, y = list(choice.ratios.values()), list(choice.losses.values())
    curves.append(Curve("chosen", x, y, points_only=True))
    record = {
        "loss": MEASURE,
        "method": str(own.search),
        "budget": choice.budget,
        "mean_ratio": choice.mean_ratio,
        "mean_loss": choice.mean_loss,
        "mean_loss_at_one_ratio": choice.single,
        "grid": list(names),
        "pairs": pairs,
    }
    FORM.write(data, record)
    cells = write_csv(data.with_suffix(".csv"), lines, floats=".6f")
    title = f"Each pair its own ratio, {choice.budget:g} on average"
    label = "loss before joint training, bits a token"
    path = data.with_suffix(".png")
    pictures = draw_curves(curves, path, title, "pruning ratio", label)
    return choice, [data, cells, *pictures]


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
    ratios = {key: corners[0][0] for key, corners in envelopes.items()}
    values = {key: corners[0][1] for key, corners in envelopes.items()}
    missing = budget * len(losses) - sum(ratios.values())
    # of equal slopes the first pair by name, and in its own order
    steps = sorted(
        ((y2 - y1) / (x2 - x1), key, x1, x2)
        for key, corners in envelopes.items()
        for (x1, y1), (x2, y2) in pairwise(corners)
    )
    for slope, key, start, end in steps:
        width = min(end - start, missing)
        if width <= _ROUNDING:
            break
        ratios[key] = end if width == end - start else start + width
        values[key] += slope * width
        missing -= width
    ratios = {key: round(ratio, 9) for key, ratio in ratios.items()}
    single = None
    if all(budget in points for points in losses.values()):
        single = sum(points[budget] for points in losses.values()) / len(losses)
    return RatioChoice(budget, ratios, values, single)


def lower_envelope(points: Mapping[float, float]) -> tuple[tuple[float, float], ...]:
    """The corners of the lower convex hull of the points ratio -> loss, by the ratio.

    Between its corners the envelope is below what was measured; at them it is what was
    measured.
    """
    hull: list[tuple[float, float]] = []
    for x, y in sorted(points.items()):
        while len(hull) > 1:
            (x1, y1), (x2, y2) = hull[-2:]
            if (y2 - y1) * (x - x1) < (y - y1) * (x2 - x1):
                break
            hull.pop()  # it is on or above the line from the one before to this one
        hull.append((x, y))
    return tuple(hull)
