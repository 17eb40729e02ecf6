"""A table of a paper beside our results: what is needed of them, and all parts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.papers.beside import pair_up, to_table
from lass_plugin.papers.correlations import correlations_of
from lass_plugin.papers.costs import CHECKPOINT, costs_of
from lass_plugin.papers.figures import (
    DECODER,
    ENCODER,
    TASKS,
    XNLI,
    PaperTable,
    Part,
)
from lass_plugin.papers.matching import match_rows
from lass_plugin.papers.on_target import on_target_of
from lass_plugin.papers.ours import Cell, Ours
from lass_plugin.papers.places import Found
from lass_plugin.papers.scores import Wanted, relevant_systems, scores_of
from lass_plugin.papers.tasks import TaskResults, tasks_of
from lass_plugin.records.table import Table
from lass_plugin.tables.compared_reports import systems_of

Values = Callable[[Part, Sequence[str], str | None], Ours]
"""Figures of some systems in the columns of a part, given what our baseline is."""


@dataclass(frozen=True)
class Source:
    """One kind of results that a table takes.

    Attributes:
        systems: those that it has.
        values: their figures.
        comparable: they can be compared with a baseline.
    """

    systems: tuple[str, ...]
    values: Values
    comparable: bool = False


@dataclass(frozen=True)
class Compared:
    """What is shown: tables, facts for the JSON, notes."""

    tables: list[Table]
    facts: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def compare_with_paper(
    table: PaperTable,
    found: Found,
    wanted: Wanted,
    rows: Sequence[str] = (),
    baseline: str | None = None,
    part: str | None = None,
) -> Compared:
    """Lay what was *found* beside *table*.

    Args:
        rows: ``ROW=SYSTEM``, see :func:`.match_rows`.
        baseline: our system that gains are over; None for that of the table's baseline,
            or else the first of the reports.
        part: of the table; None for all that ours have figures for.

    Raises:
        LassError: there are no such results, or none of them has a place in the table.
    """
    parts = table.parts if part is None else (table.part(part),)
    sources = _sources(table, parts, found, wanted)
    systems = list(dict.fromkeys(name for one in sources for name in one.systems))
    if not systems:
        raise LassError(
            f"{table.title} needs {' and '.join(table.needs)}, of which there is "
            f"none in {found.shown}; make it with '{table.command}'"
        )
    names = list(dict.fromkeys(name for each in parts for name in each.rows))
    if table.baseline and table.baseline not in names:
        names.append(table.baseline)
    reports = found.reports if table.takes_reports else ()
    masks = {each.name: each.scores.mask or "" for each in systems_of(reports)}
    matched = match_rows(table, names, systems, rows, masks)
    if not any(row in matched for each in parts for row in each.rows):
        raise LassError(
            f"of {table.title} ours have nothing but what it compares with "
            f"({table.baseline}); say which is which with --rows 'ROW=SYSTEM,…'"
        )
    first = _baseline(table, matched, sources, baseline)
    tables, without = [], []
    for each in parts:
        of_part = {row: matched[row] for row in each.rows if row in matched}
        ours = Ours()
        chosen = list(dict.fromkeys(of_part.values()))
        for source in sources:
            here = [name for name in chosen if name in source.systems]
            ours.add(source.values(each, here, first))
        ours.notes += _other_checkpoints(found, of_part, ours)
        if any(
            (name, column.code) in ours.cells
            for name in chosen
            for column in each.columns
        ):
            lines = pair_up(table, each, of_part, ours)
            tables.append(to_table(table, each, of_part, ours, lines))
        else:
            without.append((each, ours))
    if not tables:
        raise LassError(_nothing(table, parts, matched, found, without[0][1]))
    notes = [f"no figures of ours for {each.name}" for each, _ in without]
    taken = {*matched.values(), first}
    if left := [name for name in systems if name not in taken]:
        notes.append(f"ours without a row in {table.title}: {', '.join(left)}")
    facts = {
        "paper": table.paper,
        "table": table.number,
        "rows": matched,
        "baseline": first,
        "places": list(map(str, found.places)),
        "systems": _systems(found, set(matched.values())),
    }
    return Compared(tables, facts, notes)


def _sources(
    table: PaperTable, parts: Sequence[Part], found: Found, wanted: Wanted
) -> list[Source]:
    """What the table takes of what was found."""
    sources = []
    if table.takes_reports and found.reports:
        every = [each.name for each in systems_of(found.reports)]
        having = relevant_systems(table, parts, found.reports, wanted.layout)
        names = tuple(having or every)

        def of_reports(part: Part, systems: Sequence[str], first: str | None) -> Ours:
            return scores_of(table, part, found.reports, systems, first, wanted)

        sources.append(Source(names, of_reports, True))
    if table.columns in (TASKS, XNLI) and found.xtreme:
        results = TaskResults.read(found.xtreme, wanted.tested)

        def of_tasks(part: Part, systems: Sequence[str], first: str | None) -> Ours:
            return tasks_of(table, part, results, systems, first)

        sources.append(Source(tuple(results.systems), of_tasks, True))
    fixed = []
    if table.takes_costs and found.costs:
        fixed.append(costs_of(found.costs))
    if table.takes_on_target and found.zero_shot:
        fixed.append(on_target_of(found.zero_shot))
    if table.columns in (ENCODER, DECODER) and found.estimates:
        fixed.append(correlations_of(found.estimates, table.columns))
    return sources + [Source(one.systems, _fixed(one)) for one in fixed]


def _fixed(ours: Ours) -> Values:
    """Figures that were read; their tests count where they are of our baseline."""

    def values(part: Part, systems: Sequence[str], first: str | None) -> Ours:
        cells = dict(ours.cells)
        if first != ours.baseline:
            cells = {key: Cell(c.value, facts=c.facts) for key, c in cells.items()}
        return Ours(ours.systems, cells, first, [*ours.notes])

    return values


def _other_checkpoints(found: Found, matched: dict[str, str], ours: Ours) -> list[str]:
    """A note on each system whose costs and scores are of two checkpoints."""
    scored = {s["name"]: s["checkpoint"] for s in _systems(found, {*matched.values()})}
    counted = {
        name: cell.facts[CHECKPOINT]
        for (name, _), cell in ours.cells.items()
        if CHECKPOINT in cell.facts
    }
    return [
        f"the scores of {name} are of {scored[name]}, its parameters and disk of "
        f"{counted[name]}"
        for name in matched.values()
        if name in scored and name in counted and scored[name] != counted[name]
    ]


def _baseline(
    table: PaperTable,
    matched: dict[str, str],
    sources: Sequence[Source],
    given: str | None,
) -> str | None:
    """The system of ours that others are compared with."""
    comparable = [name for one in sources if one.comparable for name in one.systems]
    if given is not None:
        if given not in comparable:
            raise LassError(
                f"--baseline {given} is no system of ours; there are "
                f"{', '.join(comparable) or 'none that can be compared'}"
            )
        return given
    own = matched.get(table.baseline)
    if own in comparable:
        return own
    return comparable[0] if comparable else None


def _nothing(
    table: PaperTable,
    parts: Sequence[Part],
    matched: dict[str, str],
    found: Found,
    ours: Ours,
) -> str:
    """Why no cell of the table has a figure of ours."""
    names = dict.fromkeys(column.name for part in parts for column in part.columns)
    pairs = dict.fromkeys(pair for each in found.reports for pair in each.report.pairs)
    has = (
        f"; ours have the pairs {', '.join(pairs)}"
        if pairs and table.takes_reports
        else ""
    )
    why = "".join(f"; {note.removeprefix('ours: ')}" for note in ours.notes)
    return (
        f"ours ({', '.join(matched.values())}) have none of the columns of "
        f"{table.title} ({', '.join(names)}){has}{why}"
    )


def _systems(found: Found, names: set[str]) -> list[dict[str, Any]]:
    """What the JSON says of our systems of reports."""
    if not found.reports:
        return []
    return [
        {
            "name": each.name,
            "checkpoint": each.scores.checkpoint,
            "mask": each.scores.mask,
            "reports": sorted({str(folder) for folder in each.folders.values()}),
        }
        for each in systems_of(found.reports)
        if each.name in names
    ]
