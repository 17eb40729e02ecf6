"""The picture of Lin 2021, Fig. 3: BLEU of new and of older pairs over the updates."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lass_plugin.records.figures import MARKERS, OKABE_ITO, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMED = 6
"""Up to so many pairs have a line each beside that of their mean."""

LEAST = 1.0
"""Least height of an axis in points of BLEU, lest noise be painted as a trend."""


def draw_curve(data: Path, metric: str = "BLEU") -> list[Path]:
    """Draw ``curve.png`` and ``.svg`` beside *data*, the ``extend.json``.

    The left panel shows the new pairs, the right one the older pairs: the mean as a
    thick line with marks, each pair as a thin line if they are few.

    Returns:
        The files written.
    """
    from matplotlib.figure import Figure

    record = json.loads(data.read_text(encoding="utf-8"))
    points = record["points"]
    ways = list(dict.fromkeys(point["way"] for point in points))
    kinds = [new for new in (True, False) if any(p["new"] is new for p in points)]
    figure = Figure(figsize=(1.2 + 3.9 * len(kinds), 4.4), layout="constrained")
    panels = figure.subplots(1, len(kinds), squeeze=False)[0]
    for axes, new in zip(panels, kinds, strict=True):
        for number, way in enumerate(ways):
            chosen = [p for p in points if p["new"] is new and p["way"] == way]
            _draw_way(axes, chosen, metric, way, number)
        pairs = dict.fromkeys(p["pair"] for p in points if p["new"] is new)
        axes.set_title(_title(new, list(pairs)), fontsize=10)
        axes.set_xlabel("updates on the new pairs")
        axes.set_ylabel(metric)
        axes.grid(color="0.9")
        low, high = axes.get_ylim()
        missing = max(0.0, LEAST - (high - low)) / 2
        axes.set_ylim(low - missing, high + missing)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(ways), frameon=False
    )
    return save_figure(figure, data.with_name("curve"))


def mean_curve(
    points: Sequence[Mapping[str, Any]], metric: str
) -> tuple[list[int], list[float]]:
    """Steps, and the plain mean of *metric* over the pairs at each."""
    steps = sorted({point["step"] for point in points})
    means = [
        fmean(p["scores"][metric]["value"] for p in points if p["step"] == step)
        for step in steps
    ]
    return steps, means


def _draw_way(
    axes: "Axes",
    points: Sequence[Mapping[str, Any]],
    metric: str,
    way: str,
    number: int,
) -> None:
    colour = OKABE_ITO[number % len(OKABE_ITO)]
    pairs = list(dict.fromkeys(point["pair"] for point in points))
    if 1 < len(pairs) <= NAMED:
        for pair in pairs:
            own = [point for point in points if point["pair"] == pair]
            axes.plot(*mean_curve(own, metric), color=colour, linewidth=0.7, alpha=0.5)
    axes.plot(
        *mean_curve(points, metric),
        color=colour,
        marker=MARKERS[number % len(MARKERS)],
        markersize=5,
        linewidth=2,
        label=way,
    )


def _title(new: bool, pairs: list[str]) -> str:
    kind = "new" if new else "older"
    if len(pairs) <= 2:
        return f"{kind}: {', '.join(pairs)}"
    return f"{len(pairs)} {kind} pairs, mean"
