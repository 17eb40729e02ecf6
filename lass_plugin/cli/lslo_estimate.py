"""Estimate what each language and matrix demands, from what pruning left of B.

    fairseq-train … --task translation_lslo --lslo-ranks 8 \\
        --lslo-pruning layer --lslo-pruning-ratio 0.7 --save-dir ise
    lass lslo estimate ise/checkpoint_last.pt --out demands/

Score(B) = #pruned(B) − P · #B (Cao 2024, Eq. 6), P being the ratio that pruning has
reached: below 0 (red), a language needs more in that place than others of its group;
above 0 (blue), less. After --lslo-pruning layer the B of all languages in a layer
competed (intrinsic subspace estimation, §4.2); after language, the B of a language in
all matrices (§7.3): its scores sum to 0, so they compare matrices and not languages.
After matrix each B was pruned by itself to the ratio, so that all scores are about 0:
only the numbers are written, no pictures.

The paper shows scores as numbers of weights. The B of fc1 has as many rows as fc1 has
outputs, usually four times those of the others, and can score four times as far from 0;
--share divides by #B. What is written to estimate.json and .csv is the same.

After layer, also the correlation between the amount of data of a language and its score
(Tables 9 and 10: Pearson's r, positive where languages with more data need less), where
the amounts of three languages or more are known: by default the sentence pairs with
English of FLORES-101.

--out DIR gets estimate.json, estimate.csv and, as .png and .svg, score (languages by
matrices, Fig. 2), score.layer-N (Fig. 5), score.layers (layers by matrices, Fig. 4) and
score.layers.LANGUAGE (Fig. 6); with --share they are called share.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from lass_plugin.settings import Settings, argument, needless, option, required, switch

if TYPE_CHECKING:
    from lass_plugin.methods.lowrank.estimation.demand_maps import Cells, DemandMap
    from lass_plugin.methods.lowrank.estimation.demands import Estimate

HELP = "what each language and matrix demands of its low-rank modules"


@dataclass(frozen=True, kw_only=True)
class EstimateSettings(Settings):
    """What is read, and how it is shown."""

    checkpoint: Path = argument(
        "of a training with --lslo-pruning layer or language", metavar="CHECKPOINT"
    )
    out: Path = required("folder for the files", metavar="DIR")
    share: bool = switch(
        "show scores as shares of #B (the paper shows numbers of weights)"
    )
    sizes: str | None = option(
        None,
        "sentence pairs of the languages, de=1000,fr=2M, a file, or a folder of "
        "'lass prepare' (default: with English, of FLORES-101)",
        metavar="SIZES",
    )
    resource_types: str | None = option(
        None,
        "order the languages by these, 'H=en,fr;M=nl;V=oc' or a file (default: "
        "those of FLORES-101 where it has all of them)",
        metavar="TYPES",
    )


SETTINGS = EstimateSettings


def run(settings: EstimateSettings) -> int:
    """Print the tables; write the files."""
    from lass_plugin.methods.lowrank.estimation.demand_maps import (
        Cells,
        describe,
        write_demands,
    )
    from lass_plugin.methods.lowrank.estimation.demands import estimate
    from lass_plugin.methods.lowrank.stored import read_low_rank
    from lass_plugin.resource_types import parse_types

    found = estimate(read_low_rank(settings.checkpoint), str(settings.checkpoint))
    if settings.resource_types:
        types = parse_types(settings.resource_types, found.languages)
        found = replace(found, types=types)
    if not found.ranks_languages:
        why = f"after --lslo-pruning {found.pruning.group}, in which languages do not "
        needless(settings, "sizes", f"{why}compete")
    if not found.compared:
        needless(
            settings,
            "share",
            "after --lslo-pruning matrix, whose scores are all about 0 and not shown",
        )
    cells, notes = Cells(found, settings.share), _notes(found)
    correlation = None
    if found.ranks_languages:
        correlation = _correlation(cells, settings.sizes, notes)
    if found.compared:
        print(describe(found, settings.share))
        for shown in (cells.by_language(), cells.by_layer()):
            print()
            _print_scores(shown, settings.share)
    if correlation:
        print()
        _print_correlation(correlation)
    print()
    for note in notes:
        print(f"note: {note}")
    for path in write_demands(settings.out, found, correlation, notes, settings.share):
        print(path)
    return 0


def _correlation(
    cells: "Cells", sizes: str | None, notes: list[str]
) -> dict[str, Any] | None:
    """The correlation with the amount of data; a note where that is not known."""
    from lass_plugin.methods.lowrank.estimation.data_amounts import (
        LEAST,
        common,
        correlate,
        flores_amounts,
        parse_amounts,
    )

    amounts = parse_amounts(sizes) if sizes else flores_amounts()
    if sizes or len(common(cells, amounts)) >= LEAST:
        return correlate(cells, amounts)
    notes.append(
        f"no correlation with the amount of data: fewer than {LEAST} languages are in "
        "the table of FLORES-101 (give --sizes)"
    )
    return None


def _notes(found: "Estimate") -> list[str]:
    """What a reader has to know besides the numbers."""
    notes = []
    final = found.pruning.ratios
    if any(each.ratio != final.get(each.language, 0) for each in found.demands):
        notes.append(
            f"the checkpoint is of epoch {found.epoch}; pruning reaches its ratio in "
            f"epoch {found.pruning.last}"
        )
    if not found.compared:
        notes.append(
            "each B was pruned by itself to the ratio, so all scores are about 0 and "
            "tell no demands; estimate with --lslo-pruning layer or language"
        )
    if found.unpruned:
        notes.append(f"not pruned, so not shown: {', '.join(found.unpruned)}")
    return notes


def _print_scores(shown: "DemandMap", share: bool) -> None:
    """Print the rows of *shown*, the sides beside each other with their means."""
    from lass_plugin.records.text_tables import print_table

    digits = 3 if share else 1
    print(shown.title)
    rows = [[shown.by]]
    for side, kinds in shown.columns.items():
        rows[0] += [f"{side[:3]} {kind}" for kind in [*kinds, "AVG"]]
    for number, label in enumerate(shown.rows):
        cells = [label]
        for side, values in shown.values.items():
            cells += _texts(values[number], digits)
            cells += _texts([shown.average(side)[number]], digits)
        rows.append(cells)
    print_table(rows)


def _texts(values: Sequence[float], digits: int) -> list[str]:
    """Numbers without a sign before 0; ``-`` for those that are not there."""
    return [
        "-" if value != value else f"{round(value, digits) + 0.0:.{digits}f}"
        for value in map(float, values)
    ]


def _print_correlation(correlation: Mapping[str, Any]) -> None:
    from lass_plugin.records.text_tables import print_table

    count = len(correlation["sizes"])
    print(f"Correlation of the score with {correlation['of']}, {count} languages")
    rows = [["matrix", "r", "p"]]
    for side, kinds in correlation["sides"].items():
        for kind, value in kinds.items():
            numbers = [value["r"], value["p"]]
            texts = ["-" if n is None else f"{n:.3f}" for n in numbers]
            rows.append([f"{side} {kind}", *texts])
    print_table(rows)
