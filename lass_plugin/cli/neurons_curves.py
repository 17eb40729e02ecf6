"""Show how the importance of neurons differs between pairs.

    lass neurons curves importance/ --pairs en-es,en-pt,en-fi --out report
    lass tree report/importance_correlation.json --out tree

For every two pairs: Spearman's rank correlation of the importance of the neurons within
each site, averaged over the sites ("within"), and with all neurons in one ranking
("together"; raised where all pairs need some sites more than others). For every pair:
the share of neurons more than twice as important for it as for the pair that needs them
least (Xie 2021, §5.1).

--out DIR writes the importance of every neuron of some sites as curves (Fig. 2), the
correlations of all parts of the model, and the shares: importance_curves.json, .csv and
a picture of each site, importance_correlation.json, .csv and a heat map, and
importance_peaks.csv.
"""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Iterable

if TYPE_CHECKING:
    from lass_plugin.neurons.importance_curve_files import Comparison

HELP = "show how the importance of neurons differs between pairs"

_DRAWN = 4
"""Curves in a picture, unless pairs are named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass neurons curves``."""
    from lass_plugin.cli.neurons_allocate import add_score

    parser.add_argument(
        "importance",
        metavar="IMPORTANCE",
        type=Path,
        help="what 'lass neurons importance' made",
    )
    parser.add_argument(
        "--pairs",
        metavar="de-en,…",
        help="the pairs to compare, each with a curve (default: all, and curves of the "
        f"first {_DRAWN})",
    )
    parser.add_argument(
        "--site",
        metavar="SITE,…",
        help="sites whose neurons get curves, such as encoder.layers.5.fc1 (default: "
        "fc1 and fc2 of the last layer of encoder and decoder)",
    )
    add_score(parser.add_argument)
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="write curves, correlations and shares (.json, .csv, .png, .svg) there",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the correlations and the shares; write the files."""
    from lass_plugin.anatomy.components import parts_of
    from lass_plugin.errors import LassError
    from lass_plugin.languages import parse_pairs
    from lass_plugin.neurons.importance import load_importance
    from lass_plugin.neurons.importance_curve_files import Comparison, write_comparison
    from lass_plugin.neurons.importance_curves import (
        compared_pairs,
        correlations,
        peaks,
        sites_to_draw,
        theta_of,
    )

    if arguments.site and not arguments.out:
        raise LassError(
            "--site has no effect without --out, where the curves go; give it too"
        )
    importance = load_importance(arguments.importance)
    named = parse_pairs(arguments.pairs) if arguments.pairs else []
    pairs = compared_pairs(importance, map(str, named))
    sites = sites_to_draw(importance, filter(None, (arguments.site or "").split(",")))
    theta = theta_of(importance, pairs, arguments.criterion, arguments.average)
    parts = parts_of(theta, "every")
    comparison = Comparison(
        tuple(pairs),
        arguments.criterion,
        arguments.average,
        theta,
        correlations(theta, parts),
        peaks(theta, parts, pairs),
    )
    _print_correlations(comparison)
    print()
    _print_parts(comparison)
    print()
    _print_peaks(comparison)
    if arguments.out:
        drawn = pairs if named else pairs[:_DRAWN]
        print()
        for path in write_comparison(comparison, sites, drawn, arguments.out):
            print(path)
        if len(drawn) < len(pairs):
            print(f"note: the curves are those of {', '.join(drawn)}; --pairs chooses")
    return 0


def _print_correlations(comparison: "Comparison") -> None:
    """Every two pairs, in the whole model."""
    from lass_plugin.anatomy.components import WHOLE
    from lass_plugin.languages import order_keys
    from lass_plugin.records.text_tables import print_table

    keys = order_keys(comparison.pairs)
    order = [comparison.pairs.index(key) for key in keys]
    found = comparison.correlations[WHOLE]
    rows = [["", *keys]]
    for key, row in zip(keys, order, strict=True):
        rows.append([key, *(_text(found.within[row, column]) for column in order)])
    print_table(rows)
    print(
        f"rank correlation of the importance of {found.neurons:,} neurons within each "
        f"site, mean over the sites; {comparison.how}"
    )


def _print_parts(comparison: "Comparison") -> None:
    """A row for the whole model and for each layer: two different pairs on average."""
    import numpy as np

    from lass_plugin.records.text_tables import print_table

    rows = [["part", "neurons", "within", "least", "most", "together"]]
    above = np.triu_indices(len(comparison.pairs), 1)
    for name in _shown(comparison.correlations):
        found = comparison.correlations[name]
        within, together = found.within[above], found.together[above]
        values = (within.mean(), within.min(), within.max(), together.mean())
        rows.append([name, f"{found.neurons:,}", *map(_text, values)])
    print_table(rows)


def _print_peaks(comparison: "Comparison") -> None:
    """A row a pair: share of the neurons above twice the lowest importance."""
    from lass_plugin.anatomy.components import WHOLE
    from lass_plugin.records.text_tables import print_table

    parts = [part for part in (WHOLE, "encoder", "decoder") if part in comparison.peaks]
    found = [comparison.peaks[part] for part in parts]
    rows = [["above twice the lowest", *parts]]
    for pair in comparison.pairs:
        shares = [f"{peaks.by_pair[pair] / peaks.neurons:.1%}" for peaks in found]
        rows.append([pair, *shares])
    highest = [f"{peaks.any_pair / peaks.neurons:.1%}" for peaks in found]
    print_table([*rows, ["highest of all pairs", *highest]])


def _shown(parts: Iterable[str]) -> list[str]:
    """The whole model, its sides and its layers."""
    from lass_plugin.anatomy.components import WHOLE

    shown = rf"{WHOLE}|(encoder|decoder)( layer \d+)?"
    return [part for part in parts if re.fullmatch(shown, part)]


def _text(value: float) -> str:
    return "-" if value != value else f"{value:.3f}"
