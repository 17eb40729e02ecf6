"""The tables of scores: by language, direction, source, target, resource group."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from lass_plugin.data.amounts import GROUPS, short_count
from lass_plugin.errors import LassError
from lass_plugin.evaluation.significance import LEVEL
from lass_plugin.languages import Pair
from lass_plugin.records.table import Table
from lass_plugin.resource_types import TYPES, parse_types
from lass_plugin.tables.compared_reports import ComparedReports, ComparedSystem
from lass_plugin.tables.layout import Layout
from lass_plugin.tables.score_cells import ScoreRow, table_of


@dataclass(frozen=True)
class Columns:
    """Lists of pairs under headings, as the columns of a table; text with {centre}.

    Attributes:
        title: of the table.
        make: from the layout and all pairs, heading -> pairs.
        missing: why there may be none, for messages.
        average: they are sorted by size, and in the last column is their mean.
        notes: below the table, from the layout and the columns.
    """

    title: str
    make: Callable[[Layout, Sequence[str]], dict[str, list[str]]]
    missing: str
    average: bool = True
    notes: Callable[[Layout, dict[str, list[str]]], list[str]] = lambda layout, of: []


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
    chosen = list(dict.fromkeys(kinds)) or [
        kind for kind in KINDS if _reason_against(kind, compared, layout) is None
    ]
    tables = []
    for metric in metrics:
        for kind in chosen:
            if kind in _COLUMNS:
                tables.append(_by_columns(compared, layout, metric, kind))
            elif kind in _WINS:
                tables.append(_WINS[kind](compared, layout, metric))
    if "metrics" in chosen:
        tables.append(_metrics(compared, metrics, layout))
    return tables


def wins(
    system: ComparedSystem,
    other: ComparedSystem,
    metric: str,
    units: Sequence[Sequence[str]],
) -> int:
    """In how many of *units* (lists of pairs) *system* has the higher mean.

    Equal scores are no win.
    """
    return sum(
        system.mean(metric, pairs) > other.mean(metric, pairs) for pairs in units
    )


def _reason_against(kind: str, compared: ComparedReports, layout: Layout) -> str | None:
    """Why a table cannot be made, None where it can."""
    if kind in _COLUMNS:
        if _COLUMNS[kind].make(layout, compared.pairs):
            return None
        return _COLUMNS[kind].missing.format(centre=layout.centre)
    if kind == "groups" and layout.sizes is None:
        return "the sizes of the training data are not known; give --sizes"
    if kind == "wins" and not compared.others:
        return "there is one system only"
    return None


def _direction(
    layout: Layout, pairs: Sequence[str], into: bool
) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    for language, around in layout.with_centre(pairs).items():
        for text in around:
            if layout.is_centre(Pair.parse(text).target) == into:
                # two codes of the centre, such as en_GB and en_US, are two columns
                columns[text if language in columns else language] = [text]
    return columns


def _without_centre(layout: Layout, pairs: Sequence[str]) -> dict[str, list[str]]:
    centric = {pair for of in layout.with_centre(pairs).values() for pair in of}
    return {pair: [pair] for pair in pairs if pair not in centric}


def _by_side(layout: Layout, pairs: Sequence[str], side: str) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    if _without_centre(layout, pairs):
        for pair in pairs:
            columns.setdefault(getattr(Pair.parse(pair), side), []).append(pair)
    return columns


def _by_type(layout: Layout, pairs: Sequence[str]) -> dict[str, list[str]]:
    """Pairs from each resource type into each, ``H2H H2M …``, and all pairs."""
    if layout.resource_types is None:
        return {}
    types = _types(layout, pairs)
    found: dict[str, list[str]] = {f"{a}2{b}": [] for a in TYPES for b in TYPES}
    for text in pairs:
        pair = Pair.parse(text)
        found[f"{types[pair.source]}2{types[pair.target]}"].append(text)
    return {name: of for name, of in found.items() if of} | {"AVG": list(pairs)}


def _types(layout: Layout, pairs: Sequence[str]) -> dict[str, str]:
    parsed = [Pair.parse(text) for text in pairs]
    codes = [pair.source for pair in parsed] + [pair.target for pair in parsed]
    return parse_types(layout.resource_types or "", dict.fromkeys(codes))


def _language_notes(layout: Layout, columns: dict[str, list[str]]) -> list[str]:
    centre = layout.centre
    notes = [f"mean of {centre}→X and X→{centre}; Average: mean over the languages"]
    alone = [language for language, pairs in columns.items() if len(pairs) == 1]
    return notes + ([f"one direction only: {', '.join(alone)}"] if alone else [])


def _type_notes(layout: Layout, columns: dict[str, list[str]]) -> list[str]:
    types = _types(layout, columns["AVG"])
    members = (
        f"{kind}: {', '.join(code for code in types if types[code] == kind)}"
        for kind in TYPES
        if kind in types.values()
    )
    return [f"{'; '.join(members)}; AVG: mean over the {len(columns['AVG'])} pairs"]


_ALL_CENTRE = "all pairs have the language {centre}"
_COLUMNS = {
    "languages": Columns(
        "Each language with {centre}",
        Layout.with_centre,
        "no pair has the language {centre}; give --centre",
        notes=_language_notes,
    ),
    "from-centre": Columns(
        "{centre}→X", partial(_direction, into=False), "no pair is from {centre}"
    ),
    "into-centre": Columns(
        "X→{centre}", partial(_direction, into=True), "no pair is into {centre}"
    ),
    "pairs": Columns("Pairs without {centre}", _without_centre, _ALL_CENTRE),
    "sources": Columns(
        "Each source language, mean over its targets",
        partial(_by_side, side="source"),
        _ALL_CENTRE,
        average=False,
    ),
    "targets": Columns(
        "Each target language, mean over its sources",
        partial(_by_side, side="target"),
        _ALL_CENTRE,
        average=False,
    ),
    "types": Columns(
        "From resource type to resource type",
        _by_type,
        "the resource types are not known; give --resource-types",
        average=False,
        notes=_type_notes,
    ),
}


def _by_columns(
    compared: ComparedReports, layout: Layout, metric: str, kind: str
) -> Table:
    """Systems as rows, lists of pairs as columns."""
    columns = _COLUMNS[kind]
    lists = columns.make(layout, compared.pairs)
    if columns.average:
        lists = layout.by_size(lists)
    notes = columns.notes(layout, lists)
    rows = []
    for system in compared.systems:
        row = ScoreRow(compared, system, layout.show)
        for heading, pairs in lists.items():
            row.add(metric, heading, [pairs], test=True)
        if columns.average:
            row.add(metric, "Average", list(lists.values()))
        rows.append(row)
    if layout.show != "score":
        if compared.others:
            notes.append(f"signed numbers: difference to {compared.baseline.name}")
        if any(row.tested for row in rows):
            notes.append(f"*: p < {LEVEL}, paired bootstrap, p as by sacreBLEU")
    header = [metric, *(_heading(*item, layout) for item in lists.items())]
    header += ["Average"] if columns.average else []
    title = columns.title.format(centre=layout.centre)
    title += f" ({metric}, {compared.text} text)"
    return table_of(rows, f"{kind}.{metric.lower()}", title, header, notes)


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
    header = [metric]
    for group, units in present.items():
        header += [f"{group} ({len(units)})", "WR"]
    rows = []
    for system in compared.systems:
        row = ScoreRow(compared, system, layout.show)
        for group, units in present.items():
            pairs = [pair for unit in units for pair in unit]
            record = row.add(metric, group, [pairs])
            if system is compared.baseline:
                row.add_text("–")
                continue
            won = wins(system, compared.baseline, metric, units)
            record |= {"wins": won, "of": len(units), "win_ratio": won / len(units)}
            row.add_text(f"{100 * won / len(units):.1f}")
        rows.append(row)
    by = "pairs"
    if layout.wins_by == "language":
        by = "languages, both directions in one"
    notes = (
        f"{bounds.describe()}; mean over pairs, in parentheses the number of {by}",
        f"WR: % of {by} better than {compared.baseline.name}",
    )
    title = f"Resource groups ({metric}, {compared.text} text)"
    return table_of(rows, f"groups.{metric.lower()}", title, header, notes)


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


def _wins(compared: ComparedReports, layout: Layout, metric: str) -> Table:
    """Row against column: the share of pairs (or languages) in which the row wins."""
    units = _units(compared, layout)
    rows, records = [], []
    for system in compared.systems:
        cells = [system.name]
        for other in compared.systems:
            if other is system:
                cells.append("–")
                continue
            won = wins(system, other, metric, units)
            cells.append(f"{100 * won / len(units):.1f} ({won}/{len(units)})")
            records.append(
                {
                    "metric": metric,
                    "system": system.name,
                    "against": other.name,
                    "wins": won,
                    "of": len(units),
                    "win_ratio": won / len(units),
                }
            )
        rows.append(tuple(cells))
    by = "pairs"
    if layout.wins_by == "language":
        by = "languages (mean of both directions)"
    return Table(
        f"wins.{metric.lower()}",
        f"Win ratio ({metric}, {compared.text} text)",
        (metric, *(system.name for system in compared.systems)),
        tuple(rows),
        may_turn=False,
        notes=(
            f"% of {by} in which the row is better than the column; ties are no win",
        ),
        records=tuple(records),
    )


def _metrics(
    compared: ComparedReports, metrics: Sequence[str], layout: Layout
) -> Table:
    """Mean over all pairs in every metric."""
    rows = []
    for system in compared.systems:
        row = ScoreRow(compared, system, layout.show)
        for metric in metrics:
            row.add(metric, "all", [compared.pairs])
        rows.append(row)
    title = f"Mean over {len(compared.pairs)} pairs ({compared.text} text)"
    return table_of(rows, "metrics", title, ("system", *metrics))


_WINS: dict[str, Callable[[ComparedReports, Layout, str], Table]] = {
    "groups": _groups,
    "wins": _wins,
}

KINDS = (*_COLUMNS, *_WINS, "metrics")
"""Names of the tables; ``lass table scores --help`` says what they show."""
