"""Questions on a context, answered by spans of it: SQuAD's JSON."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.files import parse_json
from lass_plugin.records.fields import filled
from lass_plugin.records.json_record import RecordFormat

LANGUAGES = {
    "arabic": "ar",
    "bengali": "bn",
    "english": "en",
    "finnish": "fi",
    "indonesian": "id",
    "japanese": "ja",
    "korean": "ko",
    "russian": "ru",
    "swahili": "sw",
    "telugu": "te",
    "thai": "th",
}
"""Name before an id of TyDiQA -> language."""


@dataclass(frozen=True)
class Answer:
    """An answer, and the character of the context that it begins at."""

    text: str
    start: int


@dataclass(frozen=True)
class Question:
    """A question, its context, and one answer or more."""

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...]


def read_questions(path: Path, language: str = "") -> Iterator[Question]:
    """Yield the questions of a file.

    Args:
        language: of TyDiQA's ids that are wanted (``finnish-…``); empty for all.

    Raises:
        LassError: it is no such file; a question has no answer, or one that does not
            stand in the context where it is said to.
    """
    described = RecordFormat("", "questions in SQuAD's format")
    with described.naming(path):
        content = _read(path)
        seen: set[str] = set()
        for document in filled(list[dict[str, object]], content["data"], "data"):
            for paragraph in filled(list[_Paragraph], document["paragraphs"], "data"):
                for asked in paragraph.qas:
                    if asked.id in seen:
                        raise LassError(f"{path} has the question {asked.id} twice")
                    seen.add(asked.id)
                    if not language or language_of(asked.id) == language:
                        yield _checked(path, asked, paragraph.context)


@dataclass(frozen=True)
class _Answer:
    text: str
    answer_start: int


@dataclass(frozen=True)
class _Asked:
    id: str
    question: str
    answers: list[_Answer]


@dataclass(frozen=True)
class _Paragraph:
    context: str
    qas: list[_Asked]


def _read(path: Path) -> dict:
    if path.suffix != ".gz":
        text = path.read_text(encoding="utf-8-sig")
    else:
        with gzip.open(path, "rt", encoding="utf-8-sig") as file:
            text = file.read()
    content = parse_json(text)
    if not isinstance(content, dict):
        raise ValueError("it is not a JSON object")
    return content


def _checked(path: Path, asked: _Asked, context: str) -> Question:
    if not asked.answers:
        raise LassError(
            f"{path} has no answer to the question {asked.id}; copies made for "
            "XTREME's hidden test lack them, so give the original file"
        )
    for answer in asked.answers:
        end = answer.answer_start + len(answer.text)
        if not answer.text or context[answer.answer_start : end] != answer.text:
            shown = json.dumps(answer.text[:40], ensure_ascii=False)
            raise LassError(
                f"{path} answers the question {asked.id} with {shown}, which its "
                f"context does not hold at character {answer.answer_start}; correct "
                "the answer, or take the question out"
            )
    answers = tuple(Answer(one.text, one.answer_start) for one in asked.answers)
    return Question(asked.id, asked.question, context, answers)


def language_of(name: str) -> str:
    """The language that an id of TyDiQA says."""
    return LANGUAGES.get(name.partition("-")[0], "")


def languages_of_questions(path: Path) -> list[str]:
    """The languages of a file of TyDiQA, as they appear.

    Raises:
        LassError: see :func:`read_questions`; or an id says no language.
    """
    found = dict.fromkeys(language_of(one.id) for one in read_questions(path))
    if "" in found:
        raise LassError(
            f"{path} has an id without a language (finnish-…); give TyDiQA-GoldP's own"
        )
    return list(found)
