"""Curves: a line for each series, with marks that differ in grey print too."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from lass_plugin.analysis.pictures import MARKERS, OKABE_ITO, save_figure

LINES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Curve:
    """One line of a picture: its points from left to right."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    points_only: bool = False
    """Marks without a line between them."""


def draw_curves(
    curves: Sequence[Curve],
    path: str | os.PathLike,
    title: str,
    x_label: str,
    y_label: str,
    *,
    levels: Sequence[tuple[str, float]] = (),
    caption: str = "",
    logarithmic: bool = False,
) -> list[Path]:
    """Draw *curves* in one picture.

    Args:
        path: picture to write; its suffix is replaced by ``.png`` and ``.svg``.
        levels: label and value of horizontal lines, such as a baseline.
        caption: a line below, such as what the values mean.
        logarithmic: the x axis doubles in equal steps.

    Returns:
        The two files written, the same bytes for the same input.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    for number, curve in enumerate(curves):
        # colours repeat after seven; lines and marks then differ
        colour = OKABE_ITO[number % len(OKABE_ITO)]
        line = LINES[number // len(OKABE_ITO) % len(LINES)]
        axes.plot(
            curve.x,
            curve.y,
            linestyle="none" if curve.points_only else line,
            marker=MARKERS[number % len(MARKERS)],
            markersize=8 if curve.points_only else 4,
            markerfacecolor="none" if curve.points_only else colour,
            color=colour,
            linewidth=1.3,
            label=curve.label,
        )
    for number, (label, value) in enumerate(levels):
        axes.axhline(
            value,
            color="0.3",
            linestyle=LINES[(number + 1) % len(LINES)],
            linewidth=1,
            label=label,
        )
    if logarithmic:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(f"{x_label}\n{caption}" if caption else x_label, fontsize=9)
    axes.set_ylabel(y_label, fontsize=9)
    axes.grid(color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    if len(curves) + len(levels) > 6:
        axes.legend(
            fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5)
        )
    else:
        axes.legend(fontsize=8, frameon=False)
    return save_figure(figure, Path(path))
