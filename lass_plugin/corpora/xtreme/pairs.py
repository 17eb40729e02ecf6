"""Pairs of sentences with a label: XNLI and PAWS-X, tables with tabs between cells."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lass_plugin.corpora.xtreme.tasks import Task
from lass_plugin.data.parallel_text import read_lines
from lass_plugin.errors import LassError

_SPELT = {"contradictory": "contradiction"}
"""Label in XNLI's translated training files -> as in its others."""


@dataclass(frozen=True)
class SentencePair:
    """Two sentences and what the second is to the first."""

    first: str
    second: str
    label: str


def read_pairs(task: Task, path: Path, language: str) -> Iterator[SentencePair]:
    """Yield the pairs of *language* in a file, with a header or without.

    XNLI's own files name language, label and sentences in their header; its training
    files are ``premise hypo label``; PAWS-X has ``id sentence1 sentence2 label``, or
    in the copies of others the last three alone, without a header.

    Raises:
        LassError: a line has other cells, no label, or one that the task lacks.
    """
    columns: tuple[str, ...] = ("", "first", "second", "label")
    for number, line in enumerate(read_lines(path), start=1):
        cells, where = line.split("\t"), f"{path}:{number}"
        if number == 1:
            header = tuple(_NAMES.get(cell, "") for cell in cells)
            if {"first", "second"} <= set(header):
                columns = header
                if "label" not in columns:
                    raise _without_labels(where)
                continue
            columns = columns[-len(cells) :] if len(cells) in (3, 4) else columns
        if len(cells) == 2 and len(columns) != 2:
            raise _without_labels(where)
        if len(cells) != len(columns):
            raise LassError(
                f"{where} has {len(cells)} cells, where {len(columns)} are expected; "
                f"give the original file of {task.title}"
            )
        row = dict(zip(columns, cells, strict=True))
        if row.get("language", language) == language:
            label = _SPELT.get(row["label"], row["label"])
            if not label:
                raise _without_labels(where)
            yield SentencePair(row["first"], row["second"], _known(task, label, where))


_NAMES = {
    "language": "language",
    "gold_label": "label",
    "label": "label",
    "sentence1": "first",
    "sentence2": "second",
    "premise": "first",
    "hypo": "second",
}


def languages_of_pairs(path: Path) -> list[str]:
    """The languages of a file that holds several, as they appear."""
    lines = read_lines(path)
    header = next(lines, "").split("\t")
    if "language" not in header:
        raise LassError(f"{path} has no column 'language'; give XNLI's original file")
    place = header.index("language")
    return list(dict.fromkeys((line.split("\t") + [""])[place] for line in lines))


def _known(task: Task, label: str, where: str) -> str:
    if label not in task.labels:
        raise LassError(
            f"{where} has the label '{label}', which {task.title} does not know (it "
            f"has {', '.join(task.labels)}); give the original file"
        )
    return label


def _without_labels(where: str) -> LassError:
    return LassError(
        f"{where} has no label; copies made for XTREME's hidden test lack them, so "
        "give the original file"
    )
