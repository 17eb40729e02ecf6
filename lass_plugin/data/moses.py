"""Moses' scripts for lines of text, by sacremoses: punctuation, tokens, case, and back.

Tokens are separated by single spaces, and &, <, >, ', ", |, [ and ] are written as
entities, as Moses' tokenizer does; hyphens stay in their words. A language that Moses
has no rules for is treated by those that hold for all; in text without spaces, such as
Chinese, some punctuation is set apart, and no words are found.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lass_plugin.errors import LassError
from lass_plugin.files import read_text
from lass_plugin.language_families import first_code

if TYPE_CHECKING:
    from sacremoses import (
        MosesDetokenizer,
        MosesDetruecaser,
        MosesPunctNormalizer,
        MosesTokenizer,
        MosesTruecaser,
    )


def library() -> str:
    """Name and version of what does it: ``sacremoses.0.2.0``."""
    return f"sacremoses.{version('sacremoses')}"


def normalise_punctuation(line: str, language: str, every: bool = False) -> str:
    """*line* with quotes, dashes, spaces and numbers as ASCII has them.

    Args:
        every: those of all scripts, too, and without control characters (Moses'
            replace-unicode-punctuation and remove-non-printing-char); the latter takes
            the non-joiner out of Persian.
    """
    return _normalizer(first_code(language), every).normalize(line)


def tokenise(line: str, language: str) -> str:
    """The tokens of a line of raw text, separated by spaces."""
    return _tokenizer(first_code(language)).tokenize(line, return_str=True)


def detokenise(line: str, language: str) -> str:
    """A line of tokens as text; the other way round than :func:`tokenise`.

    Where raw text leaves a choice, Moses guesses: French quotes are set apart, and
    Finnish ``EU:n`` comes back as ``EU: n``.
    """
    return _detokenizer(first_code(language)).detokenize(line.split())


def count_forms(lines: Iterable[str]) -> Counter[str]:
    """How often each word has each form where no sentence begins.

    Args:
        lines: of tokens.
    """
    learner, counts = _learner(), Counter[str]()
    for line in lines:
        for _, form, weight in learner.learn_truecase_weights(line.split()):
            counts[form] += weight
    return counts


class Casing(NamedTuple):
    """The forms that words have where no sentence begins."""

    best: Mapping[str, str]
    """Word in lower case -> its most frequent form."""
    known: Set[str] = frozenset()
    """The other forms, which words keep inside of sentences."""


def casing_model(forms: Mapping[str, int]) -> str:
    """The text of a model of Moses' truecaser: a line a word, its likeliest form first.

    Args:
        forms: see :func:`count_forms`.
    """
    words: dict[str, list[str]] = {}
    for form in forms:
        words.setdefault(form.lower(), []).append(form)
    lines = []
    for word in sorted(words):
        first, *others = sorted(words[word], key=lambda form: (-forms[form], form))
        total = sum(forms[form] for form in words[word])
        parts = [f"{first} ({forms[first]}/{total})"]
        parts += [f"{other} ({forms[other]})" for other in others]
        lines.append(" ".join(parts) + "\n")
    return "".join(lines)


def read_casing(path: Path) -> Casing:
    """The forms in a model of Moses' truecaser.

    Raises:
        LassError: it cannot be read, or is none.
    """
    best, known = dict[str, str](), set[str]()
    text = read_text(path, "a model of Moses' truecaser")
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split()
        if not words:
            continue
        if len(words) % 2 or not words[1].startswith("("):
            raise LassError(
                f"{path}:{number} is no line of a model of Moses' truecaser, which has "
                "words and their numbers in turns; give the file that train-truecaser "
                "or 'lass prepare --truecase' wrote"
            )
        best[words[0].lower()] = words[0]
        known.update(words[2::2])
    return Casing(best, known)


def truecase(line: str, casing: Casing) -> str:
    """A line of tokens with each known word in its likeliest form.

    A word that does not begin a sentence keeps a form that is known, as Moses'
    truecase.perl has it: ``May`` beside ``may``.
    """
    truecaser = _learner()
    truecaser.model = casing._asdict()
    return truecaser.truecase(line, return_str=True, use_known=True)


def detruecase(line: str) -> str:
    """A line of tokens with a capital at the beginning of each sentence."""
    return _detruecaser().detruecase(line, return_str=True)


@cache
def _normalizer(language: str, every: bool) -> "MosesPunctNormalizer":
    from sacremoses import MosesPunctNormalizer

    return MosesPunctNormalizer(
        lang=language, pre_replace_unicode_punct=every, post_remove_control_chars=every
    )


@cache
def _tokenizer(language: str) -> "MosesTokenizer":
    from sacremoses import MosesTokenizer

    return MosesTokenizer(lang=language)


@cache
def _detokenizer(language: str) -> "MosesDetokenizer":
    from sacremoses import MosesDetokenizer

    return MosesDetokenizer(lang=language)


@cache
def _learner() -> "MosesTruecaser":
    from sacremoses import MosesTruecaser

    return MosesTruecaser()


@cache
def _detruecaser() -> "MosesDetruecaser":
    from sacremoses import MosesDetruecaser

    return MosesDetruecaser()
