"""Pages of Markdown that this package wrote, read again as the tables in them.

Only what :mod:`.table` and :mod:`.text_tables` write is known: headings, tables, lists
and paragraphs. A page shows what its record holds; whoever wants numbers reads that.
"""

import re
from dataclasses import replace

from lass_plugin.errors import LassError
from lass_plugin.records.table import Table

_CELL = re.compile(r"(?:`[^`]*`|\\.|[^|\\`]|[\\`])*")
_MARKED = re.compile(r"`([^`]*)`|\\([\\|*_<`])")
_STRONG = re.compile(r"\*\*(.+)\*\*")


def read_tables(text: str) -> list[Table]:
    """The tables of a page with their titles; lists and paragraphs are their notes.

    A paragraph right before a table is part of its title. Which rows are the foot is
    not in the page.

    Raises:
        LassError: a row has another number of cells than its header.
    """
    tables: list[Table] = []
    heading, said = "", list[str]()
    lines = iter([*text.split("\n"), "# "])
    for line in lines:
        if line.startswith("|"):
            block = [line]
            while (line := next(lines)).startswith("|"):
                block.append(line)
            title = ": ".join(filter(None, [heading, " ".join(said)]))
            tables.append(_table(f"table-{len(tables) + 1}", title, block))
            said = []
        if line.startswith(("- ", "* ")) and tables:
            _note(tables, [_plain(line[2:])])
        elif re.match("#{1,2} ", line):
            _note(tables, said)
            heading, said = _plain(line.lstrip("#").strip()), []
        elif line.strip():
            said.append(_plain(line.strip().removesuffix(":")))
    return tables


def title_of(text: str) -> str:
    """The title of a page; empty where it has none."""
    first = text.partition("\n")[0]
    return _plain(first[2:]) if first.startswith("# ") else ""


def _table(name: str, title: str, block: list[str]) -> Table:
    header, places, *rows = map(_cells, block)
    if not all(re.fullmatch(":?-+:?", place) for place in places):
        raise LassError(f"the table '{title}' has no line below its header")
    found = [[_STRONG.fullmatch(cell) for cell in row] for row in rows]
    strong = {
        (row, column)
        for row, cells in enumerate(found)
        for column, cell in enumerate(cells)
        if cell
    }
    return Table(
        name,
        title,
        [_plain(cell) for cell in header],
        [
            [
                _plain(mark[1] if mark else cell)
                for cell, mark in zip(*both, strict=True)
            ]
            for both in zip(rows, found, strict=True)
        ],
        frozenset(strong),
        left=sum(place.startswith(":") for place in places),
    )


def _note(tables: list[Table], notes: list[str]) -> None:
    """Add *notes* to the last table."""
    if tables and notes:
        tables[-1] = replace(tables[-1], notes=(*tables[-1].notes, *notes))


def _cells(line: str) -> list[str]:
    """What stands between the bars of a row, which may be escaped or in code."""
    inner, cells, place = line.strip()[1:], list[str](), 0
    while place < len(inner):
        found = _CELL.match(inner, place)
        assert found is not None
        cells.append(found[0].strip())
        place = found.end() + 1
    return cells


def _plain(text: str) -> str:
    """Markdown as the text that it shows."""
    return _MARKED.sub(lambda mark: mark[1] if mark[2] is None else mark[2], text)
