"""Heat maps: matrices as coloured cells with their values written in them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Mapping, Sequence

import numpy as np

from lass_plugin.records.figures import SPAN, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh

_COLOURS = "cividis"  # the same order of light for every eye, and in grey print
_TWO_SIDED = "RdBu"  # red below the middle, white there, blue above

_CELLS = {0: 0.42, 2: 0.42, 3: 0.48, 4: 0.54}
"""Digits behind the point -> inches of a cell."""


def heat_map(
    matrix: np.ndarray,
    labels: Sequence[str],
    path: str | os.PathLike,
    title: str,
    *,
    breaks: Sequence[int] = (),
    limits: tuple[float, float] | None = None,
    caption: str = "",
    columns: Sequence[str] | None = None,
) -> list[Path]:
    """Draw a matrix as coloured cells with their values written in them.

    Args:
        matrix: ``(rows, columns)``; NaN leaves a cell grey and empty.
        labels: names of the rows, and of the columns unless *columns* gives these.
        path: picture to write; its suffix is replaced by ``.png`` and ``.svg``.
        breaks: a line is drawn before these rows and columns, between groups.
        limits: values of the darkest and the lightest colour (default: the least and
            the greatest value, at least :data:`SPAN` apart).
        caption: a line below, such as what the values mean.

    Returns:
        The two files written, the same bytes for the same input.
    """
    from matplotlib.figure import Figure

    matrix = np.asarray(matrix, dtype=np.float64)
    columns = labels if columns is None else columns
    limits = limits or _limits(matrix)
    cell = _CELLS[_digits(limits)]
    height, width = (cell * count for count in matrix.shape)
    figure = Figure(figsize=(width + 2.4, height + 1.6), layout="constrained")
    axes = figure.subplots()
    image = _draw_cells(axes, matrix, labels, columns, limits, _COLOURS)
    axes.set_title(title, fontsize=11)
    if caption:
        axes.set_xlabel(caption, fontsize=8)
    for place in breaks:
        axes.axhline(place, color="white", linewidth=2)
        axes.axvline(place, color="white", linewidth=2)
    figure.colorbar(image, ax=axes, shrink=0.75)
    figure.draw_without_rendering()  # lay it out once, not for each format
    figure.set_layout_engine("none")
    return save_figure(figure, Path(path))


def heat_panels(
    panels: Mapping[str, tuple[Sequence[str], np.ndarray]],
    labels: Sequence[str],
    path: str | os.PathLike,
    title: str,
    *,
    limit: float,
    breaks: Sequence[int] = (),
    row_label: str = "",
    caption: str = "",
) -> list[Path]:
    """Draw matrices of the same rows side by side, coloured by one scale around 0.

    Args:
        panels: name of each -> names of its columns and ``(rows, columns)``; NaN leaves
            a cell grey and empty.
        labels: names of the rows.
        path: picture to write; its suffix is replaced by ``.png`` and ``.svg``.
        limit: the value of the darkest blue; minus that of the darkest red.
        breaks: a line is drawn before these rows, between groups.
        row_label: what the rows are.
        caption: a line below, such as what the values mean.

    Returns:
        The two files written, the same bytes for the same input.
    """
    from matplotlib.figure import Figure

    limits = (-max(limit, SPAN / 2), max(limit, SPAN / 2))
    digits = _digits(limits)
    widths = [len(columns) for columns, _ in panels.values()]
    cell = max(_CELLS[digits], 0.066 * len(_text(-limit, digits)))
    size = cell * sum(widths) + 2.8, cell * len(labels) + 1.9
    figure = Figure(figsize=size, layout="constrained")
    row = figure.subplots(1, len(panels), squeeze=False, width_ratios=widths)[0]
    for axes, (name, (columns, matrix)) in zip(row, panels.items(), strict=True):
        image = _draw_cells(axes, matrix, labels, columns, limits, _TWO_SIDED)
        axes.set_title(name, fontsize=10)
        for place in breaks:
            axes.axhline(place, color="0.3", linewidth=1)
    for axes in row[1:]:
        axes.tick_params(labelleft=False)
    row[0].set_ylabel(row_label, fontsize=9)
    figure.suptitle(title, fontsize=11)
    if caption:
        figure.supxlabel(caption, fontsize=8)
    figure.colorbar(image, ax=list(row), shrink=0.75)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return save_figure(figure, Path(path))


def _digits(limits: tuple[float, float]) -> int:
    """How many digits behind the point tell the values between *limits* apart."""
    span = limits[1] - limits[0]
    return 4 if span < 0.02 else 3 if span < 0.1 else 2 if span < 200 else 0


def _draw_cells(
    axes: "Axes",
    matrix: np.ndarray,
    labels: Sequence[str],
    columns: Sequence[str],
    limits: tuple[float, float],
    colour_map: str,
) -> "QuadMesh":
    """Colour the cells of *matrix*, write their values in them, name both sides."""
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    colours, scale = colormaps[colour_map], Normalize(*limits, clip=True)
    axes.set_facecolor("0.9")
    image = axes.pcolormesh(matrix, cmap=colours, norm=scale, linewidth=0)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=90)
    axes.set_yticks(np.arange(len(labels)) + 0.5, labels)
    axes.tick_params(length=0)
    _write_values(axes, matrix, colours(scale(matrix)), _digits(limits))
    return image


def _write_values(
    axes: "Axes", matrix: np.ndarray, colours: np.ndarray, digits: int
) -> None:
    """Write each value in the middle of its cell, as outlines of the digits.

    Every different text is made once: thousands of texts would take a minute.

    Args:
        colours: ``(rows, columns, 4)`` of the cells.
    """
    from matplotlib.collections import PathCollection
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    light = colours[..., :3] @ (0.299, 0.587, 0.114) > 0.5
    places: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row, column in np.argwhere(~np.isnan(matrix)):
        text = _text(matrix[row, column], digits)
        colour = "black" if light[row, column] else "white"
        places.setdefault((text, colour), []).append((column + 0.5, row + 0.5))
    points = Affine2D().scale(1 / 72) + axes.figure.dpi_scale_trans
    for (text, colour), offsets in places.items():
        outline = TextPath((0, 0), text, size=7)
        box = outline.get_extents()
        middle = Affine2D().translate(-(box.x0 + box.x1) / 2, -(box.y0 + box.y1) / 2)
        texts = PathCollection(
            [outline.transformed(middle)],
            offsets=offsets,
            offset_transform=axes.transData,
            facecolor=colour,
            linewidth=0,
        )
        texts.set_transform(points)
        texts.set_in_layout(False)
        axes.add_collection(texts, autolim=False)


def _limits(matrix: np.ndarray) -> tuple[float, float]:
    """The range of the values, widened to :data:`SPAN` around its middle."""
    if np.isnan(matrix).all():
        return 0.0, 1.0
    low, high = float(np.nanmin(matrix)), float(np.nanmax(matrix))
    missing = max(0.0, SPAN - (high - low)) / 2
    return low - missing, high + missing


def _text(value: float, digits: int) -> str:
    """``.94`` for 0.94, to leave room in the cell."""
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text
