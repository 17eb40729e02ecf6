"""The picture of Lin 2021, Fig. 3: BLEU of new and of older pairs over the updates."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from lass_plugin.records.curves import Curve, draw_panels

NAMED = 6
"""Up to so many pairs have a line each beside that of their mean."""

LEAST = 1.0
"""Least height of an axis in points of BLEU, lest noise be painted as a trend."""


def draw_curve(
    points: Sequence[Mapping[str, Any]], path: Path, metric: str = "BLEU"
) -> list[Path]:
    """Draw the *points* of an ``extend.json``.

    The left panel shows the new pairs, the right one the older pairs: the mean as a
    line with marks, each pair as a thin line if they are few.

    Args:
        path: picture to write; its suffix is replaced by ``.png`` and ``.svg``.

    Returns:
        The files written.
    """
    ways = list(dict.fromkeys(point["way"] for point in points))
    panels: dict[str, list[Curve]] = {}
    for new in (True, False):
        of_kind = [point for point in points if point["new"] is new]
        if of_kind:
            panels[_title(new, list(dict.fromkeys(p["pair"] for p in of_kind)))] = [
                curve
                for number, way in enumerate(ways)
                for curve in _curves(of_kind, metric, way, number)
            ]
    return draw_panels(
        panels,
        path,
        f"{metric} over the updates",
        "updates on the new pairs",
        metric,
        one_scale=False,
        least=LEAST,
    )


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


def _curves(
    points: Sequence[Mapping[str, Any]], metric: str, way: str, number: int
) -> list[Curve]:
    """The pairs of one way to train them, where they are few, and their mean."""
    points = [point for point in points if point["way"] == way]
    pairs = list(dict.fromkeys(point["pair"] for point in points))
    curves = [
        Curve(
            f"{way} {pair}",
            *mean_curve([p for p in points if p["pair"] == pair], metric),
            look=number,
            faint=True,
        )
        for pair in pairs
        if 1 < len(pairs) <= NAMED
    ]
    return [*curves, Curve(way, *mean_curve(points, metric), look=number)]


def _title(new: bool, pairs: list[str]) -> str:
    kind = "new" if new else "older"
    if len(pairs) <= 2:
        return f"{kind}: {', '.join(pairs)}"
    return f"{len(pairs)} {kind} pairs, mean"
