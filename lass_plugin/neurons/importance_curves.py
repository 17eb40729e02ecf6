"""How the importance of neurons differs between pairs (Xie 2021, §5.1, Fig. 2).

The paper shows by eye that similar languages need the same neurons, and that "in most
neurons, the highest importance value is twice as high as the lowest". In numbers: the
rank correlation of the importance of every two pairs, and for each pair the share of
the neurons that are more than twice as important for it as for the pair that needs them
least.
"""

import os
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

from lass_plugin.anatomy.components import WHOLE, parts_of
from lass_plugin.anatomy.places import FEED_FORWARD, count_layers, find_place
from lass_plugin.data.progress import Progress
from lass_plugin.errors import LassError
from lass_plugin.languages import order_keys
from lass_plugin.neurons.importance import Importance
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.figures import colour, line_style, save_figure
from lass_plugin.records.heat_map import heat_map
from lass_plugin.records.json_record import RecordFormat
from lass_plugin.records.text_tables import in_columns

PEAK = 2.0
"""A peak is above this times the lowest importance of the neuron."""

ANY = "any"

Theta = Mapping[str, np.ndarray]
"""Site -> ``(pairs, neurons)`` float64, Θ^m(i) of Eq. 7 or 8."""


@dataclass(frozen=True)
class Part:
    """What the importance of the neurons of one part of the model says of pairs.

    The correlations are Spearman's, of every two pairs; NaN where one is not defined,
    as all neurons are as important as each other for a pair.
    """

    neurons: int
    within: np.ndarray
    """``(pairs, pairs)`` mean over the sites, each by its neurons, of the correlation
    within the site: 0 where what one pair needs says nothing of the other."""
    together: np.ndarray
    """``(pairs, pairs)`` with all neurons in one ranking; raised where all pairs need
    some sites more than others."""
    peaks: dict[str, int]
    """Pair -> neurons more than :data:`PEAK` times as important for it as for the pair
    of the lowest importance; :data:`ANY` -> those that are so for some pair."""


@dataclass(frozen=True)
class Comparison:
    """What is known of the importance of neurons for several pairs."""

    pairs: Sequence[str]
    """All that are compared; the rows of *theta*."""
    theta: Theta
    how: str
    """What the importance is, for captions."""

    @cached_property
    def parts(self) -> dict[str, Part]:
        """Every part of the model by its name."""
        return compare_parts(self.theta, parts_of(self.theta, "every"), self.pairs)


def compare_pairs(
    importance: Importance,
    pairs: Iterable[str] = (),
    criterion: str = "taylor",
    average: str = "token",
) -> Comparison:
    """Compare *pairs*, or all, in every part of the model.

    Args:
        criterion: see :meth:`.Importance.theta`, as for *average*.

    Raises:
        LassError: an unknown pair, or one pair only.
    """
    chosen = list(pairs) or importance.pairs
    for pair in chosen:
        if pair not in importance.pairs:
            raise LassError(
                f"the importance is not of {pair}; it is of "
                f"{', '.join(importance.pairs)}"
            )
    if len(chosen) < 2:
        raise LassError(
            f"there is one pair only ({', '.join(chosen)}) and nothing to compare it "
            "with; give two or more"
        )
    rows = [importance.pairs.index(pair) for pair in chosen]
    found = importance.theta(criterion, average)
    theta = {site: values[rows].numpy() for site, values in found.items()}
    how = f"criterion {criterion}, mean over each {average}"
    return Comparison(chosen, theta, how)


def sites_to_draw(importance: Importance, sites: Iterable[str] = ()) -> list[str]:
    """*sites*, or the feed-forward ones of the last layer of encoder and decoder.

    Where no feed-forward neurons were measured, all sites of these layers.

    Raises:
        LassError: an unknown site.
    """
    known, chosen = list(importance.neurons), list(dict.fromkeys(sites))
    for site in chosen:
        if site not in known:
            raise LassError(f"there is no site {site}; choose from {', '.join(known)}")
    if chosen:
        return chosen
    places = {site: find_place(site) for site in known}
    for side, count in count_layers(known).items():
        ends = (side, count - 1)
        last = [s for s in known if (places[s].side, places[s].layer) == ends]
        chosen += [s for s in last if places[s].part in FEED_FORWARD] or last
    return chosen


def compare_parts(
    theta: Theta, parts: Mapping[str, Sequence[str]], pairs: Sequence[str]
) -> dict[str, Part]:
    """Compare every two pairs, and count the neurons that stand out.

    Args:
        parts: name of a part of the model -> its sites.
        pairs: the rows of *theta*.
    """
    by_site = {site: spearman(values) for site, values in theta.items()}
    result = {}
    for part, sites in parts.items():
        sizes = [theta[site].shape[1] for site in sites]
        each = np.ma.masked_invalid([by_site[site] for site in sites])
        within = np.ma.filled(np.ma.average(each, axis=0, weights=sizes), np.nan)
        values = np.concatenate([theta[site] for site in sites], axis=1)
        above = values > PEAK * values.min(axis=0)
        peaks = dict(zip(pairs, above.sum(axis=1).tolist(), strict=True))
        peaks[ANY] = int(above.any(axis=0).sum())
        result[part] = Part(sum(sizes), within, spearman(values), peaks)
    return result


def spearman(values: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of every two rows: Pearson's, of their ranks.

    Args:
        values: ``(rows, n)``.

    Returns:
        ``(rows, rows)``, symmetric; NaN for rows whose values are all the same.
    """
    # twice the ranks, so that they are whole numbers and all sums are exact
    ranks = 2.0 * rankdata(values, axis=1)
    centred = ranks - (ranks.shape[1] + 1)
    products = centred @ centred.T
    squares = np.diagonal(products)
    scale = np.sqrt(np.outer(squares, squares))
    found = np.divide(
        products, scale, out=np.full_like(products, np.nan), where=scale > 0
    )
    np.fill_diagonal(found, np.where(squares > 0, 1.0, np.nan))
    return found.clip(-1.0, 1.0)


CURVES = RecordFormat(
    "lass_plugin importance curves",
    "an importance_curves.json of 'lass neurons curves'",
    unmarked=True,
    measured=True,
)
CORRELATION = RecordFormat(
    "lass_plugin similarity",
    "an importance_correlation.json of 'lass neurons curves'",
    unmarked=True,
    measured=True,
)
"""``lass tree`` reads it as it reads a ``similarity.json``."""

_ROW = 512
"""Most neurons of one row of a picture; more cannot be told apart."""

_WITHIN = (
    "Spearman's rank correlation of the importance of neurons for two pairs, mean over "
    "the sites"
)


def to_text(comparison: Comparison) -> str:
    """Tables for a terminal: every two pairs, parts of the model, and the peaks."""
    pairs, whole = comparison.pairs, comparison.parts[WHOLE]
    order = {key: pairs.index(key) for key in order_keys(pairs)}
    of_pairs = [["", *order]]
    for key, row in order.items():
        of_pairs.append([key, *(_text(whole.within[row, i]) for i in order.values())])
    of_parts = [["part", "neurons", "within", "least", "most", "together"]]
    above = np.triu_indices(len(pairs), 1)  # two different pairs
    for name, found in comparison.parts.items():
        if re.fullmatch(rf"{WHOLE}|(encoder|decoder)( layer \d+)?", name):
            within, together = found.within[above], found.together[above]
            values = (within.mean(), within.min(), within.max(), together.mean())
            of_parts.append([name, f"{found.neurons:,}", *map(_text, values)])
    shown = [part for part in (WHOLE, "encoder", "decoder") if part in comparison.parts]
    peaks = [["above twice the lowest", *shown]]
    for pair in (*pairs, ANY):
        of_part = [comparison.parts[part] for part in shown]
        shares = [f"{each.peaks[pair] / each.neurons:.1%}" for each in of_part]
        peaks.append(["highest of all pairs" if pair == ANY else pair, *shares])
    said = (
        f"rank correlation of the importance of {whole.neurons:,} neurons within each "
        f"site, mean over the sites; {comparison.how}"
    )
    blocks = [[*in_columns(of_pairs), said], in_columns(of_parts), in_columns(peaks)]
    return "\n\n".join(map("\n".join, blocks))


def _text(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"


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
    peaks = [
        {
            "part": part,
            "pair": pair,
            "above_twice_the_lowest": count,
            "neurons": found.neurons,
            "share": count / found.neurons,
        }
        for part, found in comparison.parts.items()
        for pair, count in found.peaks.items()
    ]
    tables = [
        write_csv(curves.with_suffix(".csv"), neurons),
        write_csv(folder / "importance_peaks.csv", peaks),
    ]
    pictures = draw_importance(curves)
    return [curves, *tables, *pictures, *_write_correlations(comparison, folder)]


def _write_correlations(comparison: Comparison, folder: Path) -> list[Path]:
    """Write the correlations as JSON and CSV, and the heat map of the whole model.

    Parts in which a correlation is not defined are in the CSV only.
    """
    keys = order_keys(comparison.pairs)
    order = [comparison.pairs.index(key) for key in keys]
    parts, lines = {}, []
    for name, found in comparison.parts.items():
        matrices = {"within": found.within, "together": found.together}
        ordered = {each: m[np.ix_(order, order)] for each, m in matrices.items()}
        if not np.isnan(list(ordered.values())).any():
            parts[name] = {
                "neurons": found.neurons,
                "similarity": ordered["within"].tolist(),
                "together": ordered["together"].tolist(),
                "chance": np.eye(len(keys)).tolist(),
            }
        for i, j in combinations(range(len(keys)), 2):
            line: dict[str, Any] = {"part": name, "first": keys[i], "second": keys[j]}
            for column, matrix in ordered.items():
                line[column] = None if np.isnan(matrix[i, j]) else float(matrix[i, j])
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
