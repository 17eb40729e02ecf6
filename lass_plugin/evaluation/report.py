"""A comparison as files: ``scores.json``, ``scores.csv``, ``scores.md``.

``scores.json`` holds everything and is the only one that is read again; the others
are made from the same :class:`Report`.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.evaluation.comparison import (
    Outputs,
    PairScores,
    Report,
    SystemScores,
    compare,
    score_system,
)
from lass_plugin.evaluation.metrics import Score
from lass_plugin.evaluation.significance import Difference
from lass_plugin.evaluation.tables import render, to_csv, to_markdown
from lass_plugin.files import write_json, write_text
from lass_plugin.languages import Pair

__all__ = [
    "Outputs",
    "PairScores",
    "Report",
    "SystemScores",
    "compare",
    "read",
    "render",
    "score_system",
    "to_csv",
    "to_json",
    "to_markdown",
    "write",
]

_FORMAT = "lass_plugin scores"
_VERSION = 1


def write(report: Report, folder: str | os.PathLike) -> list[Path]:
    """Write ``scores.json``, ``scores.csv`` and ``scores.md`` into *folder*."""
    paths = [Path(folder) / f"scores.{ending}" for ending in ("json", "csv", "md")]
    write_json(paths[0], to_json(report))
    write_text(paths[1], to_csv(report))
    write_text(paths[2], to_markdown(report))
    return paths


def read(path: str | os.PathLike) -> Report:
    """Read the report in a ``scores.json``.

    Averages and win ratios stand in the file for other readers; here they are computed
    again.

    Raises:
        LassError: the file is missing, cut short, or not a report of ours.
    """
    try:
        content = json.loads(Path(path).read_bytes(), parse_constant=_no_constant)
    except OSError as error:
        raise LassError(
            f"cannot read {path}: {error.strerror or error}; give the scores.json of "
            "a report"
        ) from error
    except (ValueError, RecursionError) as error:
        raise LassError(
            f"{path} is not a whole JSON file ({error}); write the report again"
        ) from error
    try:
        return _from_json(content)
    except LassError as error:
        raise LassError(f"{path} is not a report of scores: {error}") from error


def to_json(report: Report) -> dict[str, Any]:
    """Return *report* as plain JSON values, averages and win ratios included."""
    return {
        "format": _FORMAT,
        "version": _VERSION,
        "text": report.text,
        "notes": list(report.notes),
        "baseline": report.baseline.name,
        "systems": [
            {**asdict(system), **_summary(report, system)} for system in report.systems
        ],
    }


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


def _from_json(content: Any) -> Report:
    top = _Reader(content, "the file")
    if top.get("format", str) != _FORMAT:
        raise LassError("its format is another; give the scores.json of a report")
    if top.get("version", int) != _VERSION:
        raise LassError(f"its version is not {_VERSION}; use a newer lass_plugin")
    text = top.get("text", str)
    if text not in ("tokenised", "detokenised"):
        raise LassError(f"its text is '{text}', neither tokenised nor detokenised")
    notes = top.get("notes", list)
    if not all(isinstance(note, str) for note in notes):
        raise LassError("its 'notes' are not all text; write the report again")
    systems = tuple(_system(each) for each in top.get("systems", list))
    return Report(text, systems, tuple(notes))


def _system(content: Any) -> SystemScores:
    fields = _Reader(content, "a system")
    return SystemScores(
        name=fields.get("name", str),
        checkpoint=fields.get("checkpoint", str),
        mask=fields.get("mask", str | None),
        pairs={
            str(Pair.parse(pair)): _pair(result, pair)
            for pair, result in fields.get("pairs", dict).items()
        },
    )


def _pair(content: Any, pair: str) -> PairScores:
    fields = _Reader(content, pair)
    return PairScores(
        sentences=fields.get("sentences", int),
        scores={
            metric: _Reader(score, pair).fill(Score)
            for metric, score in fields.get("scores", dict).items()
        },
        differences={
            metric: _Reader(difference, pair).fill(Difference)
            for metric, difference in fields.get("differences", dict).items()
        },
    )


class _Reader:
    """Typed access to a JSON object, with errors that say where the fault is."""

    def __init__(self, content: Any, where: str):
        if not isinstance(content, dict):
            raise LassError(f"{where} is not a JSON object; write the report again")
        self.content = content
        self.where = where

    def get(self, key: str, kind: Any) -> Any:
        """Return the value of *key*, which must be there and of the type *kind*."""
        value = self.content.get(key)
        proper = isinstance(value, kind) and not isinstance(value, bool)
        if key not in self.content or not proper:
            raise LassError(f"{self.where} has no proper '{key}'; write it again")
        return value

    def number(self, key: str) -> float:
        """Return the finite number of *key*."""
        value = self.get(key, int | float)
        if not abs(value) < 1e300:  # also true of whole numbers too large for a float
            raise LassError(f"{self.where} has no finite '{key}'; write it again")
        return float(value)

    def fill(self, kind: Any) -> Any:
        """Make a dataclass *kind* of the fields of its names and types."""
        types = {key: field.type for key, field in kind.__dataclass_fields__.items()}
        return kind(
            **{
                key: self.number(key) if of is float else self.get(key, of)
                for key, of in types.items()
            }
        )


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")
