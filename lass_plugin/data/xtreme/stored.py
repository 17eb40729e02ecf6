"""The files of a prepared folder: one of tensors for each split and language.

A feature's tokens stand behind those of the one before it; ``ends`` says where each
ends. Questions, which are scored by their text, lie beside them as JSON.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from lass_plugin.corpora.xtreme.questions import Question
from lass_plugin.corpora.xtreme.retrieval import Bitexts
from lass_plugin.corpora.xtreme.tasks import SPANS, TAGS, Task, task_of
from lass_plugin.data.data_folder import RECORD
from lass_plugin.data.xtreme.features import Feature
from lass_plugin.errors import LassError
from lass_plugin.records.fields import filled, whole
from lass_plugin.records.json_record import RecordFormat, digest_of
from lass_plugin.tensor_files import OtherKind, Unreadable, read_tensors, write_tensors

_ENTRY = "lass_xtreme"
GOLD = RecordFormat("lass_plugin gold", "the gold of a prepared folder")
QUESTIONS = RecordFormat("lass_plugin questions", "the questions of a prepared folder")
PREPARATION = RecordFormat(
    "lass_plugin preparation",
    "the record of 'lass xtreme prepare'",
    advice="prepare the task first",
    unmarked=True,
)


@dataclass(frozen=True)
class Prepared:
    """What a prepared folder holds."""

    folder: Path
    task: Task
    languages: dict[str, list[str]]
    """Split -> its languages."""
    stride: int
    """Tokens from a window of a context to the next."""

    @classmethod
    def read(cls, folder: Path) -> "Prepared":
        """Read the record of *folder*.

        Raises:
            LassError: ``lass xtreme prepare`` did not make it.
        """
        with PREPARATION.reading(folder / RECORD) as record:
            task = task_of(filled(str, record["task"], "task"))
            task = replace(task, length=whole(record["length"], "length", 8))
            languages = filled(dict[str, list[str]], record["splits"], "splits")
            return cls(folder, task, languages, whole(record["stride"], "stride", 1))

    def of(self, split: str) -> list[str]:
        """The languages of a split.

        Raises:
            LassError: it has none.
        """
        if not self.languages.get(split):
            raise LassError(
                f"{self.folder} has no {split} data of {self.task.title}; prepare it "
                "(lass xtreme prepare, without --test-only)"
            )
        return self.languages[split]

    def path(self, split: str, language: str) -> Path:
        """The file of tensors of a split in a language."""
        return self.folder / f"{split}.{language}.safetensors"


@dataclass(frozen=True, eq=False)
class Stored:
    """Features of one split and language.

    Attributes:
        tokens: ``(all tokens,)`` int32.
        ends: ``(features,)`` int64, where in *tokens* each ends.
        source: ``(features,)`` int64, number of the example.
        labels: ``(features, 1)`` (pairs), ``(features, 2)`` (spans) or ``(all
            tokens,)`` (tags) int32; empty for retrieval.
        characters: ``(all tokens, 2)`` int32 (spans), else empty.
    """

    tokens: Tensor
    ends: Tensor
    source: Tensor
    labels: Tensor
    characters: Tensor

    def __len__(self) -> int:
        return len(self.ends)

    def bounds(self, number: int) -> tuple[int, int]:
        """Where in the tokens a feature begins and ends."""
        start = int(self.ends[number - 1]) if number else 0
        return start, int(self.ends[number])


def collected(task: Task, features: Iterable[Feature]) -> Stored:
    """*features* as tensors."""
    tokens, ends, source = list[int](), list[int](), list[int]()
    labels, characters = list[int](), list[tuple[int, int]]()
    for feature in features:
        tokens += feature.tokens
        ends.append(len(tokens))
        source.append(feature.source)
        labels += feature.labels
        characters += feature.characters
    answers = torch.tensor(labels, dtype=torch.int32)
    if task.kind != TAGS and labels:
        answers = answers.view(len(ends), -1)
    return Stored(
        torch.tensor(tokens, dtype=torch.int32),
        torch.tensor(ends, dtype=torch.int64),
        torch.tensor(source, dtype=torch.int64),
        answers,
        torch.tensor(characters, dtype=torch.int32).reshape(len(characters), 2),
    )


def write_stored(path: Path, task: Task, stored: Stored) -> None:
    """Write the features of a split and language."""
    write_tensors(path, _ENTRY, {"version": 2, "task": task.name}, vars(stored))


def read_stored(path: Path, task: Task) -> Stored:
    """Read what :func:`write_stored` wrote.

    Raises:
        LassError: missing, damaged, or of another task.
    """
    try:
        header, tensors = read_tensors(path, _ENTRY)
        if header["task"] != task.name:
            raise ValueError(f"it is of {header['task']}")
        stored = Stored(**{name: tensors[name] for name in Stored.__annotations__})
        _check(stored, task)
    except (OtherKind, Unreadable, KeyError, TypeError, ValueError) as error:
        raise LassError(
            f"{path} is not the prepared data of {task.title} ({error}); prepare it "
            "again (lass xtreme prepare --fresh)"
        ) from error
    return stored


def _check(stored: Stored, task: Task) -> None:
    count, tokens = len(stored.ends), len(stored.tokens)
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), stored.ends])
    wanted = tokens if task.kind == TAGS else count
    fits = (
        bool((starts.diff() > 0).all())
        and int(starts[-1]) == tokens
        and len(stored.source) == count
        and (not task.trains or len(stored.labels) == wanted)
        and (task.kind != SPANS or len(stored.characters) == tokens)
    )
    if not fits:
        raise ValueError("its parts are of different lengths")


def write_questions(path: Path, questions: Sequence[Question]) -> None:
    """Write questions beside their features."""
    plain = [
        {
            "id": one.id,
            "question": one.question,
            "context": one.context,
            "answers": [vars(answer) for answer in one.answers],
        }
        for one in questions
    ]
    QUESTIONS.write(path, {"questions": plain})


def write_gold(path: Path, gold: Sequence[tuple[int, int]], texts: Bitexts) -> None:
    """Write which sentence is translated by which English one, by their numbers.

    These say nothing of the text, of which a digest stands beside them.
    """
    text = {"sentences": list(texts.sentences), "english": list(texts.english)}
    content = {"gold": [list(pair) for pair in gold], "text": digest_of(text)}
    GOLD.write(path, content, rows=True)


def read_gold(prepared: Prepared, split: str, language: str) -> set[tuple[int, int]]:
    """The pairs of sentences that translate each other.

    Raises:
        LassError: missing or damaged.
    """
    with GOLD.reading(beside(prepared.path(split, language))) as record:
        pairs = filled(list[list[int]], record["gold"], "gold")
        return {(mine, theirs) for mine, theirs in pairs}


def read_text_digest(prepared: Prepared, split: str, language: str) -> str:
    """The digest of the text that a gold is of, empty in a folder of before.

    Raises:
        LassError: missing or damaged.
    """
    with GOLD.reading(beside(prepared.path(split, language))) as record:
        return filled(str, record.get("text", ""), "text")


def read_questions_of(prepared: Prepared, split: str, language: str) -> list[Question]:
    """The questions of a split and language, in the order of their features.

    Raises:
        LassError: missing or damaged.
    """
    with QUESTIONS.reading(beside(prepared.path(split, language))) as record:
        return filled(list[Question], record["questions"], "questions")


def beside(path: Path) -> Path:
    """The file of questions or of gold beside one of features."""
    return path.with_suffix(".json")
