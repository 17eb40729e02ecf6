"""How scores are laid out: systems as rows, lists of pairs as columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from lass_plugin.data.amounts import Bounds, Sizes, short_count
from lass_plugin.evaluation.choice import digits_of
from lass_plugin.evaluation.metrics import base_language
from lass_plugin.languages import Pair
from lass_plugin.records.table import Table, best_in_columns
from lass_plugin.records.text_tables import signed
from lass_plugin.tables.side_by_side import Entry, SideBySide

LEVEL = 0.05


@dataclass(frozen=True)
class Layout:
    """How scores are tabled.

    Attributes:
        centre: language of the English-centric tables.
        show: ``score``, ``difference`` to the baseline (which shows its score), or
            ``both``.
        wins_by: ``pair``, as Lin 2021 counts, or ``language`` with both directions in
            one mean, as He 2023 does.
        sizes: training data of the pairs; None where it is not known.
        bounds: of the resource groups.
        types: resource types of the languages, ``H=en,fr;M=nl;V=oc``, a file, or
            ``flores`` for those of FLORES-101; None for no table by them.
    """

    centre: str = "en"
    show: str = "both"
    wins_by: str = "pair"
    sizes: Sizes | None = None
    bounds: Bounds = Bounds()
    types: str | None = None


def with_centre(pairs: Sequence[str], centre: str) -> dict[str, list[str]]:
    """Language -> its pairs with *centre*, from it first; other pairs are left out.

    Codes with a script or region stand for their language: ``eng_Latn`` is ``en``.
    """
    found: dict[str, list[str]] = {}
    for text in pairs:
        pair = Pair.parse(text)
        if is_centre(pair.source, centre):
            found.setdefault(pair.target, []).insert(0, text)
        elif is_centre(pair.target, centre):
            found.setdefault(pair.source, []).append(text)
    return found


def is_centre(code: str, centre: str) -> bool:
    """Whether *code* is the language *centre*, in any script or region."""
    return base_language(code) == base_language(centre)


def grid(
    board: SideBySide,
    layout: Layout,
    metric: str,
    columns: Mapping[str, Sequence[str]],
    name: str,
    title: str,
    average: str | None = None,
    notes: Sequence[str] = (),
) -> Table:
    """Systems as rows, lists of pairs as columns.

    Args:
        average: heading of a last column with the mean of the columns; None for none.
    """
    rows, values, records = [], [], []
    tested = False
    for entry in board.entries:
        means = [entry.mean(metric, pairs) for pairs in columns.values()]
        base = [board.baseline.mean(metric, pairs) for pairs in columns.values()]
        cells = []
        for (column, pairs), value, start in zip(
            columns.items(), means, base, strict=True
        ):
            test = None
            if len(pairs) == 1:
                test = board.tests.get((entry.name, metric, pairs[0]))
            tested = tested or test is not None
            star = "*" if test is not None and test.p_value < LEVEL else ""
            cells.append(cell(board, entry, metric, layout.show, value, start, star))
            row = record(metric, entry, column, pairs, value, start)
            if test is not None:
                row.update(p_value=test.p_value, low=test.low, high=test.high)
            records.append(row)
        if average is not None:
            every = [pair for pairs in columns.values() for pair in pairs]
            value, start = fmean(means), fmean(base)
            means.append(value)
            cells.append(cell(board, entry, metric, layout.show, value, start))
            records.append(record(metric, entry, average, every, value, start))
        rows.append((entry.name, *cells))
        values.append(means)
    below = list(notes)
    if board.others and layout.show != "score":
        below.append(f"signed numbers: difference to {board.baseline.name}")
    if tested and layout.show != "score":
        below.append(f"*: p < {LEVEL}, paired bootstrap, p as by sacreBLEU")
    header = (metric, *(_heading(c, p, layout) for c, p in columns.items()))
    return Table(
        f"{name}.{metric.lower()}",
        f"{title} ({metric}, {board.text} text)",
        header if average is None else (*header, average),
        tuple(rows),
        best_in_columns(values),
        tuple(below),
        tuple(records),
    )


def cell(
    board: SideBySide,
    entry: Entry,
    metric: str,
    show: str,
    value: float,
    start: float,
    star: str = "",
) -> str:
    """What a cell shows of *value*, beside *start*, which the baseline has there."""
    digits = digits_of(metric)
    if entry is board.baseline or show == "score":
        return f"{value:.{digits}f}"
    difference = signed(value - start, digits) + star
    return difference if show == "difference" else f"{value:.{digits}f} {difference}"


def record(
    metric: str,
    entry: Entry,
    column: str,
    pairs: Sequence[str],
    value: float,
    start: float,
) -> dict[str, Any]:
    """What CSV and JSON hold of a cell."""
    return {
        "metric": metric,
        "system": entry.name,
        "column": column,
        "pairs": " ".join(pairs),
        "score": value,
        "difference": value - start,
    }


def _heading(column: str, pairs: Sequence[str], layout: Layout) -> str:
    """The name of a column, with the size of its data where that is one number."""
    if layout.sizes is None:
        return column
    sizes = {layout.sizes.of(pair) for pair in pairs}
    return f"{column} {short_count(sizes.pop())}" if len(sizes) == 1 else column


def by_size(columns: dict[str, list[str]], layout: Layout) -> dict[str, list[str]]:
    """*columns* by growing training data, as the papers have them, if it is known."""
    sizes = layout.sizes
    if sizes is None:
        return columns

    def size(item: tuple[str, list[str]]) -> int:
        return max(sizes.of(pair) for pair in item[1])

    return dict(sorted(columns.items(), key=size))
