"""Show a run on one page, or lay its results beside the tables of the papers.

    lass report runs/searches --html
    lass report
    lass report --paper he2023
    lass report runs/searches --paper he2023 --table 1
    lass report base=runs/a/report runs/b --paper cao2024 --table 1 --out tables/

With --html RUN is the folder of 'lass run', of 'lass quickstart' or of 'lass evaluate';
the page is one file that needs nothing else, for screen and paper: scores, pictures,
settings, and how to repeat the run.

Beside a paper RUN is a report of 'lass evaluate' (its folder or scores.json), a file of
'lass table cost', 'lass zero-shot', 'lass xtreme evaluate' or 'lass lslo estimate', or
a folder within which these lie, such as that of 'lass run'. Without RUN the tables of a
paper are listed with what each needs, and without --paper the papers.

Our systems are matched with the rows of the table by name, or by --rows. Three lines
stand for each: the figure that the paper prints, ours, and the difference. Means and
the paired bootstrap against our baseline (a star) are those of 'lass table scores'.
The paper's figures are of other data and models: no difference says that a result was
reproduced, or not, unless the experiment was repeated.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lass_plugin.cli.table import BootstrapSettings, OutputSettings
from lass_plugin.errors import LassError
from lass_plugin.settings import argument, including, needless, option
from lass_plugin.tables.layout import Layout

if TYPE_CHECKING:
    from lass_plugin.papers.figures import PaperTable

HELP = "a run as one page of HTML, or its results beside the papers' tables"
USAGE = (
    "lass report [[LABEL=]RUN …] [--html [FILE] | --paper NAME [--table N]] [options]"
)

_LAYOUT = ("sizes", "low", "high", "resource_types", "centre")
_OUTPUT = ("format", "transpose", "out")
_SCORES = ("part", "rows", "baseline", "metric", "references", "no_test")
_OF_A_TABLE = (*_SCORES, *_LAYOUT)


@dataclass(frozen=True, kw_only=True)
class ReportSettings(BootstrapSettings):
    """Which run is shown, or laid beside which table, and how."""

    GROUP = "the paper"

    places: tuple[str, ...] = argument(
        "reports, or folders that hold some; systems of one name in two reports become "
        "LABEL/NAME (default: where the report lies)",
        metavar="[LABEL=]RUN",
        nargs="*",
    )
    html: str | None = option(
        None,
        "write a page of the run to FILE, in which {run} stands for RUN (without FILE: "
        "{run}/report.html)",
        metavar="FILE",
        nargs="?",
        bare="{run}/report.html",
        group="the page",
    )
    paper: str | None = option(
        None, "he2023, lin2021, xie2021, cao2024 or li2022", metavar="NAME"
    )
    table: int | None = option(None, "number of the table", metavar="N")
    part: str | None = option(
        None, "one part of a table, such as big (default: all)", metavar="NAME"
    )
    rows: tuple[str, ...] = option(
        (),
        "which system is which row, where names do not say so",
        metavar="ROW=SYSTEM,…",
    )
    baseline: str | None = option(
        None,
        "our baseline (default: the system that is the paper's, or else the first)",
        metavar="NAME",
    )
    metric: str | None = option(
        None,
        "score of ours, instead of the one that is nearest to the paper's",
        metavar="NAME",
        choices=("BLEU", "chrF", "spBLEU", "COMET"),
    )
    layout: Layout = including(Layout, *_LAYOUT)
    output: OutputSettings = including(OutputSettings)

    def check(self) -> None:
        super().check()
        if self.html is not None:
            named = ("paper", "table", *_OF_A_TABLE, *_OUTPUT)
            needless(self, named, "with --html")
            if len(self.places) != 1:
                raise LassError("--html makes the page of one run; give its folder")
            return
        if self.paper is None:
            needless(self, "table", "without --paper")
            if self.places:
                raise LassError(
                    "say what to make of the run: its page, --html, or the table "
                    "that its results are laid beside, --paper NAME --table N ('lass "
                    "report' alone lists the papers)"
                )
        if self.table is None:
            needless(self, _OF_A_TABLE, "without --table")
            if self.places:
                raise LassError(
                    f"say which table of {self.paper}: --table N; 'lass report --paper "
                    f"{self.paper}' lists them"
                )
        elif not self.places:
            raise LassError(
                "there is nothing to lay beside the table; give a report of 'lass "
                "evaluate' or the folder of a 'lass run'"
            )


SETTINGS = ReportSettings


def run(settings: ReportSettings) -> int:
    """Write the page, list papers or tables, or show ours beside one."""
    if settings.html is not None:
        from lass_plugin.report_page.page import write_page

        (folder,) = settings.places
        target = Path(settings.html.replace("{run}", folder))
        print(f"written to {write_page(Path(folder), target)}")
        return 0
    from lass_plugin.papers.listing import list_papers, list_tables
    from lass_plugin.papers.reading import paper_of

    if settings.paper is None:
        settings.output.show("report", [list_papers()], {}, title="Papers")
        return 0
    paper = paper_of(settings.paper)
    if settings.table is None:
        settings.output.show("report", [list_tables(paper)], {}, title=paper.name)
        return 0
    _show(settings, paper.table(settings.table))
    return 0


def _show(settings: ReportSettings, table: "PaperTable") -> None:
    """Lay what the places hold beside *table*."""
    needless(settings, table.needless, f"on {table.title}")
    from lass_plugin.papers.comparing import compare_with_paper
    from lass_plugin.papers.places import look_for_results
    from lass_plugin.papers.scores import Wanted

    wanted = Wanted(
        settings.layout, settings.metric, not settings.no_test, settings.references
    )
    compared = compare_with_paper(
        table,
        look_for_results(settings.places),
        wanted,
        settings.rows,
        settings.baseline,
        settings.part,
    )
    settings.output.show(
        "report",
        compared.tables,
        compared.facts,
        compared.notes,
        stem=f"table-{table.paper}-{table.number}",
        title=table.title,
    )
