"""Which of our systems stands for which row of a paper's table."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from lass_plugin.errors import LassError
from lass_plugin.papers.figures import PaperTable, normal

_SEARCH = re.compile(r"\((\w+) (oneshot|gradual) ratio ")
"""In what a report says of masks: by which score and schedule they were found."""
_SEARCHED = ("oneshot", "gradual")
"""Ends of the names of rows that say the same: ``GradientGradual``."""


def match_rows(
    table: PaperTable,
    rows: Sequence[str],
    systems: Sequence[str],
    given: Sequence[str],
    masks: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Row -> our system, for those rows that have one.

    A row and a system are matched where their names are alike but for case, blanks and
    punctuation, else where the system has one of the other names of the row; a system
    stands for one row at most. Of LABEL/NAME the name counts, where it is the only one
    and no other system has that name alone.

    Args:
        rows: of the table, those that are shown.
        given: ``ROW=SYSTEM``, which goes before all else.
        masks: system -> what its report says of its masks. One whose masks were found
            by another score or schedule than a row is named by does not stand for it
            by another name of the row; one of the same does, whatever it is called.

    Raises:
        LassError: *given* names a row or a system that is not there, two systems have
            the name of one row, or no row has a system.
    """
    found = _given(table, rows, systems, given)
    left = [row for row in rows if row not in found]
    searched = {
        system: f"{said[1]}{said[2]}"
        for system, label in (masks or {}).items()
        if (said := _SEARCH.search(label))
    }

    def may_be(row: str) -> list[str]:
        named = normal(row)
        if not named.endswith(_SEARCHED):
            return list(systems)
        return [each for each in systems if searched.get(each, named) == named]

    for row in left:
        _take(found, table, row, systems, [row])
    for row in left:
        # the first of its names that one of our systems has
        for name in table.names.get(row, ()):
            if row not in found:
                _take(found, table, row, may_be(row), [name])
    for row in left:
        free = {*searched} - {*found.values()}
        same = [each for each in systems if each in free and each in may_be(row)]
        if row not in found and normal(row).endswith(_SEARCHED) and len(same) == 1:
            found[row] = same[0]
    if not found:
        raise LassError(
            f"none of our systems ({', '.join(systems)}) is a row of {table.title} "
            f"({'; '.join(rows)}); say which is which with --rows 'ROW=SYSTEM,…'"
        )
    return {row: found[row] for row in rows if row in found}


def _take(
    found: dict[str, str],
    table: PaperTable,
    row: str,
    systems: Sequence[str],
    names: Sequence[str],
) -> None:
    wanted, taken = set(map(normal, names)), set(found.values())
    free = [system for system in systems if system not in taken]
    alike = [system for system in free if normal(system) in wanted]
    if not alike:
        own = {s: normal(s.rpartition("/")[2]) for s in free if "/" in s}
        labelled = [system for system, name in own.items() if name in wanted]
        alike = labelled if len(labelled) == 1 else []
    if len(alike) > 1:
        raise LassError(
            f"the systems {' and '.join(alike)} have both the name of the row {row} of "
            f"{table.title}; choose one with --rows '{row}=SYSTEM'"
        )
    if alike:
        found[row] = alike[0]


def _given(
    table: PaperTable, rows: Sequence[str], systems: Sequence[str], given: Sequence[str]
) -> dict[str, str]:
    by_name: Mapping[str, str] = {normal(row): row for row in rows}
    found: dict[str, str] = {}
    for text in given:
        row, equals, system = text.rpartition("=")
        if not equals:
            raise LassError(f"--rows {text} must be ROW=SYSTEM")
        if normal(row) not in by_name:
            raise LassError(
                f"--rows {text}: {table.title} has no row '{row}'; "
                f"{_nearest(row, rows)}"
            )
        if system not in systems:
            raise LassError(
                f"--rows {text}: there is no system '{system}'; "
                f"{_nearest(system, systems)}"
            )
        if by_name[normal(row)] in found:
            raise LassError(f"--rows names the row {row} twice; keep one")
        found[by_name[normal(row)]] = system
    return found


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, 1, 0.5)
    meant = f"did you mean {near[0]}? " if near else ""
    return f"{meant}there are {'; '.join(known)}"
