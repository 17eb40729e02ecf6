"""A part of a paper's table with ours beside it: three lines for each system."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from lass_plugin.evaluation.significance import LEVEL
from lass_plugin.papers.figures import (
    LANGUAGES,
    MEAN,
    PAIRS,
    TASKS,
    XNLI,
    Column,
    Figure,
    PaperTable,
    Part,
)
from lass_plugin.papers.ours import Cell, Ours
from lass_plugin.records.table import Table
from lass_plugin.records.text_tables import signed
from lass_plugin.tables.xtreme_tables import average

NOTHING = "–"
COMMON = "common"
"""Code of the mean over the columns that both have, where ours are not all."""


@dataclass(frozen=True)
class Pairing:
    """One figure of the paper and ours, None where there is none."""

    figure: Figure | None
    cell: Cell | None

    @property
    def value(self) -> float | None:
        """Ours as the paper has its figure: a score, or the gain over a baseline."""
        if self.cell is None:
            return None
        is_gain = self.figure is not None and self.figure.gain
        return self.cell.gain if is_gain else self.cell.value

    @property
    def difference(self) -> float | None:
        if self.figure is None or self.value is None:
            return None
        return self.value - self.figure.value


Line = Mapping[str, Pairing]
"""Code of a column -> what stands in it, of one system."""


def pair_up(
    table: PaperTable, part: Part, matched: Mapping[str, str], ours: Ours
) -> dict[str, dict[str, Pairing]]:
    """Row -> code -> the paper's figure and ours.

    Where ours lack some of the columns that the paper's mean is over, ours have no such
    mean, and both get one over the columns in common.

    Args:
        matched: row -> our system.
    """
    lines = {
        name: {
            column.code: Pairing(
                row.figures.get(column.code),
                ours.cells.get((matched.get(name, ""), column.code)),
            )
            for column in part.columns
        }
        for name, row in part.rows.items()
    }
    own = [lines[name] for name in matched]
    common = [
        column.code
        for column in part.measured()
        if all(line[column.code].cell is not None for line in own)
    ]
    has_mean = any(line[MEAN].cell is not None for line in own if MEAN in line)
    over_columns = table.columns in (LANGUAGES, PAIRS, TASKS, XNLI)
    if MEAN in lines[next(iter(lines))] and over_columns and not has_mean:
        if len(common) > 1:
            for line in lines.values():
                line[COMMON] = _mean(table, [(code, line[code]) for code in common])
    return lines


def _mean(table: PaperTable, of: Sequence[tuple[str, Pairing]]) -> Pairing:
    figures = [(code, one.figure) for code, one in of if one.figure is not None]
    cells = [(code, one.cell) for code, one in of if one.cell is not None]
    figure, cell = None, None
    if len(figures) == len(of):
        value = _average(table, [(code, each.value) for code, each in figures])
        digits = max(each.digits for _, each in figures)
        gain = figures[0][1].gain
        text = signed(value, digits) if gain else f"{value:.{digits}f}"
        figure = Figure(text, value, digits, gain)
    if len(cells) == len(of):
        gains = [(code, each.gain) for code, each in cells if each.gain is not None]
        cell = Cell(
            _average(table, [(code, each.value) for code, each in cells]),
            _average(table, gains) if len(gains) == len(of) else None,
        )
    return Pairing(figure, cell)


def _average(table: PaperTable, numbers: Sequence[tuple[str, float]]) -> float:
    if table.columns != TASKS:
        return fmean(number for _, number in numbers)
    tasks: dict[str, list[float]] = {}
    for code, number in numbers:
        tasks.setdefault(code.partition(".")[0], []).append(number)
    return average(tasks, table.average)


def to_table(
    table: PaperTable,
    part: Part,
    matched: Mapping[str, str],
    ours: Ours,
    lines: Mapping[str, Line],
) -> Table:
    """The table as it is shown, and a record of each cell."""
    columns = list(part.columns)
    if COMMON in next(iter(lines.values())):
        count = sum(_has_all(lines, matched, c) for c in part.measured())
        columns.append(Column(f"{count} in common", COMMON))
    rows: list[tuple[str, ...]] = []
    for name, line in lines.items():
        label = " ".join(filter(None, (name, part.rows[name].given)))
        rows.append((f"{label} (paper)", *(_of_paper(line[c.code]) for c in columns)))
        if system := matched.get(name):
            cells = [(line[c.code], c, _digits(lines, c)) for c in columns]
            rows.append((f"{system} (ours)", *map(_of_ours, cells)))
            rows.append(("difference", *map(_difference, cells)))
    suffix = f"-{table.parts.index(part) + 1}" if len(table.parts) > 1 else ""
    made = Table(
        f"{table.paper}-{table.number}{suffix}",
        ": ".join(filter(None, (table.title, part.name, table.about))),
        (table.metric or "system", *(column.name for column in columns)),
        rows,
        notes=tuple(_notes(table, part, matched, ours, lines)),
        records=tuple(
            _record(table, part, name, matched.get(name), column, line[column.code])
            for name, line in lines.items()
            for column in columns
        ),
    )
    return made.transposed() if table.turned else made


def _has_all(
    lines: Mapping[str, Line], matched: Mapping[str, str], column: Column
) -> bool:
    return all(lines[name][column.code].cell is not None for name in matched)


def _of_paper(one: Pairing) -> str:
    return NOTHING if one.figure is None else one.figure.text


def _of_ours(cell: tuple[Pairing, Column, int]) -> str:
    one, column, digits = cell
    if one.cell is None or one.value is None:
        return NOTHING
    star = "*" if one.cell.sure else ""
    if one.figure is not None and one.figure.gain:
        return signed(one.value, digits) + star
    return f"{one.value:.{digits}f}{column.unit}{star}"


def _difference(cell: tuple[Pairing, Column, int]) -> str:
    one, column, digits = cell
    if one.difference is None:
        return NOTHING
    return signed(one.difference, digits) + column.unit


def _digits(lines: Mapping[str, Line], column: Column) -> int:
    """Digits after the point of the most exact figure that the paper has there."""
    figures = [line[column.code].figure for line in lines.values()]
    return max((figure.digits for figure in figures if figure is not None), default=2)


def _record(
    table: PaperTable,
    part: Part,
    row: str,
    system: str | None,
    column: Column,
    one: Pairing,
) -> dict[str, Any]:
    """One cell, unrounded; gains of the paper and ours are said to be such."""
    figure, cell = one.figure, one.cell
    return {
        "paper": table.paper,
        "table": table.number,
        "part": part.name,
        "row": row,
        "system": system,
        "column": column.name,
        "of": column.code,
        "is_gain": figure is not None and figure.gain,
        "theirs": None if figure is None else figure.value,
        "ours": one.value,
        "difference": one.difference,
        "our_score": None if cell is None else cell.value,
        "our_gain": None if cell is None else cell.gain,
        "significant": None if cell is None else cell.sure,
        **({} if cell is None else cell.facts),
    }


def _notes(
    table: PaperTable,
    part: Part,
    matched: Mapping[str, str],
    ours: Ours,
    lines: Mapping[str, Line],
) -> list[str]:
    notes = [
        f"(paper): as {table.title} prints it, of its own data, models and text; ours "
        "are of others unless you repeated its experiment. difference: ours − paper"
    ]
    if table.metric:
        text = f" of {table.text} text" if table.text else ""
        notes.append(f"paper: {table.metric}{text}")
    notes += ours.notes
    if any(f.gain for row in part.rows.values() for f in row.figures.values()):
        over = ours.baseline or "nothing: no system is the baseline, give --baseline"
        notes.append(f"gains over {table.baseline} (paper), over {over} (ours)")
    if any(cell.sure for cell in ours.cells.values()):
        notes.append(
            f"*: better or worse than {ours.baseline} with p < {LEVEL} in every pair "
            "of the cell (paired bootstrap)"
        )
    lacking = _lacking(part, matched, lines)
    if lacking:
        notes.append(f"ours lack {lacking}")
    for row, slip in table.slips.items():
        if row in part.rows:
            notes.append(f"{row} in the paper: {slip}")
    return notes


def _lacking(part: Part, matched: Mapping[str, str], lines: Mapping[str, Line]) -> str:
    """The rows, columns and cells of the paper that ours have not."""
    rows = [name for name in part.rows if name not in matched]
    wanted = {
        column: [
            name
            for name in matched
            if lines[name][column.code].figure is not None
            and lines[name][column.code].value is None
        ]
        for column in part.columns
    }
    columns = [c.name for c, names in wanted.items() if len(names) == len(matched)]
    cells = [
        f"{column.name} of {name}"
        for column, names in wanted.items()
        if len(names) < len(matched)
        for name in names
    ]
    kinds = {"rows": rows, "columns": columns, "cells": cells}
    return "; ".join(f"{kind} {', '.join(of)}" for kind, of in kinds.items() if of)
