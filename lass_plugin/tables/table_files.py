"""Tables as files: one JSON with all of it, and CSV, Markdown and LaTeX made of it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.files import write_text
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.json_record import RecordFormat
from lass_plugin.records.table import Table, to_latex, to_markdown


def table_format(kind: str) -> RecordFormat:
    """The format of the JSON of ``lass table KIND``."""
    described = f"a table-{kind}.json of 'lass table {kind}'"
    return RecordFormat(f"lass_plugin table {kind}", described)


def write_tables(
    tables: Sequence[Table],
    folder: str | os.PathLike,
    kind: str,
    title: str,
    facts: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    stem: str | None = None,
) -> list[Path]:
    """Write ``table-KIND.json``, ``.md``, ``.tex`` and a ``.NAME.csv`` of each table.

    Args:
        kind: of table, ``scores`` or ``cost`` or the like.
        title: of the page in Markdown.
        facts: what stands in the JSON beside the tables.
        notes: sentences that belong to all tables.
        stem: of the names of the files, instead of ``table-KIND``.

    Returns:
        The files written, in that order.

    Raises:
        LassError: there is no table, or a file cannot be written.
    """
    if not tables:
        raise LassError("there is no table to write; ask for one that can be made")
    folder, names = Path(folder), ("name", "title", "notes", "records")
    stem = stem or f"table-{kind}"
    content = {
        "title": title,
        "notes": list(notes),
        **(facts or {}),
        "tables": [{name: getattr(t, name) for name in names} for t in tables],
    }
    paths = [folder / f"{stem}.{ending}" for ending in ("json", "md", "tex")]
    table_format(kind).write(paths[0], content)
    write_text(paths[1], to_markdown(tables, title, notes))
    write_text(paths[2], to_latex(tables, notes))
    for table in tables:
        path = folder / f"{stem}.{table.name}.csv"
        paths.append(write_csv(path, table.records))
    return paths
