"""Tables of a run: of its reports of scores, and those that its commands have made."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.files import read_text
from lass_plugin.records.markdown_pages import read_tables, title_of
from lass_plugin.records.table import Table
from lass_plugin.report_page.holdings import Holdings, capitalised
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

MOST = 4
"""Tables of a page that are shown at once."""


@dataclass(frozen=True)
class Tabled:
    """Tables under one heading."""

    title: str
    name: str
    """The folder or page that they are from."""
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
        further = [table for table in tables if table not in shown]
        notes = score_notes(compared, compared.metrics)
        name, line = holdings.name(folder), stages.line_of(folder)
        found.append(_tabled(name, name, line, shown, further, notes))
    return found


def of_pages(
    holdings: Holdings, stages: Stages, shown: Iterable[Tabled]
) -> list[Tabled]:
    """The tables that commands have written, but for those that are *shown* already.

    Raises:
        LassError: a page is not what such a command writes; names it.
    """
    known = {_content(table) for each in shown for table in each.tables + each.further}
    found = []
    for page, kind in holdings.pages.items():
        title, tables = _read(page, capitalised(kind))
        if not tables:
            continue
        *others, last = tables  # what is said at the end belongs to all of them
        tables = [*others, replace(last, notes=())]
        tables = [table for table in tables if _content(table) not in known]
        known |= set(map(_content, tables))
        if tables:
            name, line = holdings.name(page), stages.line_of(page)
            parts = tables[:MOST], tables[MOST:]
            found.append(_tabled(title, name, line, *parts, list(last.notes)))
    return found


def _tabled(
    title: str,
    name: str,
    line: str,
    shown: list[Table],
    further: list[Table],
    notes: list[str],
) -> Tabled:
    """Tables with the notes of more than one of them said once, below them all."""
    every = [note for table in [*shown, *further] for note in table.notes]
    shared = [note for note in dict.fromkeys(every) if every.count(note) > 1]
    shown, further = (
        [replace(t, notes=tuple(n for n in t.notes if n not in shared)) for t in part]
        for part in (shown, further)
    )
    said = [*shared, *(note for note in notes if note not in shared)]
    return Tabled(title, name, line, shown, further, said)


def _read(page: Path, kind: str) -> tuple[str, list[Table]]:
    """The title of a page and its tables; *kind* stands for a title that is lacking."""
    text = read_text(page, "a page of tables")
    try:
        tables = [replace(t, title=t.title or kind) for t in read_tables(text)]
    except LassError as error:
        raise LassError(f"{page}: {error.message}; make it again") from error
    return title_of(text) or kind, tables


def _content(table: Table) -> tuple:
    """What a table says, whatever the order of its columns."""
    rows = tuple(tuple(sorted(row)) for row in table.rows)
    return table.title, tuple(sorted(table.header)), rows
