"""Rows of a table of scores: a system each, with means over pairs in its cells."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from lass_plugin.evaluation.choice import digits_of
from lass_plugin.evaluation.significance import LEVEL
from lass_plugin.records.table import Table, best_in_columns
from lass_plugin.records.text_tables import signed
from lass_plugin.tables.compared_reports import ComparedReports, ComparedSystem


@dataclass
class ScoreRow:
    """The row of one system, as it is filled cell by cell.

    Attributes:
        show: ``score``, ``difference`` to the baseline (which shows its score), or
            ``both``.
        cells: as they are shown, the system's name first.
        values: the number of each cell but the first; None where it has none.
        records: what CSV and JSON hold of a cell.
        tested: a cell shows whether its difference is significant.
    """

    compared: ComparedReports
    system: ComparedSystem
    show: str
    cells: list[str] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    tested: bool = False

    def __post_init__(self) -> None:
        self.cells.append(self.system.name)

    def add(
        self,
        metric: str,
        column: str,
        groups: Sequence[Sequence[str]],
        test: bool = False,
    ) -> dict[str, Any]:
        """Add the mean of *metric* over the means over each of *groups* of pairs.

        Args:
            test: show the test of the difference, where there is a single pair.

        Returns:
            The cell's record.
        """
        baseline = self.compared.baseline
        value = fmean(self.system.mean(metric, pairs) for pairs in groups)
        start = fmean(baseline.mean(metric, pairs) for pairs in groups)
        every = [pair for pairs in groups for pair in pairs]
        record: dict[str, Any] = {
            "metric": metric,
            "system": self.system.name,
            "column": column,
            "pairs": " ".join(every),
            "score": value,
            "difference": value - start,
        }
        star = ""
        known = self.compared.tests.get((self.system.name, metric, every[0]))
        if test and len(every) == 1 and known is not None:
            self.tested = True
            star = "*" if known.p_value < LEVEL else ""
            record |= {"p_value": known.p_value, "low": known.low, "high": known.high}
        digits = digits_of(metric)
        cell = f"{value:.{digits}f}"
        if self.system is not baseline and self.show != "score":
            difference = signed(value - start, digits) + star
            cell = difference if self.show == "difference" else f"{cell} {difference}"
        self.cells.append(cell)
        self.values.append(value)
        self.records.append(record)
        return record

    def add_text(self, text: str) -> None:
        """Add a cell that is not compared."""
        self.cells.append(text)
        self.values.append(None)


def table_of(
    rows: Sequence[ScoreRow],
    name: str,
    title: str,
    header: Iterable[str],
    notes: Sequence[str] = (),
) -> Table:
    """The table of *rows*, the best of each column strong."""
    return Table(
        name,
        title,
        tuple(header),
        tuple(tuple(row.cells) for row in rows),
        best_in_columns([row.values for row in rows]),
        tuple(notes),
        tuple(record for row in rows for record in row.records),
    )
