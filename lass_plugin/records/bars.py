"""Bars: a group for each label, a bar in it for each series."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from lass_plugin.records.figures import colour, save_figure

_HATCHES = ("", "//", "..", "xx", "\\\\", "--", "oo")
"""What tells bars apart in grey print."""


def draw_bars(
    labels: Sequence[str],
    series: Mapping[str, Sequence[float]],
    path: str | os.PathLike,
    title: str,
    y_label: str,
) -> list[Path]:
    """Draw *series* side by side at each of *labels*, from a line at 0.

    Args:
        series: name -> a value for each label.
        path: picture to write; its suffix is replaced by ``.png`` and ``.svg``.

    Returns:
        The two files written, the same bytes for the same input.
    """
    from matplotlib.figure import Figure

    width = 0.8 / len(series)
    bars = len(labels) * len(series)
    figure = Figure(figsize=(max(6.0, 2.5 + 0.22 * bars), 4.2), layout="constrained")
    axes = figure.subplots()
    for number, (name, values) in enumerate(series.items()):
        places = [place - 0.4 + (number + 0.5) * width for place in range(len(labels))]
        axes.bar(
            places,
            values,
            width,
            label=name,
            color=colour(number),
            hatch=_HATCHES[number % len(_HATCHES)],
            edgecolor="white",
        )
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.set_xticks(range(len(labels)), labels, rotation=90 * (len(labels) > 8))
    axes.set_ylabel(y_label, fontsize=9)
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    figure.suptitle(title, fontsize=11)
    figure.legend(fontsize=8, frameon=False, loc="outside right center")
    return save_figure(figure, Path(path))
