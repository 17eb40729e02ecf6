"""Tables of scores from one or several reports of 'lass evaluate', side by side.

    lass table scores report/
    lass table scores report/ --sizes data/ --low 1M --high 10M --out tables/
    lass table scores first=runs/a/report second=runs/b/report --baseline dense

The first system is the baseline. Tables that the pairs allow are made:

    languages     each language: mean of en→X and X→en (He 2023 and Lin 2021, Table 1)
    from-centre   each pair from English (He 2023, Tables 6-8)
    into-centre   each pair into English (He 2023, Tables 6-8)
    pairs         each pair without English
    sources       mean over the pairs of each source language, where not all pairs have
                  English; targets: of each target language
    types         from high-, medium-, low- and very-low-resource languages into each
                  (Cao 2024, Tables 1-4: H2H, H2M, …, AVG); needs --resource-types
    groups        low, medium, high resource with win ratio (He 2023, Tables 3 and 9;
                  Lin 2021, Table 2); needs --sizes
    wins          win ratio between every two systems
    metrics       mean over all pairs in every metric (He 2023, Tables 10 and 11)

Models of several sizes in one table, each with a baseline of its own (Lin 2021,
Table 2), one report each:

    lass table scores base=runs/base big=runs/big --own-baselines --sizes data/

Scores over the epochs (Cao 2024, Fig. 3), of systems that 'lass evaluate' was given as
--system NAME@EPOCH=CHECKPOINT:

    lass table scores report/ --resource-types flores --tables types \\
        --curves H2H,V2V --out tables/

A * marks p < 0.05 by paired bootstrap. For systems of different reports it is computed
from the translations and references that lie beside the reports.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lass_plugin.cli.table import ComparedSettings, OutputSettings
from lass_plugin.errors import LassError
from lass_plugin.settings import argument, including, needless, option, switch
from lass_plugin.tables.layout import Layout

if TYPE_CHECKING:
    from lass_plugin.records.table import Table
    from lass_plugin.tables.compared_reports import ComparedReports, LabelledReport

HELP = "scores by language, direction and resource group; win ratios"


_OF_TABLES = {
    "groups": ("low", "high"),
    "groups wins": ("wins_by",),
    "types": ("resource_types",),
}
"""Tables -> options that nothing else depends on."""


@dataclass(frozen=True, kw_only=True)
class ScoreTableSettings(ComparedSettings):
    """Whose scores are tabled, and how."""

    GROUP = "what is compared"

    reports: tuple[str, ...] = argument(
        "folder that lass evaluate wrote, or its scores.json; systems of one name in "
        "two reports become LABEL/NAME (default: the folder's name)",
        metavar="[LABEL=]REPORT",
        nargs="+",
    )
    own_baselines: bool = switch(
        "each report has its own, its first system; the systems are LABEL/NAME"
    )
    common: bool = switch("only the pairs that all systems have, instead of an error")
    tables: tuple[str, ...] = option(
        (), "tables to make (default: all possible)", metavar="NAME,…"
    )
    curves: tuple[str, ...] = option(
        (),
        "draw these columns of the tables over N of systems that are called NAME@N; "
        "one without a number is a level",
        metavar="COLUMN,…",
    )
    over: str = option("epoch", "what N counts (default: %(default)s)", metavar="WORD")
    layout: Layout = including(Layout)
    output: OutputSettings = including(OutputSettings)

    def check(self) -> None:
        super().check()
        if self.tables:
            for table, options in _OF_TABLES.items():
                if not {*table.split()} & {*self.tables}:
                    which = " or ".join(table.split())
                    needless(self, options, f"without the table {which}")
        if not self.curves:
            needless(self, "over", "without --curves")
        elif self.output.out is None:
            raise LassError("--curves needs a folder for the picture; add --out")
        if self.own_baselines:
            needless(self, "baseline", "with --own-baselines")
            if "wins" in self.tables:
                raise LassError(
                    "the table 'wins' compares all systems, so it cannot be made with "
                    "--own-baselines"
                )


SETTINGS = ScoreTableSettings


def run(settings: ScoreTableSettings) -> int:
    """Read the reports and show their tables."""
    from lass_plugin.tables.compared_reports import LabelledReport, check_one_test_set
    from lass_plugin.tables.score_curves import draw_score_curves
    from lass_plugin.tables.stacking import stacked

    reports = [LabelledReport.read(report) for report in settings.reports]
    if not settings.own_baselines:
        tables, facts, notes = _tables(settings, reports)
    else:
        found = {each.label: _tables(settings, [each]) for each in reports}
        if len(found) < len(reports):
            raise LassError("two reports have one label; give others, LABEL=REPORT")
        check_one_test_set(reports)
        tables = stacked({label: made for label, (made, _, _) in found.items()})
        facts = {"reports": {label: about for label, (_, about, _) in found.items()}}
        notes = [
            f"{label}: {note}" for label, (_, _, of) in found.items() for note in of
        ]
    settings.output.show("scores", tables, facts, notes)
    if settings.curves and settings.output.out is not None:
        where = (settings.curves, settings.over, settings.output.out)
        print(*draw_score_curves(tables, *where), sep="\n")
    return 0


def _tables(
    settings: ScoreTableSettings, reports: "Sequence[LabelledReport]"
) -> "tuple[list[Table], dict[str, Any], list[str]]":
    """Tables, facts and notes of reports that are compared with one baseline."""
    from lass_plugin.tables.compared_reports import compare_reports, score_notes
    from lass_plugin.tables.retesting import add_tests
    from lass_plugin.tables.score_tables import score_tables

    chosen = (settings.baseline, settings.systems, settings.common)
    compared = compare_reports(reports, *chosen)
    if not compared.others:
        needless(settings, "wins_by", "on one system")
    metrics = settings.metrics or compared.metrics
    if not settings.no_test:
        compared = add_tests(compared, settings.references, metrics)
    tables = score_tables(compared, settings.layout, metrics, settings.tables)
    if settings.own_baselines:
        tables = [table for table in tables if not table.name.startswith("wins")]
    return tables, _facts(compared), score_notes(compared, metrics)


def _facts(compared: "ComparedReports") -> dict[str, Any]:
    """What the JSON says of the systems."""
    return {
        "text": compared.text,
        "baseline": compared.baseline.name,
        "pairs": list(compared.pairs),
        "systems": [
            {
                "name": system.name,
                "checkpoint": system.scores.checkpoint,
                "mask": system.scores.mask,
                "reports": sorted({str(system.folders[p]) for p in compared.pairs}),
            }
            for system in compared.systems
        ],
    }
