"""The tables of scores: by language, direction, source, target, resource group."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from statistics import fmean
from typing import Any, NamedTuple

from lass_plugin.data.amounts import GROUPS, short_count
from lass_plugin.errors import LassError
from lass_plugin.evaluation.choice import digits_of
from lass_plugin.evaluation.significance import LEVEL
from lass_plugin.records.table import Table, best_in_columns
from lass_plugin.records.text_tables import signed
from lass_plugin.tables.compared_reports import ComparedReports, ComparedSystem
from lass_plugin.tables.layout import COLUMNS, Layout


class Cell(NamedTuple):
    """A cell of a system: as it is shown, its number, what CSV and JSON hold of it.

    Only cells with a number compete for the best of their column.
    """

    text: str
    value: float | None = None
    record: dict[str, Any] = {}


def score_tables(
    compared: ComparedReports,
    layout: Layout,
    metrics: Sequence[str] = (),
    kinds: Sequence[str] = (),
) -> list[Table]:
    """The tables *kinds* in each of *metrics*.

    Args:
        metrics: empty for all that all systems have.
        kinds: empty for all that can be made of these pairs.

    Raises:
        LassError: a table or metric that is asked for cannot be made.
    """
    metrics = metrics or compared.metrics
    for metric in metrics:
        if metric not in compared.metrics:
            raise LassError(
                f"not every system has {metric} (all have "
                f"{', '.join(compared.metrics)}); evaluate again with --metrics"
            )
    for kind in kinds:
        if kind not in KINDS:
            raise LassError(f"there is no table '{kind}'; choose {', '.join(KINDS)}")
        reason = _reason_against(kind, compared, layout)
        if reason is not None:
            raise LassError(f"the table '{kind}' cannot be made: {reason}")
    possible = [k for k in KINDS if _reason_against(k, compared, layout) is None]
    chosen = list(dict.fromkeys(kinds)) or possible
    single = [_TABLES[kind] for kind in chosen if kind in _TABLES]
    tables = [make(compared, layout, metric) for metric in metrics for make in single]
    if "metrics" in chosen:
        tables.append(_metrics(compared, layout, metrics))
    return tables


def win_ratio(
    system: ComparedSystem,
    other: ComparedSystem,
    metric: str,
    units: Sequence[Sequence[str]],
) -> dict[str, float]:
    """How many of *units* (lists of pairs) *system* ``wins``; ties are no win."""
    ours, theirs = system.scores, other.scores
    won = sum(ours.average(metric, of) > theirs.average(metric, of) for of in units)
    return {"wins": won, "of": len(units), "win_ratio": won / len(units)}


def _reason_against(kind: str, compared: ComparedReports, layout: Layout) -> str | None:
    """Why a table cannot be made, None where it can."""
    if kind in COLUMNS and not COLUMNS[kind].make(layout, compared.pairs):
        return COLUMNS[kind].missing.format(centre=layout.centre)
    if kind == "groups" and layout.sizes is None:
        return "the sizes of the training data are not known; give --sizes"
    if kind == "wins" and not compared.others:
        return "there is one system only"
    return None


def _table(
    compared: ComparedReports,
    kind: str,
    title: str,
    metric: str | None,
    header: Iterable[str],
    cells: Callable[[ComparedSystem], list[Cell]],
    notes: Sequence[str] = (),
    may_turn: bool = True,
) -> Table:
    """A row a system, the best of each column strong.

    Args:
        metric: None where the columns are of several.
    """
    rows = [cells(system) for system in compared.systems]
    names = [system.name for system in compared.systems]
    name, text = kind, f"{compared.text} text"
    if metric is not None:
        name, text = f"{kind}.{metric.lower()}", f"{metric}, {text}"
    return Table(
        name,
        f"{title} ({text})",
        (metric or "system", *header),
        tuple((n, *(c.text for c in row)) for n, row in zip(names, rows, strict=True)),
        best_in_columns([[cell.value for cell in row] for row in rows]),
        tuple(notes),
        tuple(cell.record for row in rows for cell in row if cell.record),
        may_turn,
    )


def _cell(
    compared: ComparedReports,
    layout: Layout,
    system: ComparedSystem,
    metric: str,
    column: str,
    groups: Sequence[Sequence[str]],
    test: bool = False,
) -> Cell:
    """The mean of *metric* over the means over each of *groups* of pairs.

    Args:
        test: show the test of the difference, where there is a single pair.
    """
    value, start = (
        fmean(each.scores.average(metric, pairs) for pairs in groups)
        for each in (system, compared.baseline)
    )
    every = [pair for pairs in groups for pair in pairs]
    record: dict[str, Any] = {
        "metric": metric,
        "system": system.name,
        "column": column,
        "pairs": " ".join(every),
        "score": value,
        "difference": value - start,
    }
    known = compared.tests.get((system.name, metric, every[0]))
    star = ""
    if test and len(every) == 1 and known is not None:
        star = "*" if known.p_value < LEVEL else ""
        record |= {"p_value": known.p_value, "low": known.low, "high": known.high}
    digits = digits_of(metric)
    text = f"{value:.{digits}f}"
    if system is not compared.baseline and layout.show != "score":
        difference = signed(value - start, digits) + star
        text = difference if layout.show == "difference" else f"{text} {difference}"
    return Cell(text, value, record)


def _by_columns(
    compared: ComparedReports, layout: Layout, metric: str, kind: str
) -> Table:
    """Systems as rows, lists of pairs as columns."""
    columns = COLUMNS[kind]
    lists = columns.make(layout, compared.pairs)
    if columns.average:
        lists = layout.by_size(lists)

    def cells(system: ComparedSystem) -> list[Cell]:
        cell = partial(_cell, compared, layout, system, metric)
        row = [cell(heading, [pairs], True) for heading, pairs in lists.items()]
        if columns.average:
            row.append(cell("Average", list(lists.values())))
        return row

    header = [_heading(*item, layout) for item in lists.items()]
    header += ["Average"] if columns.average else []
    title = columns.title.format(centre=layout.centre)
    notes = columns.notes(layout, lists)
    if layout.show != "score":
        if compared.others:
            notes.append(f"signed numbers: difference to {compared.baseline.name}")
        names = [system.name for system in compared.systems]
        alone = [pairs[0] for pairs in lists.values() if len(pairs) == 1]
        if any((n, metric, pair) in compared.tests for n in names for pair in alone):
            notes.append(f"*: p < {LEVEL}, paired bootstrap, p as by sacreBLEU")
    return _table(compared, kind, title, metric, header, cells, notes)


def _heading(column: str, pairs: Sequence[str], layout: Layout) -> str:
    """The name of a column, with the size of its data where that is one number."""
    if layout.sizes is None:
        return column
    sizes = {layout.sizes.of(pair) for pair in pairs}
    return f"{column} {short_count(sizes.pop())}" if len(sizes) == 1 else column


def _groups(compared: ComparedReports, layout: Layout, metric: str) -> Table:
    """Mean and win ratio over the baseline of each resource group and of all."""
    assert layout.sizes is not None  # else not asked for
    sizes, bounds = layout.sizes, layout.bounds
    members: dict[str, list[list[str]]] = {group: [] for group in GROUPS}
    for unit in _units(compared, layout):
        size = max(sizes.of(pair) for pair in unit)
        members[bounds.group_of(size)].append(unit)
    members["all"] = [unit for units in members.values() for unit in units]
    present = {group: units for group, units in members.items() if units}

    def cells(system: ComparedSystem) -> list[Cell]:
        row = []
        for group, units in present.items():
            pairs = [pair for unit in units for pair in unit]
            row.append(_cell(compared, layout, system, metric, group, [pairs]))
            won = win_ratio(system, compared.baseline, metric, units)
            if system is compared.baseline:
                row.append(Cell("–"))
            else:
                row[-1].record.update(won)
                row.append(Cell(f"{100 * won['wins'] / won['of']:.1f}"))
        return row

    names = [f"{group} ({len(units)})" for group, units in present.items()]
    header = [heading for name in names for heading in (name, "WR")]
    by = _counted_by(layout, ", both directions in one")
    notes = (
        f"{bounds.describe()}; mean over pairs, in parentheses the number of {by}",
        f"WR: % of {by} better than {compared.baseline.name}",
    )
    return _table(compared, "groups", "Resource groups", metric, header, cells, notes)


def _units(compared: ComparedReports, layout: Layout) -> list[list[str]]:
    """What a win is counted by: each pair, or the pairs of each language."""
    if layout.wins_by != "language":
        return [[pair] for pair in compared.pairs]
    around = layout.with_centre(compared.pairs)
    if sum(map(len, around.values())) < len(compared.pairs):
        raise LassError(
            f"wins by language need pairs that all have {layout.centre}; count them "
            "with --wins-by pair"
        )
    return list(around.values())


def _counted_by(layout: Layout, how: str) -> str:
    return f"languages{how}" if layout.wins_by == "language" else "pairs"


def _wins(compared: ComparedReports, layout: Layout, metric: str) -> Table:
    """Row against column: the share of pairs (or languages) in which the row wins."""
    units = _units(compared, layout)

    def cells(system: ComparedSystem) -> list[Cell]:
        row = []
        for other in compared.systems:
            won = win_ratio(system, other, metric, units)
            text = f"{100 * won['wins'] / won['of']:.1f} ({won['wins']}/{won['of']})"
            names = {"metric": metric, "system": system.name, "against": other.name}
            row.append(Cell("–") if other is system else Cell(text, None, names | won))
        return row

    header = [system.name for system in compared.systems]
    by = _counted_by(layout, " (mean of both directions)")
    note = f"% of {by} in which the row is better than the column; ties are no win"
    return _table(compared, "wins", "Win ratio", metric, header, cells, [note], False)


def _metrics(
    compared: ComparedReports, layout: Layout, metrics: Sequence[str]
) -> Table:
    """Mean over all pairs in every metric."""

    def cells(system: ComparedSystem) -> list[Cell]:
        pairs = [compared.pairs]
        return [_cell(compared, layout, system, each, "all", pairs) for each in metrics]

    title = f"Mean over {len(compared.pairs)} pairs"
    return _table(compared, "metrics", title, None, metrics, cells)


_TABLES: dict[str, Callable[[ComparedReports, Layout, str], Table]] = {
    **{kind: partial(_by_columns, kind=kind) for kind in COLUMNS},
    "groups": _groups,
    "wins": _wins,
}
"""Those of a single metric."""

KINDS = (*_TABLES, "metrics")
"""Names of the tables; ``lass table scores --help`` says what they show."""
