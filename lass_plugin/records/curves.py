"""Curves: a line for each series, with marks that differ in grey print too."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Mapping, Sequence

from lass_plugin.records.figures import MARKERS, OKABE_ITO, save_figure

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

LINES = ("-", "--", "-.", ":")

CROWD = 20
"""Of more curves than this, those of one group look alike."""


@dataclass(frozen=True)
class Curve:
    """One line of a picture: its points from left to right."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    points_only: bool = False
    """Marks without a line between them."""
    group: str = ""
    """What it has in common with others, where there are too many to tell apart."""


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
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    labels, looks = _looks(curves)
    entries = len(set(labels)) + len(levels)
    figure = Figure(figsize=(6.4, max(4.4, 0.2 * entries + 0.8)), layout="constrained")
    axes = figure.subplots()
    _plot(axes, curves, labels, looks)
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
    elif all(isinstance(x, int) for curve in curves for x in curve.x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(f"{x_label}\n{caption}" if caption else x_label, fontsize=9)
    axes.set_ylabel(y_label, fontsize=9)
    axes.grid(color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    lines, texts = list(handles.values()), list(handles)
    if entries > 6:
        figure.legend(
            lines, texts, fontsize=8, frameon=False, loc="outside right center"
        )
    else:
        axes.legend(lines, texts, fontsize=8, frameon=False)
    return save_figure(figure, Path(path))


def draw_panels(
    panels: Mapping[str, Sequence[Curve]],
    path: str | os.PathLike,
    title: str,
    x_label: str,
    y_label: str,
    *,
    caption: str = "",
) -> list[Path]:
    """Draw curves over whole numbers, such as layers, in panels side by side.

    Args:
        panels: title of each panel -> its curves; those of one label look alike in all
            panels. NaN breaks a line.
        path: picture to write; its suffix is replaced by ``.png`` and ``.svg``.
        caption: a line below, such as what the values mean.

    Returns:
        The two files written, the same bytes for the same input.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    every = {curve.label: curve for curves in panels.values() for curve in curves}
    labels, looks = _looks(list(every.values()))
    label_of = dict(zip(every, labels, strict=True))
    look_of = dict(zip(every, looks, strict=True))
    height = max(4.4, 0.2 * len(set(labels)) + 0.8)
    figure = Figure(figsize=(1.8 + 3.6 * len(panels), height), layout="constrained")
    row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    handles: dict[str, Artist] = {}
    for axes, (name, curves) in zip(row, panels.items(), strict=True):
        _plot(
            axes,
            curves,
            [label_of[curve.label] for curve in curves],
            [look_of[curve.label] for curve in curves],
        )
        axes.set_title(name, fontsize=10)
        axes.set_xlabel(x_label, fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        handles.update(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    row[0].set_ylabel(y_label, fontsize=9)
    figure.suptitle(title, fontsize=11)
    if caption:
        figure.supxlabel(caption, fontsize=9)
    lines, texts = list(handles.values()), list(handles)
    figure.legend(lines, texts, fontsize=8, frameon=False, loc="outside right center")
    return save_figure(figure, Path(path))


def _plot(
    axes: "Axes", curves: Sequence[Curve], labels: Sequence[str], looks: Sequence[int]
) -> None:
    """Draw *curves*; after seven the colours repeat, and lines and marks differ."""
    for curve, label, number in zip(curves, labels, looks, strict=True):
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
            linewidth=1.3 if len(set(labels)) == len(labels) else 0.7,
            label=label,
        )


def _looks(curves: Sequence[Curve]) -> tuple[list[str], list[int]]:
    """Label and look of each curve; those of one group share both in a crowd."""
    groups = list(dict.fromkeys(curve.group for curve in curves))
    if len(curves) <= CROWD or groups == [""]:
        return [curve.label for curve in curves], list(range(len(curves)))
    names = {}
    for number, group in enumerate(groups):
        count = sum(curve.group == group for curve in curves)
        names[group] = (f"{group} ({count})", number)
    return (
        [names[curve.group][0] for curve in curves],
        [names[curve.group][1] for curve in curves],
    )
