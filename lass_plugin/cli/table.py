"""Make the tables of the sub-network papers from results.

    lass table scores report/ --sizes data/ --out tables/
    lass table seeds seed1=runs/1/report seed2=runs/2/report
    lass table cost --system base=base.pt --system joint=joint.pt --data data/
    lass table data data/
    lass table sweeps base=sweep-base/ big=sweep-big/ --out tables/

'lass table scores' and 'lass table seeds' read what 'lass evaluate --out' wrote,
'lass table cost' checkpoints, 'lass table data' a prepared data folder, 'lass table
sweeps' what 'lass sweep' wrote. All print the tables, and with --out write them as
Markdown, LaTeX, CSV and JSON. 'lass table MODE --help' explains the options of each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lass_plugin.settings import Settings, needless, option, switch

if TYPE_CHECKING:
    from lass_plugin.records.table import Table

HELP = "tables of scores, parameters, disk and speed, in Markdown, LaTeX, CSV"

MODES = {
    "scores": "table_scores",
    "seeds": "table_seeds",
    "cost": "table_cost",
    "data": "table_data",
    "sweeps": "table_sweeps",
}


@dataclass(frozen=True, kw_only=True)
class BootstrapSettings(Settings):
    """How differences are tested."""

    references: Path | None = option(
        None,
        "references for the paired bootstrap, SPLIT.SRC-TGT.LANG (default: those "
        "beside the report)",
        metavar="DIR",
    )
    no_test: bool = switch(
        "do no paired bootstrap; show the tests that the reports have"
    )

    def check(self) -> None:
        super().check()
        if self.no_test:
            needless(self, "references", "with --no-test")


@dataclass(frozen=True, kw_only=True)
class ComparedSettings(BootstrapSettings):
    """Which systems of reports are compared, in what, with which test."""

    GROUP = "what is compared"

    systems: tuple[str, ...] = option(
        (), "systems, in this order (default: all)", metavar="NAME,…"
    )
    baseline: str | None = option(
        None, "system to compare with (default: the first)", metavar="NAME"
    )
    metrics: tuple[str, ...] = option(
        (),
        "BLEU, chrF, spBLEU, COMET (default: all that the reports have)",
        metavar="NAME,…",
        parse="lass_plugin.evaluation.choice:parse_metrics",
    )


@dataclass(frozen=True, kw_only=True)
class OutputSettings(Settings):
    """How tables are printed and written."""

    GROUP = "output"

    format: str = option(
        "text",
        "what is printed (default: %(default)s)",
        choices=("text", "markdown", "latex"),
    )
    transpose: bool = switch("systems as columns; for many languages")
    out: Path | None = option(
        None,
        "folder for the tables as Markdown, LaTeX, CSV and JSON (each number "
        "unrounded)",
        metavar="DIR",
    )

    def show(
        self,
        kind: str,
        tables: Sequence["Table"],
        facts: dict,
        notes: Sequence[str] = (),
        stem: str | None = None,
        title: str | None = None,
    ) -> None:
        """Print the tables of one mode; write them where ``--out`` says.

        Args:
            stem: of the names of the files, see :func:`.write_tables`.
            title: of the page (default: the mode).
        """
        from lass_plugin.records.table import to_latex, to_markdown, to_text, wrap_note
        from lass_plugin.tables.table_files import write_tables

        title = title or kind.capitalize()
        if self.transpose:
            tables = [table.transposed() for table in tables]
        paths = []
        if self.out is not None:  # first: printing fails where its reader has gone
            paths = write_tables(tables, self.out, kind, title, facts, notes, stem)
        if self.format == "markdown":
            print(to_markdown(tables, title, notes), end="")
        elif self.format == "latex":
            print(to_latex(tables, notes), end="")
        else:
            lines = [line for note in notes for line in wrap_note(note)]
            print("\n".join([*map(to_text, tables), *lines]))
        if paths:
            print(f"written to {self.out}: {', '.join(path.name for path in paths)}")
