"""Tables of a run: of its reports of scores, and those that its commands have made."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.files import read_text
from lass_plugin.records.markdown_pages import read_tables
from lass_plugin.records.table import Table
from lass_plugin.report_page.holdings import Holdings
from lass_plugin.report_page.stages import Stages
from lass_plugin.tables.compared_reports import (
    LabelledReport,
    compare_reports,
    score_notes,
)
from lass_plugin.tables.layout import Layout
from lass_plugin.tables.score_tables import score_tables

MEANS = "metrics"
"""The table of the means over all pairs, which comes first."""


@dataclass(frozen=True)
class Tabled:
    """Tables under one heading."""

    name: str
    """Where they are from."""
    made_by: str
    """The command line, where it is known."""
    tables: list[Table]
    further: list[Table]
    """Those that are shown on demand."""
    notes: list[str]


def of_reports(holdings: Holdings, stages: Stages) -> list[Tabled]:
    """The tables of every report of ``lass evaluate``, as ``lass table scores`` has.

    Those of the first metric are shown, with the means in all metrics before them.

    Raises:
        LassError: a report is damaged.
    """
    found = []
    for folder in holdings.reports:
        compared = compare_reports([LabelledReport.read(folder)])
        tables = score_tables(compared, Layout())
        first = f".{compared.metrics[0].lower()}"
        shown = [table for table in tables if table.name == MEANS]
        shown += [table for table in tables if table.name.endswith(first)]
        notes = score_notes(compared, compared.metrics)
        maker = stages.maker(folder)
        further = [table for table in tables if table not in shown]
        shared = _shared_notes(tables)
        shown, further = (_without(part, shared) for part in (shown, further))
        name = holdings.name(folder)
        line = " ".join(maker.command) if maker else ""
        found.append(Tabled(name, line, shown, further, [*shared, *notes]))
    return found


def _shared_notes(tables: Sequence[Table]) -> list[str]:
    """The notes of more than one table, to be said once below them all."""
    every = [note for table in tables for note in table.notes]
    return [note for note in dict.fromkeys(every) if every.count(note) > 1]


def _without(tables: Sequence[Table], notes: Sequence[str]) -> list[Table]:
    return [
        replace(each, notes=tuple(note for note in each.notes if note not in notes))
        for each in tables
    ]


def of_pages(
    holdings: Holdings, stages: Stages, shown: Iterable[Tabled]
) -> list[Tabled]:
    """The tables that commands have written, but for those that are *shown* already.

    Raises:
        LassError: a page is not what such a command writes; names it.
    """
    known = {_content(table) for each in shown for table in each.tables + each.further}
    found = []
    for page in holdings.pages:
        tables = [table for table in _read(page) if _content(table) not in known]
        notes: list[str] = []
        if tables:  # what is said at the end belongs to all of them
            *others, last = tables
            notes, tables = list(last.notes), [*others, replace(last, notes=())]
            known |= set(map(_content, tables))
            maker = stages.maker(page)
            line = " ".join(maker.command) if maker else ""
            found.append(Tabled(holdings.name(page), line, tables, [], notes))
    return found


def _read(page: Path) -> list[Table]:
    text = read_text(page, "a page of tables")
    try:
        return read_tables(text)
    except LassError as error:
        raise LassError(f"{page}: {error.message}; make it again") from error


def _content(table: Table) -> tuple:
    """What a table says, whatever the order of its columns."""
    rows = tuple(tuple(sorted(row)) for row in table.rows)
    return table.title, tuple(sorted(table.header)), rows
