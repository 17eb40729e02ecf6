"""Mean and spread of the same systems over several runs that differ in their seed.

    lass table seeds seed1=runs/1/report seed2=runs/2/report seed3=runs/3/report

Each report of 'lass evaluate' is a run; systems are told by their names. A difference
is to the baseline of the same run, its spread that of the differences. A system need
not be in every report, the baseline must be.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lass_plugin.cli.table import ComparedSettings, OutputSettings
from lass_plugin.settings import argument, including

if TYPE_CHECKING:
    from lass_plugin.tables.seed_tables import Seeds

HELP = "mean and spread over several seeds"


@dataclass(frozen=True, kw_only=True)
class SeedTableSettings(ComparedSettings):
    """Whose runs are tabled."""

    GROUP = "what is compared"

    reports: tuple[str, ...] = argument(
        "a report of each seed: folder that lass evaluate wrote, or its scores.json "
        "(LABEL: what the run is called, default: the folder's name)",
        metavar="[LABEL=]REPORT",
        nargs="+",
    )
    output: OutputSettings = including(OutputSettings)


SETTINGS = SeedTableSettings


def run(settings: SeedTableSettings) -> int:
    """Read the reports and show a table for each metric."""
    from lass_plugin.records.notes import said_of
    from lass_plugin.tables.compared_reports import LabelledReport
    from lass_plugin.tables.retesting import add_tests
    from lass_plugin.tables.seed_tables import Seeds, runs_of, seed_table

    reports = [LabelledReport.read(report) for report in settings.reports]
    seeds = runs_of(reports, settings.baseline, settings.systems)
    metrics = settings.metrics or seeds.metrics
    if not settings.no_test:
        seeds = Seeds(
            {
                label: add_tests(run, settings.references, metrics)
                for label, run in seeds.runs.items()
            }
        )
    tables = [seed_table(seeds, metric) for metric in metrics]
    facts = {"baseline": seeds.first.baseline.name, "runs": list(settings.reports)}
    notes = said_of({label: run.notes for label, run in seeds.runs.items()})
    settings.output.show("seeds", tables, facts, [*notes, *_signatures(seeds, metrics)])
    return 0


def _signatures(seeds: "Seeds", metrics: tuple[str, ...]) -> list[str]:
    from lass_plugin.evaluation.report_tables import signature_notes

    baseline = seeds.first.baseline.scores.pairs
    return signature_notes(
        (pair, baseline[pair].scores[metric])
        for metric in metrics
        for pair in seeds.first.pairs
    )
