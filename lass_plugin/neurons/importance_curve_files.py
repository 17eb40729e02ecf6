"""Importance curves and what is said of them as files: JSON, CSV, and pictures."""

import csv
import io
import json
import os
import re
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np

from lass_plugin import files
from lass_plugin.anatomy.components import WHOLE
from lass_plugin.data.progress import Progress
from lass_plugin.errors import LassError
from lass_plugin.languages import order_keys
from lass_plugin.neurons.importance_curves import Correlation, Peaks, Theta
from lass_plugin.records.figures import colour, line_style, save_figure
from lass_plugin.records.heat_map import heat_map

CURVES, CORRELATION = "importance_curves.json", "importance_correlation.json"

_ROW = 512
"""Most neurons of one row of a picture; more cannot be told apart."""

_WITHIN = (
    "Spearman's rank correlation of the importance of neurons for two pairs, mean over "
    "the sites"
)


@dataclass(frozen=True)
class Comparison:
    """What is known of the importance of neurons for several pairs."""

    pairs: tuple[str, ...]
    """All that are compared; the rows of *theta*."""
    criterion: str
    average: str
    theta: Theta
    correlations: Mapping[str, Correlation]
    """Part of the model -> every two pairs."""
    peaks: Mapping[str, Peaks]
    """Part of the model -> neurons that stand out."""

    @property
    def how(self) -> str:
        """What the importance is, for captions."""
        return f"criterion {self.criterion}, mean over each {self.average}"


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
    curves = folder / CURVES
    rows = [comparison.pairs.index(pair) for pair in drawn]
    record = {
        "how": comparison.how,
        "pairs": list(drawn),
        "sites": {site: comparison.theta[site][rows].tolist() for site in sites},
    }
    files.write_json(curves, record, rows=True)
    tables = [curves.with_suffix(".csv"), folder / "importance_peaks.csv"]
    files.write_text(tables[0], _curves_csv(record))
    files.write_text(tables[1], _peaks_csv(comparison.peaks))
    written = [curves, *tables, *draw_importance(curves)]
    return [*written, *_write_correlations(comparison, folder / CORRELATION)]


def _curves_csv(record: Mapping[str, Any]) -> str:
    """A line for each neuron, a column for each pair."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["site", "neuron", *record["pairs"]])
    for site, values in record["sites"].items():
        for number, neuron in enumerate(zip(*values, strict=True)):
            writer.writerow([site, number, *map(repr, neuron)])
    return text.getvalue()


def _peaks_csv(found: Mapping[str, Peaks]) -> str:
    """A line for each part and pair, and one for any pair."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["part", "pair", "above_twice_the_lowest", "neurons", "share"])
    for part, peaks in found.items():
        for pair, count in [*peaks.by_pair.items(), ("any", peaks.any_pair)]:
            share = repr(count / peaks.neurons)
            writer.writerow([part, pair, count, peaks.neurons, share])
    return text.getvalue()


def _write_correlations(comparison: Comparison, data: Path) -> list[Path]:
    """Write JSON that ``lass tree`` reads as it reads a ``similarity.json``, CSV, and
    the heat map of the whole model.

    Parts in which a correlation is not defined are in the CSV only.
    """
    keys = order_keys(comparison.pairs)
    order = [comparison.pairs.index(key) for key in keys]
    parts = {}
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
    record = {"measure": _WITHIN, "how": comparison.how, "keys": keys, "parts": parts}
    files.write_json(data, record, rows=True)
    table = data.with_suffix(".csv")
    files.write_text(table, _correlations_csv(comparison, keys, order))
    return [data, table, *draw_correlations(data)]


def _correlations_csv(
    comparison: Comparison, keys: Sequence[str], order: Sequence[int]
) -> str:
    """A line for each part and two pairs; empty where a value is not defined."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["part", "first", "second", "within", "together", "neurons"])
    for name, found in comparison.correlations.items():
        for i, j in combinations(range(len(keys)), 2):
            values = [
                float(matrix[order[i], order[j]])
                for matrix in (found.within, found.together)
            ]
            cells = ["" if np.isnan(value) else repr(value) for value in values]
            writer.writerow([name, keys[i], keys[j], *cells, found.neurons])
    return text.getvalue()


def draw_correlations(data: str | os.PathLike) -> list[Path]:
    """Draw the whole model of an ``importance_correlation.json``, beside that file.

    Returns:
        The two files written; none if the whole model is not in it.

    Raises:
        LassError: *data* is not such a file.
    """
    data = Path(data)
    try:
        record = json.loads(data.read_text(encoding="utf-8"))
        keys, parts, how = list(record["keys"]), record["parts"], str(record["how"])
        matrix = None
        if WHOLE in parts:
            matrix = np.array(parts[WHOLE]["similarity"], dtype=np.float64)
            np.fill_diagonal(matrix, np.nan)  # 1 by definition
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LassError(
            f"{data} is not an {CORRELATION} of 'lass neurons curves' ({error})"
        ) from error
    if matrix is None:
        return []
    title = "Rank correlation of the importance of neurons"
    return heat_map(matrix, keys, data, title, caption=f"mean over the sites; {how}")


def draw_importance(data: str | os.PathLike) -> list[Path]:
    """Draw the curves of an ``importance_curves.json``, beside that file: a picture for
    each site, the neurons in their order (Xie 2021, Fig. 2).

    Raises:
        LassError: *data* is not such a file.
    """
    data = Path(data)
    try:
        record = json.loads(data.read_text(encoding="utf-8"))
        pairs, how = [str(pair) for pair in record["pairs"]], str(record["how"])
        sites = {
            str(site): np.array(values, dtype=np.float64).reshape(len(pairs), -1)
            for site, values in record["sites"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LassError(
            f"{data} is not an {CURVES} of 'lass neurons curves' ({error})"
        ) from error
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
