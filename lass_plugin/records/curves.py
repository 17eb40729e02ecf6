"""Curves: a line for each series, with marks that differ in grey print too."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lass_plugin.records.figures import colour, line_style, marker, save_figure

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

CROWD = 20
"""Of more curves than this, those of one group look alike."""

LAYER_LABEL = "layer (0 is the first)"
"""How an axis of layers is labelled."""


@dataclass(frozen=True)
class Curve:
    """One line of a picture: its points from left to right; NaN breaks it."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    points_only: bool = False
    """Marks without a line between them."""
    group: str = ""
    """What it has in common with others, where there are too many to tell apart."""
    look: int | None = None
    """Number of its colour and mark; None for its place among the curves."""
    line: str = ""
    """Its style for matplotlib; empty for that of its look."""
    hollow: bool = False
    """Marks are white within."""
    faint: bool = False
    """A thin line without marks and without a name in the legend."""


def draw_curves(
    curves: Sequence[Curve],
    path: str | os.PathLike,
    title: str,
    x_label: str,
    y_label: str,
    **more: Any,
) -> list[Path]:
    """Draw *curves* in one picture, in all else as :func:`draw_panels`."""
    return draw_panels({"": curves}, path, title, x_label, y_label, **more)


def draw_panels(
    panels: Mapping[str, Sequence[Curve]],
    path: str | os.PathLike,
    title: str,
    x_label: str,
    y_label: str,
    *,
    levels: Sequence[tuple[str, float]] = (),
    caption: str = "",
    logarithmic: bool = False,
    one_scale: bool = True,
    least: float = 0.0,
) -> list[Path]:
    """Draw curves, such as those over the layers, in panels side by side.

    Args:
        panels: title of each panel -> its curves; those of one label look alike in all
            panels.
        path: picture to write; its suffix is replaced by ``.png`` and ``.svg``.
        levels: label and value of horizontal lines in every panel.
        caption: a line below, such as what the values mean.
        logarithmic: the x axes double in equal steps.
        one_scale: the y axes of all panels are the same.
        least: least height of a y axis, lest noise be painted as structure.

    Returns:
        The two files written, the same bytes for the same input.
    """
    from matplotlib.figure import Figure

    looks = _looks(curve for curves in panels.values() for curve in curves)
    names = {label for label, _ in looks.values()}
    crowded = len(names) < len(looks)
    entries = sum(not name.startswith("_") for name in names) + len(levels)
    size = (2.8 + 3.6 * len(panels), max(4.4, 0.2 * entries + 0.8))
    figure = Figure(figsize=size, layout="constrained")
    row = figure.subplots(1, len(panels), sharey=one_scale, squeeze=False)[0]
    handles: dict[str, Artist] = {}
    for axes, (name, curves) in zip(row, panels.items(), strict=True):
        for curve in curves:
            _plot(axes, curve, *looks[curve.label], crowded=crowded)
        _draw_levels(axes, levels)
        _scale_x(axes, curves, logarithmic)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel(x_label, fontsize=9)
        axes.grid(color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        handles.update(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    for axes in row[:1] if one_scale else row:
        low, high = axes.get_ylim()
        missing = max(0.0, least - (high - low)) / 2
        axes.set_ylim(low - missing, high + missing)
        axes.set_ylabel(y_label, fontsize=9)
    figure.suptitle(title, fontsize=11)
    if caption:
        figure.supxlabel(caption, fontsize=9)
    place = row[0] if entries <= 6 and len(panels) == 1 else figure
    place.legend(
        list(handles.values()),
        list(handles),
        fontsize=8,
        frameon=False,
        handlelength=3,
        loc="best" if place is row[0] else "outside right center",
    )
    return save_figure(figure, Path(path))


def _plot(
    axes: "Axes", curve: Curve, label: str, number: int, *, crowded: bool
) -> None:
    """Draw *curve*; after seven the colours repeat, and lines and marks differ."""
    face = colour(number)
    if curve.points_only or curve.hollow:
        face = "none" if curve.points_only else "white"
    axes.plot(
        curve.x,
        curve.y,
        linestyle="none" if curve.points_only else curve.line or line_style(number),
        marker="" if curve.faint else marker(number),
        markersize=8 if curve.points_only else 4,
        markerfacecolor=face,
        color=colour(number),
        linewidth=0.7 if crowded or curve.faint else 1.3,
        alpha=0.5 if curve.faint else 1.0,
        label=label,
    )


def _draw_levels(axes: "Axes", levels: Sequence[tuple[str, float]]) -> None:
    for number, (label, value) in enumerate(levels, start=1):
        axes.axhline(
            value,
            color="0.3",
            linestyle=line_style(7 * number),
            linewidth=1,
            label=label,
        )


def _scale_x(axes: "Axes", curves: Sequence[Curve], logarithmic: bool) -> None:
    """Powers of two, or whole numbers only where all are whole."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    if logarithmic:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    elif all(isinstance(x, int) for curve in curves for x in curve.x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _looks(curves: Iterable[Curve]) -> dict[str, tuple[str, int]]:
    """Label of each curve -> what is shown of it, and the number of its look.

    In a crowd those of one group share both. A label that begins with an underscore is
    not in the legend.
    """
    every = {curve.label: curve for curve in curves}
    groups = list(dict.fromkeys(curve.group for curve in every.values()))
    looks = {}
    for number, (label, curve) in enumerate(every.items()):
        look = number if curve.look is None else curve.look
        looks[label] = (f"_{label}" if curve.faint else label, look)
        if len(every) > CROWD and groups != [""]:
            count = sum(each.group == curve.group for each in every.values())
            place = groups.index(curve.group)
            looks[label] = (f"{curve.group} ({count})", place)
    return looks
