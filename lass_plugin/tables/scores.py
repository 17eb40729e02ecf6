"""The tables of scores: by language, direction, source, target, resource group."""

from collections.abc import Callable, Sequence

from lass_plugin.data.amounts import GROUPS
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.records.table import Table, best_in_columns
from lass_plugin.resource_types import TYPES, parse_types
from lass_plugin.tables.layout import (
    Layout,
    by_size,
    cell,
    grid,
    is_centre,
    record,
    with_centre,
)
from lass_plugin.tables.side_by_side import Entry, SideBySide, sources_of, targets_of

KINDS = {
    "languages": "each language: mean of both directions (He 2023, Table 1; Lin 2021, "
    "Table 1)",
    "from-centre": "each pair from English (He 2023, Tables 6-8)",
    "into-centre": "each pair into English (He 2023, Tables 6-8)",
    "pairs": "each pair without English",
    "sources": "mean over the pairs of each source language",
    "targets": "mean over the pairs of each target language",
    "types": "each resource type of languages into each (Cao 2024, Tables 1-4)",
    "groups": "low, medium and high resource, with win ratio (He 2023, Tables 3 and 9; "
    "Lin 2021, Table 2)",
    "wins": "win ratio between every two systems",
    "metrics": "mean over all pairs in every metric (He 2023, Tables 10 and 11)",
}
"""Name of each table and what it shows."""


def score_tables(
    board: SideBySide,
    layout: Layout,
    metrics: Sequence[str] | None = None,
    kinds: Sequence[str] | None = None,
) -> list[Table]:
    """The tables *kinds* in each of *metrics*.

    Args:
        metrics: None for all that all systems have.
        kinds: None for all that can be made of these pairs.

    Raises:
        LassError: a table or metric that is asked for cannot be made.
    """
    metrics = list(metrics or board.metrics)
    for metric in metrics:
        if metric not in board.metrics:
            raise LassError(
                f"not every system has {metric} (all have {', '.join(board.metrics)}); "
                "evaluate again with --metrics"
            )
    possible = _possible(board, layout)
    for kind in kinds or ():
        if kind not in KINDS:
            raise LassError(f"there is no table '{kind}'; choose {', '.join(KINDS)}")
        if possible[kind] is not None:
            raise LassError(f"the table '{kind}' cannot be made: {possible[kind]}")
    chosen = kinds or [kind for kind in KINDS if possible[kind] is None]
    tables = [
        _MAKERS[kind](board, layout, metric)
        for metric in metrics
        for kind in chosen
        if kind != "metrics"
    ]
    if "metrics" in chosen:
        tables.append(_metrics(board, metrics, layout))
    return tables


def wins(
    entry: Entry,
    other: Entry,
    metric: str,
    units: Sequence[Sequence[str]],
) -> int:
    """In how many of *units* (lists of pairs) *entry* has the higher mean.

    Equal scores are no win.
    """
    return sum(entry.mean(metric, pairs) > other.mean(metric, pairs) for pairs in units)


def _possible(board: SideBySide, layout: Layout) -> dict[str, str | None]:
    """Kind -> why it cannot be made, None where it can."""
    around = with_centre(board.pairs, layout.centre)
    centric = [pair for pairs in around.values() for pair in pairs]
    into = [
        pair for pair in centric if is_centre(Pair.parse(pair).target, layout.centre)
    ]
    no_centre = f"no pair has the language {layout.centre}; give --centre"
    all_centre = f"all pairs have the language {layout.centre}"
    reasons: dict[str, str | None] = dict.fromkeys(KINDS)
    if not centric:
        reasons["languages"] = no_centre
    if len(into) == len(centric):
        reasons["from-centre"] = f"no pair is from {layout.centre}"
    if not into:
        reasons["into-centre"] = f"no pair is into {layout.centre}"
    if len(centric) == len(board.pairs):
        reasons["pairs"] = reasons["sources"] = reasons["targets"] = all_centre
    if layout.types is None:
        reasons["types"] = "the resource types are not known; give --resource-types"
    if layout.sizes is None:
        reasons["groups"] = "the sizes of the training data are not known; give --sizes"
    if not board.others:
        reasons["wins"] = "there is one system only"
    return reasons


def _languages(board: SideBySide, layout: Layout, metric: str) -> Table:
    centre = layout.centre
    columns = by_size(with_centre(board.pairs, centre), layout)
    alone = [language for language, pairs in columns.items() if len(pairs) == 1]
    notes = [f"mean of {centre}→X and X→{centre}; Average: mean over the languages"]
    if alone:
        notes.append(f"one direction only: {', '.join(alone)}")
    title = f"Each language with {centre}"
    return grid(*(board, layout, metric, columns, "languages", title), "Average", notes)


def _direction(into: bool) -> Callable[[SideBySide, Layout, str], Table]:
    def make(board: SideBySide, layout: Layout, metric: str) -> Table:
        columns: dict[str, list[str]] = {}
        for language, pairs in with_centre(board.pairs, layout.centre).items():
            for text in pairs:
                if is_centre(Pair.parse(text).target, layout.centre) == into:
                    # two codes of the centre, such as en_GB and en_US, are two columns
                    columns[text if language in columns else language] = [text]
        centre = layout.centre
        title = f"X→{centre}" if into else f"{centre}→X"
        name = "into-centre" if into else "from-centre"
        columns = by_size(columns, layout)
        return grid(board, layout, metric, columns, name, title, "Average")

    return make


def _pairs(board: SideBySide, layout: Layout, metric: str) -> Table:
    around = with_centre(board.pairs, layout.centre).values()
    centric = {pair for pairs in around for pair in pairs}
    columns = {pair: [pair] for pair in board.pairs if pair not in centric}
    title = f"Pairs without {layout.centre}"
    columns = by_size(columns, layout)
    return grid(board, layout, metric, columns, "pairs", title, "Average")


def _sources(board: SideBySide, layout: Layout, metric: str) -> Table:
    columns = {
        language: [p for p in board.pairs if Pair.parse(p).source == language]
        for language in sources_of(board.pairs)
    }
    title = "Each source language, mean over its targets"
    return grid(board, layout, metric, columns, "sources", title)


def _targets(board: SideBySide, layout: Layout, metric: str) -> Table:
    columns = {
        language: [p for p in board.pairs if Pair.parse(p).target == language]
        for language in targets_of(board.pairs)
    }
    title = "Each target language, mean over its sources"
    return grid(board, layout, metric, columns, "targets", title)


def _types(board: SideBySide, layout: Layout, metric: str) -> Table:
    """Means from each resource type into each, ``H2H H2M …``, and over all pairs."""
    assert layout.types is not None  # else not asked for
    codes = dict.fromkeys((*sources_of(board.pairs), *targets_of(board.pairs)))
    types = parse_types(layout.types, codes)
    found: dict[str, list[str]] = {f"{a}2{b}": [] for a in TYPES for b in TYPES}
    for text in board.pairs:
        pair = Pair.parse(text)
        found[f"{types[pair.source]}2{types[pair.target]}"].append(text)
    columns = {name: pairs for name, pairs in found.items() if pairs}
    columns["AVG"] = list(board.pairs)
    members = (
        f"{kind}: {', '.join(code for code in types if types[code] == kind)}"
        for kind in TYPES
        if kind in types.values()
    )
    notes = [f"{'; '.join(members)}; AVG: mean over the {len(board.pairs)} pairs"]
    title = "From resource type to resource type"
    return grid(board, layout, metric, columns, "types", title, notes=notes)


def _groups(board: SideBySide, layout: Layout, metric: str) -> Table:
    """Mean and win ratio over the baseline of each resource group and of all."""
    assert layout.sizes is not None  # else not asked for
    sizes, bounds = layout.sizes, layout.bounds
    members: dict[str, list[list[str]]] = {group: [] for group in GROUPS}
    for unit in _units(board, layout):
        size = max(sizes.of(pair) for pair in unit)
        members[bounds.group_of(size)].append(unit)
    members["all"] = [unit for units in members.values() for unit in units]
    present = {group: units for group, units in members.items() if units}
    header = [metric]
    for group, units in present.items():
        header += [f"{group} ({len(units)})", "WR"]
    rows, records, values = [], [], []
    for entry in board.entries:
        cells: list[str] = []
        numbers: list[float | None] = []
        for group, units in present.items():
            pairs = [pair for unit in units for pair in unit]
            value = entry.mean(metric, pairs)
            start = board.baseline.mean(metric, pairs)
            cells.append(cell(board, entry, metric, layout.show, value, start))
            row = record(metric, entry, group, pairs, value, start)
            won = None
            if entry is not board.baseline:
                won = wins(entry, board.baseline, metric, units)
                row.update(wins=won, of=len(units), win_ratio=won / len(units))
            cells.append("–" if won is None else f"{100 * won / len(units):.1f}")
            numbers += [value, None]
            records.append(row)
        rows.append((entry.name, *cells))
        values.append(numbers)
    by = "pairs" if layout.wins_by == "pair" else "languages, both directions in one"
    return Table(
        f"groups.{metric.lower()}",
        f"Resource groups ({metric}, {board.text} text)",
        tuple(header),
        tuple(rows),
        best_in_columns(values),
        (
            f"{bounds.describe()}; mean over pairs, in parentheses the number of {by}",
            f"WR: % of {by} better than {board.baseline.name}",
        ),
        tuple(records),
    )


def _units(board: SideBySide, layout: Layout) -> list[list[str]]:
    """What a win is counted by: each pair, or the pairs of each language."""
    if layout.wins_by == "pair":
        return [[pair] for pair in board.pairs]
    around = with_centre(board.pairs, layout.centre)
    if sum(map(len, around.values())) < len(board.pairs):
        raise LassError(
            f"wins by language need pairs that all have {layout.centre}; count them "
            "with --wins-by pair"
        )
    return list(around.values())


def _wins(board: SideBySide, layout: Layout, metric: str) -> Table:
    """Row against column: the share of pairs (or languages) in which the row wins."""
    units = _units(board, layout)
    rows, records = [], []
    for entry in board.entries:
        cells = []
        for other in board.entries:
            if other is entry:
                cells.append("–")
                continue
            won = wins(entry, other, metric, units)
            cells.append(f"{100 * won / len(units):.1f} ({won}/{len(units)})")
            records.append(
                {
                    "metric": metric,
                    "system": entry.name,
                    "against": other.name,
                    "wins": won,
                    "of": len(units),
                    "win_ratio": won / len(units),
                }
            )
        rows.append((entry.name, *cells))
    by = "pairs" if layout.wins_by == "pair" else "languages (mean of both directions)"
    return Table(
        f"wins.{metric.lower()}",
        f"Win ratio ({metric}, {board.text} text)",
        (metric, *(entry.name for entry in board.entries)),
        tuple(rows),
        may_turn=False,
        notes=(
            f"% of {by} in which the row is better than the column; ties are no win",
        ),
        records=tuple(records),
    )


def _metrics(board: SideBySide, metrics: Sequence[str], layout: Layout) -> Table:
    """Mean over all pairs in every metric."""
    rows, values, records = [], [], []
    for entry in board.entries:
        means = [entry.mean(metric, board.pairs) for metric in metrics]
        cells = []
        for metric, value in zip(metrics, means, strict=True):
            start = board.baseline.mean(metric, board.pairs)
            cells.append(cell(board, entry, metric, layout.show, value, start))
            records.append(record(metric, entry, "all", board.pairs, value, start))
        rows.append((entry.name, *cells))
        values.append(means)
    return Table(
        "metrics",
        f"Mean over {len(board.pairs)} pairs ({board.text} text)",
        ("system", *metrics),
        tuple(rows),
        best_in_columns(values),
        records=tuple(records),
    )


_MAKERS: dict[str, Callable[[SideBySide, Layout, str], Table]] = {
    "languages": _languages,
    "from-centre": _direction(into=False),
    "into-centre": _direction(into=True),
    "pairs": _pairs,
    "sources": _sources,
    "targets": _targets,
    "types": _types,
    "groups": _groups,
    "wins": _wins,
}
