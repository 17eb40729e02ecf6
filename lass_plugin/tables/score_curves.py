"""Scores over epochs or updates: a picture of tables of scores (Cao 2024, Fig. 3)."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.records.curves import Curve, draw_panels
from lass_plugin.records.table import Table

_POINT = re.compile(r"(.+)@(\d+)")
"""A system at an epoch or update: ``2;2;8@3``."""


def draw_score_curves(
    tables: Sequence[Table],
    columns: Sequence[str],
    over: str,
    folder: str | os.PathLike,
) -> list[Path]:
    """Draw each of *columns* in a panel, in all tables that have them.

    Systems ``NAME@1``, ``NAME@2``, … are one line; one without a number is a level.

    Args:
        over: what the numbers count, ``epoch`` or ``update``.
        folder: where ``table-scores.NAME.curves.png`` and ``.svg`` go.

    Raises:
        LassError: no table has all columns, or no system has two numbers.
    """
    written = []
    for table in tables:
        scores: dict[str, dict[str, float]] = {}
        for record in table.records:
            if "column" in record:
                of = scores.setdefault(record["column"], {})
                of[record["system"]] = record["score"]
        if all(column in scores for column in columns):
            panels = {column: _curves(scores[column]) for column in columns}
            path = Path(folder) / f"table-scores.{table.name}.curves.png"
            words = (f"{table.title} over the {over}s", over, table.header[0])
            written += draw_panels(panels, path, *words, one_scale=False)
    if not written:
        records = [record for table in tables for record in table.records]
        known = dict.fromkeys(r["column"] for r in records if "column" in r)
        raise LassError(
            f"no table has the columns {', '.join(columns)} of --curves; there are "
            f"{', '.join(known)}"
        )
    return written


def _curves(scores: Mapping[str, float]) -> list[Curve]:
    """A line a system, from left to right.

    Raises:
        LassError: no system has two numbers.
    """
    points: dict[str, dict[int, float]] = {}
    levels: dict[str, float] = {}
    for system, score in scores.items():
        if found := _POINT.fullmatch(system):
            points.setdefault(found[1], {})[int(found[2])] = score
        else:
            levels[system] = score
    if max(map(len, points.values()), default=0) < 2:
        raise LassError(
            "--curves draws systems that are called NAME@1, NAME@2 and so on, of which "
            f"there are no two (but {', '.join(scores)}); call them so in 'lass "
            "evaluate --system'"
        )
    ends = [of(n for each in points.values() for n in each) for of in (min, max)]
    curves = [
        Curve(name, sorted(each), [each[number] for number in sorted(each)])
        for name, each in points.items()
    ]
    flat = [Curve(name, ends, [value, value]) for name, value in levels.items()]
    return [*curves, *flat]
