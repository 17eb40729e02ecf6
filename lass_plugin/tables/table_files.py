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


def write_tables(
    tables: Sequence[Table],
    folder: str | os.PathLike,
    kind: str,
    title: str,
    facts: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> list[Path]:
    """Write ``table-KIND.json``, ``.md``, ``.tex`` and a ``.NAME.csv`` of each table.

    Args:
        kind: ``scores``, ``cost``, ``data`` or ``sweeps``.
        title: of the page in Markdown.
        facts: what stands in the JSON beside the tables.
        notes: sentences that belong to all tables.

    Returns:
        The files written, in that order.

    Raises:
        LassError: there is no table, or a file cannot be written.
    """
    if not tables:
        raise LassError("there is no table to write; ask for one that can be made")
    folder, names = Path(folder), ("name", "title", "notes", "records")
    content = {
        "title": title,
        "notes": list(notes),
        **(facts or {}),
        "tables": [{name: getattr(t, name) for name in names} for t in tables],
    }
    paths = [folder / f"table-{kind}.{ending}" for ending in ("json", "md", "tex")]
    RecordFormat(f"lass_plugin table {kind}", "").write(paths[0], content)
    write_text(paths[1], to_markdown(tables, title, notes))
    write_text(paths[2], to_latex(tables, notes))
    for table in tables:
        path = folder / f"table-{kind}.{table.name}.csv"
        paths.append(write_csv(path, table.records))
    return paths
