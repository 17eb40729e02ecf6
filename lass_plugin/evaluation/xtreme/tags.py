"""Scores of tags: F1 of chunks by seqeval, and accuracy of words.

For POS the two differ: XTREME scores its tags by seqeval, to which neighbouring words
of one tag are one chunk, so one wrong tag in a run of nouns loses the whole run.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lass_plugin.corpora.xtreme.tasks import Task
from lass_plugin.errors import LassError
from lass_plugin.evaluation.xtreme.measured import F1, MEAN, Measured

Tags = Sequence[Sequence[str]]
"""The tags of each sentence."""


def score_tags(task: Task, language: str, true: Tags, found: Tags) -> list[Measured]:
    """F1 of chunks and accuracy of words; each sentence has all its tags.

    Raises:
        LassError: seqeval is not installed; a sentence has another number of tags.
    """
    entities, version = find_chunks()
    for number, (ours, theirs) in enumerate(zip(found, true, strict=True), start=1):
        if len(ours) != len(theirs):
            raise LassError(
                f"sentence {number} of {task.name} {language} has {len(theirs)} words "
                f"and {len(ours)} predicted tags; give one for each word"
            )
    pair = f"{task.name} {language}"
    chunks, words = [], []
    for ours, theirs in zip(found, true, strict=True):
        mine, gold = (
            set(entities(list(map(_with_type, tags)))) for tags in (ours, theirs)
        )
        chunks.append((len(mine & gold), len(mine), len(gold)))
        right = sum(tag == other for tag, other in zip(ours, theirs, strict=True))
        words.append((right, len(theirs)))
    signature = f"metric:F1|chunks:seqeval-{version}|average:micro"
    of_words = "metric:accuracy|of:words|v:1"
    return [
        Measured("F1", pair, F1, _table(chunks, 3), signature),
        Measured("accuracy", pair, MEAN, _table(words, 2), of_words),
    ]


def _table(rows: Sequence[tuple[int, ...]], counts: int) -> np.ndarray:
    """``(sentences, counts)`` float64."""
    return np.array(rows, dtype=np.float64).reshape(-1, counts)


def _with_type(tag: str) -> str:
    """*tag* so that seqeval 1 makes the chunks of it that 0.0.12, XTREME's, does.

    Release 0.0.12 has the first letter of a tag decide where a chunk begins and takes
    all of a tag without a hyphen as its type; 1.0 cuts the letter off the type, so that
    CCONJ and SCONJ would be one.
    """
    return tag if tag == "O" or "-" in tag else f"{tag[0]}-{tag}"


def find_chunks() -> tuple[Any, str]:
    """seqeval's function that finds chunks, and its version.

    Raises:
        LassError: it is not installed.
    """
    from importlib.metadata import version
    from warnings import catch_warnings, simplefilter

    try:
        from seqeval.metrics.sequence_labeling import get_entities
    except ImportError as error:
        raise LassError(
            "tags are scored with seqeval, which is not installed; install it with "
            "pip install 'lass-plugin[xtreme]', or seqeval"
        ) from error

    def chunks(tags: list[str]) -> Any:
        with catch_warnings():
            simplefilter("ignore")  # that N-NOUN is no tag of a named entity
            return get_entities(tags)

    return chunks, version("seqeval")
