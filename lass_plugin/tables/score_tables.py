"""The tables of scores: by language, direction, source, target, resource group."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
    """Lists of pairs under headings, which are the columns of a table.

    Attributes:
        missing: why there may be none, for messages.
        average: they are sorted by size, and in the last column is their mean.
    """

    title: str
    pairs: dict[str, list[str]]
    missing: str
    average: bool = True
    notes: tuple[str, ...] = ()


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
        columns = _COLUMNS[kind](compared, layout)
        return None if columns.pairs else columns.missing
    if kind == "groups" and layout.sizes is None:
        return "the sizes of the training data are not known; give --sizes"
    if kind == "wins" and not compared.others:
        return "there is one system only"
    return None


def _languages(compared: ComparedReports, layout: Layout) -> Columns:
    centre = layout.centre
    columns = layout.with_centre(compared.pairs)
    alone = [language for language, pairs in columns.items() if len(pairs) == 1]
    notes = [f"mean of {centre}→X and X→{centre}; Average: mean over the languages"]
    if alone:
        notes.append(f"one direction only: {', '.join(alone)}")
    return Columns(
        f"Each language with {centre}",
        columns,
        f"no pair has the language {centre}; give --centre",
        notes=tuple(notes),
    )


def _from_centre(compared: ComparedReports, layout: Layout) -> Columns:
    title, missing = f"{layout.centre}→X", f"no pair is from {layout.centre}"
    return Columns(title, _direction(compared, layout, into=False), missing)


def _into_centre(compared: ComparedReports, layout: Layout) -> Columns:
    title, missing = f"X→{layout.centre}", f"no pair is into {layout.centre}"
    return Columns(title, _direction(compared, layout, into=True), missing)


def _direction(
    compared: ComparedReports, layout: Layout, into: bool
) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    for language, pairs in layout.with_centre(compared.pairs).items():
        for text in pairs:
            if layout.is_centre(Pair.parse(text).target) == into:
                # two codes of the centre, such as en_GB and en_US, are two columns
                columns[text if language in columns else language] = [text]
    return columns


def _without_centre(compared: ComparedReports, layout: Layout) -> list[str]:
    around = layout.with_centre(compared.pairs).values()
    centric = {pair for pairs in around for pair in pairs}
    return [pair for pair in compared.pairs if pair not in centric]


def _pairs(compared: ComparedReports, layout: Layout) -> Columns:
    columns = {pair: [pair] for pair in _without_centre(compared, layout)}
    title = f"Pairs without {layout.centre}"
    return Columns(title, columns, _all_centre(layout))


def _sources(compared: ComparedReports, layout: Layout) -> Columns:
    title = "Each source language, mean over its targets"
    return _by_side(compared, layout, "source", title)


def _targets(compared: ComparedReports, layout: Layout) -> Columns:
    title = "Each target language, mean over its sources"
    return _by_side(compared, layout, "target", title)


def _by_side(
    compared: ComparedReports, layout: Layout, side: str, title: str
) -> Columns:
    columns: dict[str, list[str]] = {}
    if _without_centre(compared, layout):
        for pair in compared.pairs:
            columns.setdefault(getattr(Pair.parse(pair), side), []).append(pair)
    return Columns(title, columns, _all_centre(layout), average=False)


def _all_centre(layout: Layout) -> str:
    return f"all pairs have the language {layout.centre}"


def _types(compared: ComparedReports, layout: Layout) -> Columns:
    """Means from each resource type into each, ``H2H H2M …``, and over all pairs."""
    title = "From resource type to resource type"
    if layout.resource_types is None:
        missing = "the resource types are not known; give --resource-types"
        return Columns(title, {}, missing)
    pairs = [Pair.parse(text) for text in compared.pairs]
    codes = [pair.source for pair in pairs] + [pair.target for pair in pairs]
    types = parse_types(layout.resource_types, dict.fromkeys(codes))
    found: dict[str, list[str]] = {f"{a}2{b}": [] for a in TYPES for b in TYPES}
    for pair in pairs:
        found[f"{types[pair.source]}2{types[pair.target]}"].append(str(pair))
    columns = {name: of_name for name, of_name in found.items() if of_name}
    columns["AVG"] = list(compared.pairs)
    members = (
        f"{kind}: {', '.join(code for code in types if types[code] == kind)}"
        for kind in TYPES
        if kind in types.values()
    )
    note = f"{'; '.join(members)}; AVG: mean over the {len(pairs)} pairs"
    return Columns(title, columns, "", average=False, notes=(note,))


_COLUMNS: dict[str, Callable[[ComparedReports, Layout], Columns]] = {
    "languages": _languages,
    "from-centre": _from_centre,
    "into-centre": _into_centre,
    "pairs": _pairs,
    "sources": _sources,
    "targets": _targets,
    "types": _types,
}


def _by_columns(
    compared: ComparedReports, layout: Layout, metric: str, kind: str
) -> Table:
    """Systems as rows, lists of pairs as columns."""
    columns = _COLUMNS[kind](compared, layout)
    lists = layout.by_size(columns.pairs) if columns.average else columns.pairs
    rows = []
    for system in compared.systems:
        row = ScoreRow(compared, system, layout.show)
        for heading, pairs in lists.items():
            row.add(metric, heading, [pairs], test=True)
        if columns.average:
            row.add(metric, "Average", list(lists.values()))
        rows.append(row)
    notes = list(columns.notes)
    if layout.show != "score":
        if compared.others:
            notes.append(f"signed numbers: difference to {compared.baseline.name}")
        if any(row.tested for row in rows):
            notes.append(f"*: p < {LEVEL}, paired bootstrap, p as by sacreBLEU")
    header = [metric, *(_heading(*item, layout) for item in lists.items())]
    header += ["Average"] if columns.average else []
    title = f"{columns.title} ({metric}, {compared.text} text)"
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
