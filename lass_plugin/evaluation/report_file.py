"""A comparison as files: ``scores.json``, ``scores.csv``, ``scores.md``.

``scores.json`` holds everything and is the only one that is read again; the others
are made from the same :class:`.Report`.
"""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.evaluation.comparison import MASK, Report, SystemScores
from lass_plugin.evaluation.report_tables import to_csv, to_markdown
from lass_plugin.files import write_text
from lass_plugin.records.fields import filled
from lass_plugin.records.json_record import RecordFormat

REPORT = RecordFormat(
    "lass_plugin scores",
    "a report of scores",
    version=2,
    sealed=2,
    advice="give the scores.json of a folder that 'lass evaluate' wrote",
)
RUN = RecordFormat(
    "lass_plugin evaluation",
    "the record of an evaluation",
    advice="evaluate again",
    unmarked=True,
    measured=True,
)
"""``run.json`` beside the report: how its translations were made, and how fast."""


def write(report: Report, folder: str | os.PathLike) -> list[Path]:
    """Write ``scores.json``, ``scores.csv`` and ``scores.md`` into *folder*."""
    paths = _paths(folder)
    REPORT.write(paths[0], to_json(report))
    write_text(paths[1], to_csv(report))
    write_text(paths[2], to_markdown(report))
    return paths


def remove(folder: str | os.PathLike) -> None:
    """Remove an earlier evaluation, which is not of the translations now made."""
    for path in (*_paths(folder), Path(folder) / "run.json"):
        path.unlink(missing_ok=True)


def _paths(folder: str | os.PathLike) -> list[Path]:
    return [Path(folder) / f"scores.{ending}" for ending in ("json", "csv", "md")]


def read(path: str | os.PathLike) -> Report:
    """Read the report in a ``scores.json``.

    Averages and win ratios stand in the file for other readers; here they are computed
    again.

    Raises:
        LassError: the file is missing, cut short, or not a report of ours.
    """
    with REPORT.reading(path) as record:
        try:
            report: Report = filled(Report, _with_kinds(record), "report")
        except LassError as error:  # what the report itself refuses
            raise ValueError(error.message) from error
        return report


def _with_kinds(record: Any) -> Any:
    """A record in which each system says what kind it is of; see :func:`_stated`."""
    systems = record.get("systems")
    if not isinstance(systems, list):
        return record
    given = [{"kind": MASK, **s} if isinstance(s, dict) else s for s in systems]
    return {**record, "systems": given}


def to_json(report: Report) -> dict[str, Any]:
    """Return *report* as plain JSON values, averages and win ratios included."""
    return {
        "text": report.text,
        "notes": list(report.notes),
        "baseline": report.baseline.name,
        "systems": [
            {**_stated(system), **_summary(report, system)} for system in report.systems
        ],
    }


def _stated(system: SystemScores) -> dict[str, Any]:
    """The fields of *system*; its kind where that is not what old reports have."""
    stated = asdict(system)
    if system.kind == MASK:
        del stated["kind"]
    return stated


def _summary(report: Report, system: SystemScores) -> dict[str, Any]:
    """Return the averages and, for a system that is compared, its win ratios."""
    summary: dict[str, Any] = {
        "averages": {
            group: {metric: system.average(metric, pairs) for metric in report.metrics}
            for group, pairs in report.groups.items()
        }
    }
    if system is not report.baseline:
        summary["win_ratio"] = {name: system.win_ratio(name) for name in report.metrics}
    return summary
