"""Importance curves and what is said of them as files: JSON, CSV, and pictures."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from lass_plugin.anatomy.components import WHOLE
from lass_plugin.data.progress import Progress
from lass_plugin.languages import order_keys
from lass_plugin.neurons.importance_curves import Comparison, Peaks
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.figures import colour, line_style, save_figure
from lass_plugin.records.heat_map import heat_map
from lass_plugin.records.json_record import RecordFormat

CURVES = RecordFormat(
    "lass_plugin importance curves",
    "an importance_curves.json of 'lass neurons curves'",
    unmarked=True,
)
CORRELATION = RecordFormat(
    "lass_plugin similarity",
    "an importance_correlation.json of 'lass neurons curves'",
    unmarked=True,
)
"""``lass tree`` reads it as it reads a ``similarity.json``."""

_ROW = 512
"""Most neurons of one row of a picture; more cannot be told apart."""

_WITHIN = (
    "Spearman's rank correlation of the importance of neurons for two pairs, mean over "
    "the sites"
)


def write_comparison(
    comparison: Comparison,
    sites: Sequence[str],
    drawn: Sequence[str],
    folder: str | os.PathLike,
) -> list[Path]:
    """Write the curves, the correlations and the peaks to *folder*.

    Args:
        sites: whose neurons get curves.
        drawn: the pairs that get curves.

    Returns:
        The files written.
    """
    folder = Path(folder)
    rows = [comparison.pairs.index(pair) for pair in drawn]
    values = {site: comparison.theta[site][rows].tolist() for site in sites}
    record = {"how": comparison.how, "pairs": list(drawn), "sites": values}
    curves = CURVES.write(folder / "importance_curves.json", record, rows=True)
    neurons = [
        {"site": site, "neuron": number, **dict(zip(drawn, neuron, strict=True))}
        for site in sites
        for number, neuron in enumerate(zip(*values[site], strict=True))
    ]
    written = [curves, write_csv(curves.with_suffix(".csv"), neurons)]
    peaks = folder / "importance_peaks.csv"
    written.append(write_csv(peaks, _peaks(comparison.peaks)))
    written += draw_importance(curves)
    return written + _write_correlations(comparison, folder)


def _peaks(found: Mapping[str, Peaks]) -> Iterator[dict[str, Any]]:
    """A line for each part and pair, and one for any pair."""
    for part, peaks in found.items():
        for pair, count in {**peaks.by_pair, "any": peaks.any_pair}.items():
            yield {
                "part": part,
                "pair": pair,
                "above_twice_the_lowest": count,
                "neurons": peaks.neurons,
                "share": count / peaks.neurons,
            }


def _write_correlations(comparison: Comparison, folder: Path) -> list[Path]:
    """Write the correlations as JSON and CSV, and the heat map of the whole model.

    Parts in which a correlation is not defined are in the CSV only.
    """
    keys = order_keys(comparison.pairs)
    order = [comparison.pairs.index(key) for key in keys]
    parts, lines = {}, []
    for name, found in comparison.correlations.items():
        within, together = (
            matrix[np.ix_(order, order)] for matrix in (found.within, found.together)
        )
        if not np.isnan([within, together]).any():
            parts[name] = {
                "neurons": found.neurons,
                "similarity": within.tolist(),
                "together": together.tolist(),
                "chance": np.eye(len(keys)).tolist(),
            }
        for i, j in combinations(range(len(keys)), 2):
            line: dict[str, Any] = {"part": name, "first": keys[i], "second": keys[j]}
            for column, matrix in (("within", within), ("together", together)):
                value = float(matrix[i, j])
                line[column] = None if np.isnan(value) else value
            lines.append({**line, "neurons": found.neurons})
    record = {"measure": _WITHIN, "how": comparison.how, "keys": keys, "parts": parts}
    path = folder / "importance_correlation.json"
    data = CORRELATION.write(path, record, rows=True)
    table = write_csv(data.with_suffix(".csv"), lines)
    return [data, table, *draw_correlations(data)]


def draw_correlations(data: str | os.PathLike) -> list[Path]:
    """Draw the whole model of an ``importance_correlation.json``, beside that file.

    Returns:
        The two files written; none if the whole model is not in it.

    Raises:
        LassError: *data* is not such a file.
    """
    with CORRELATION.reading(data) as record:
        keys, parts, how = list(record["keys"]), record["parts"], str(record["how"])
        if WHOLE not in parts:
            return []
        matrix = np.array(parts[WHOLE]["similarity"], dtype=np.float64)
        np.fill_diagonal(matrix, np.nan)  # 1 by definition
    title = "Rank correlation of the importance of neurons"
    return heat_map(matrix, keys, data, title, caption=f"mean over the sites; {how}")


def draw_importance(data: str | os.PathLike) -> list[Path]:
    """Draw the curves of an ``importance_curves.json``, beside that file: a picture for
    each site, the neurons in their order (Xie 2021, Fig. 2).

    Raises:
        LassError: *data* is not such a file.
    """
    data = Path(data)
    with CURVES.reading(data) as record:
        pairs, how = [str(pair) for pair in record["pairs"]], str(record["how"])
        sites = {
            str(site): np.array(values, dtype=np.float64).reshape(len(pairs), -1)
            for site, values in record["sites"].items()
        }
    progress = Progress("drawing", len(sites))
    written = []
    for site, values in sites.items():
        name = re.sub(r"[^a-z0-9]+", "-", site)
        path = data.with_name(f"{data.stem}.{name}.png")
        written += _draw_site(site, dict(zip(pairs, values, strict=True)), path, how)
        progress.advance(1, site)
    progress.finish()
    return written


def _draw_site(
    site: str, importance: Mapping[str, np.ndarray], path: Path, how: str
) -> list[Path]:
    """Draw one site, row by row like lines of text, all rows to one scale.

    Args:
        importance: pair -> ``(neurons,)``.
    """
    from matplotlib.figure import Figure

    count = max(len(row) for row in importance.values())
    starts = range(0, count, _ROW)
    figure = Figure(figsize=(10.0, 1.1 + 1.7 * len(starts)), layout="constrained")
    panels = figure.subplots(len(starts), 1, sharey=True, squeeze=False)[:, 0]
    for axes, start in zip(panels, starts, strict=True):
        for number, (pair, row) in enumerate(importance.items()):
            part = row[start : start + _ROW]
            axes.plot(
                range(start, start + len(part)),
                part,
                line_style(number),
                color=colour(number),
                linewidth=0.8,
                label=pair,
            )
        axes.set_xlim(start, start + max(2, min(_ROW, count)) - 1)
        axes.tick_params(labelsize=8)
        axes.grid(color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
    panels[0].set_ylim(bottom=0)
    panels[-1].set_xlabel(f"neuron\n{how}", fontsize=9)
    figure.supylabel("importance", fontsize=9)
    figure.suptitle(f"Importance of the neurons of {site}", fontsize=11)
    lines, texts = panels[0].get_legend_handles_labels()
    figure.legend(lines, texts, fontsize=8, frameon=False, loc="outside right center")
    return save_figure(figure, path)
