"""Tables of several reports under one another, each with its own baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.records.table import Table


def stacked(parts: Mapping[str, Sequence[Table]]) -> list[Table]:
    """One table for each name, with the rows of all *parts* (Lin 2021, Table 2).

    Args:
        parts: label -> tables; a row becomes ``LABEL/ROW``. The best of a column are
            those of each part.

    Raises:
        LassError: a part has other tables or columns than the first, or columns of the
            same name over other pairs, or other text.
    """
    (first, tables), *_ = parts.items()
    for label, others in parts.items():
        shapes = [
            [
                (table.name, table.title, list(table.header), _pairs(table))
                for table in each
            ]
            for each in (tables, others)
        ]
        if shapes[0] != shapes[1]:
            raise LassError(
                f"{first} and {label} have other columns, pairs or forms of text, so "
                "their tables cannot stand under one another; give reports of the same "
                "pairs and metrics, scored in one way"
            )
    return [
        _stack({label: of[place] for label, of in parts.items()})
        for place in range(len(tables))
    ]


def _pairs(table: Table) -> dict[str, frozenset[str]]:
    """Column -> the pairs that it is the mean of."""
    return {
        record["column"]: frozenset(record["pairs"].split())
        for record in table.records
        if "column" in record
    }


def _stack(parts: Mapping[str, Table]) -> Table:
    rows: list[Sequence[str]] = []
    strong: set[tuple[int, int]] = set()
    records: list[dict[str, Any]] = []
    notes: dict[str, None] = {}
    for label, table in parts.items():
        strong |= {(row + len(rows), column) for row, column in table.strong}
        rows += [(f"{label}/{row[0]}", *row[1:]) for row in table.rows]
        for record in table.records:
            records.append({**record, "system": f"{label}/{record['system']}"})
        notes.update(dict.fromkeys(table.notes))
    return replace(
        next(iter(parts.values())),
        rows=tuple(rows),
        strong=frozenset(strong),
        records=tuple(records),
        notes=tuple(notes),
    )
