"""What lies in the places that ``lass report`` is given: reports, costs, estimates."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.evaluation import report_file
from lass_plugin.tables.compared_reports import LabelledReport, labelled

SCORES, COST, ZERO_SHOT = "scores.json", "table-cost.json", "zero_shot.json"
ESTIMATE = "estimate.json"
_NAMES = (SCORES, COST, ZERO_SHOT, ESTIMATE)
_XTREME = "lass_plugin xtreme scores"
_BEGINNING = 4096
"""Characters of a file that hold its format."""


@dataclass
class Found:
    """What was found, each kind in the order of the places.

    Attributes:
        places: as they were given.
        reports: of ``lass evaluate``, and of commands that score in the same way.
        xtreme: files of ``lass xtreme evaluate``.
        costs: files of ``lass table cost``.
        zero_shot: files of ``lass zero-shot``.
        estimates: files of ``lass lslo estimate``.
    """

    places: Sequence[str]
    reports: list[LabelledReport] = field(default_factory=list)
    xtreme: list[Path] = field(default_factory=list)
    costs: list[Path] = field(default_factory=list)
    zero_shot: list[Path] = field(default_factory=list)
    estimates: list[Path] = field(default_factory=list)

    @property
    def shown(self) -> str:
        """The places in messages."""
        return ", ".join(map(str, self.places))


def look_for_results(places: Sequence[str]) -> Found:
    """Find results in *places*, each ``[LABEL=]PATH``.

    PATH is a file, the folder of a report, or a folder somewhere in which results lie,
    such as that of ``lass run``. A report that was found within a folder has its place
    there as label, so that no two have the same.

    Raises:
        LassError: a place is not there, or nothing is in it.
    """
    found = Found(places)
    for place in places:
        label, path = _place(place)
        files = [path] if path.is_file() else _within(path)
        if not files:
            # a report that was begun, or nothing at all: its own words say which
            LabelledReport.read(path)
        for file in files:
            _add(found, file, _label(label, path, file))
    return found


def _place(text: str) -> tuple[str, Path]:
    """Label and path of ``[LABEL=]PATH``."""
    label, path = labelled(text)
    if not path.exists():
        raise LassError(
            f"there is no {path}; give a report of 'lass evaluate' or the folder of a "
            "'lass run'"
        )
    return label, path


def _within(folder: Path) -> list[Path]:
    """Files of results in *folder*, those nearest to it first."""
    every = [
        Path(where, name)
        for where, _, names in os.walk(folder)
        for name in _NAMES
        if name in names
    ]
    return sorted(every, key=lambda path: (len(path.parts), path))


def _label(label: str, place: Path, file: Path) -> str:
    if file == place or file.parent == place:
        return label or file.parent.resolve().name
    return "/".join(filter(None, (label, file.parent.relative_to(place).as_posix())))


def _add(found: Found, file: Path, label: str) -> None:
    if file.name == COST:
        found.costs.append(file)
    elif file.name == ZERO_SHOT:
        found.zero_shot.append(file)
    elif file.name == ESTIMATE:
        found.estimates.append(file)
    elif _is_xtreme(file):
        found.xtreme.append(file)
    else:
        report = LabelledReport(label, file.parent, report_file.read(file))
        found.reports.append(report)


def _is_xtreme(file: Path) -> bool:
    """Whether a ``scores.json`` is one of ``lass xtreme evaluate``."""
    try:
        with open(file, encoding="utf-8") as stream:
            return json.dumps(_XTREME) in stream.read(_BEGINNING)
    except (OSError, ValueError):
        return False  # whoever reads it as a report says what is wrong
