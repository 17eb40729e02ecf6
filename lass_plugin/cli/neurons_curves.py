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

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.neurons.settings import average_option, criterion_option
from lass_plugin.settings import Settings, argument, needless, option

HELP = "show how the importance of neurons differs between pairs"

_DRAWN = 4
"""Curves in a picture, unless pairs are named."""


@dataclass(frozen=True, kw_only=True)
class CurveSettings(Settings):
    """What is compared, and where the files go."""

    importance: Path = argument(
        "what 'lass neurons importance' made", metavar="IMPORTANCE"
    )
    pairs: tuple[Pair, ...] = option(
        (),
        "the pairs to compare, each with a curve (default: all, and curves of the "
        f"first {_DRAWN})",
        metavar="de-en,…",
        parse=parse_pairs,
    )
    site: tuple[str, ...] = option(
        (),
        "sites whose neurons get curves, such as encoder.layers.5.fc1 (default: fc1 "
        "and fc2 of the last layer of encoder and decoder)",
        metavar="SITE,…",
    )
    criterion: str = criterion_option()
    average: str = average_option()
    out: Path | None = option(
        None,
        "write curves, correlations and shares (.json, .csv, .png, .svg) there",
        metavar="DIR",
    )

    def check(self) -> None:
        super().check()
        if not self.out:
            needless(self, "site", "without --out, where the curves go")


SETTINGS = CurveSettings


def run(settings: CurveSettings) -> int:
    """Print the correlations and the shares; write the files."""
    from lass_plugin.neurons.importance import load_importance
    from lass_plugin.neurons.importance_curves import (
        compare_pairs,
        sites_to_draw,
        to_text,
        write_comparison,
    )

    importance = load_importance(settings.importance)
    comparison = compare_pairs(
        importance, map(str, settings.pairs), settings.criterion, settings.average
    )
    sites = sites_to_draw(importance, settings.site)
    print(to_text(comparison))
    if settings.out:
        drawn = comparison.pairs if settings.pairs else comparison.pairs[:_DRAWN]
        print()
        for path in write_comparison(comparison, sites, drawn, settings.out):
            print(path)
        if len(drawn) < len(comparison.pairs):
            print(f"note: the curves are those of {', '.join(drawn)}; --pairs chooses")
    return 0
