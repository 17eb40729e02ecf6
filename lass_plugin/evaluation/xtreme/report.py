"""Scores of one system on one task as a file, with what each example adds to them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lass_plugin.corpora.xtreme.tasks import Task, task_of
from lass_plugin.evaluation.xtreme.measured import F1, MEAN, Measured
from lass_plugin.records.fields import filled
from lass_plugin.records.json_record import RecordFormat

NAME = "scores.json"
SCORES = RecordFormat(
    "lass_plugin xtreme scores",
    "a scores.json of 'lass xtreme evaluate'",
    sealed=1,
)
_COUNTS = {MEAN: 2, F1: 3}


@dataclass(frozen=True)
class TaskScores:
    """Scores of a system on one task.

    Attributes:
        system: its name in tables.
        task: of XTREME.
        split: what was predicted.
        languages: language -> metric -> scores of its examples.
        gold: language -> digest of what the answers were compared with.
        facts: what they were made with, for readers.
    """

    system: str
    task: Task
    split: str
    languages: dict[str, dict[str, Measured]]
    gold: dict[str, str]
    facts: dict[str, Any]

    def mean(self, metric: str) -> float:
        """The unweighted mean over the languages."""
        every = [found[metric].score for found in self.languages.values()]
        return float(np.mean(every))


def write_scores(scores: TaskScores, folder: Path) -> Path:
    """Write ``scores.json`` into *folder*."""
    languages = {
        language: {
            name: {
                "score": one.score,
                "kind": one.kind,
                "signature": one.signature,
                "rows": [_plain(row) for row in one.rows.tolist()],
            }
            for name, one in found.items()
        }
        for language, found in scores.languages.items()
    }
    content = {
        "system": scores.system,
        "task": scores.task.name,
        "split": scores.split,
        "means": {name: scores.mean(name) for name in scores.task.metrics},
        "facts": scores.facts,
        "gold": scores.gold,
        "languages": languages,
    }
    return SCORES.write(folder / NAME, content, rows=True)


def _plain(row: list[float]) -> list[float | int]:
    return [int(value) if value.is_integer() else value for value in row]


def read_scores(path: Path) -> TaskScores:
    """Read a file that :func:`write_scores` wrote, or the one in a folder.

    Raises:
        LassError: missing, damaged or of something else.
    """
    path = path / NAME if path.is_dir() else path
    with SCORES.reading(path) as record:
        task = task_of(filled(str, record["task"], "task"))
        languages = filled(
            dict[str, dict[str, _Stored]], record["languages"], "languages"
        )
        gold = filled(dict[str, str], record["gold"], "gold")
        if not languages or languages.keys() != gold.keys():
            raise ValueError("languages and gold do not fit together")
        return TaskScores(
            filled(str, record["system"], "system"),
            task,
            filled(str, record["split"], "split"),
            {
                language: {
                    metric: _measured(metric, f"{task.name} {language}", found[metric])
                    for metric in task.metrics
                }
                for language, found in languages.items()
            },
            gold,
            filled(dict[str, object], record["facts"], "facts"),
        )


@dataclass(frozen=True)
class _Stored:
    kind: str
    signature: str
    rows: list[list[float]]


def _measured(metric: str, pair: str, stored: _Stored) -> Measured:
    rows = np.array(stored.rows, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != _COUNTS[stored.kind]:
        raise ValueError(f"the rows of {metric} ({pair}) are of another kind")
    return Measured(metric, pair, stored.kind, rows, stored.signature)
