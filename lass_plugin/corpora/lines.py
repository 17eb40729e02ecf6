"""The form that lines of a corpus are given: punctuation, script, tokens, case.

Moses' scripts are run by sacremoses. Text of a language that Moses has no rules for is
treated by its rules for English.
"""

import importlib.util
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.languages import base_language

AS_IS, MOSES, LOWER, TRUE = "as-is", "moses", "lower", "true"


@dataclass(frozen=True)
class LineForm:
    """What is done to a line, in this order; :data:`TRUE` case comes later."""

    punctuation: bool = False
    """Quotes, dashes and numbers of all scripts in their ASCII forms, and no control
    characters (Moses' replace-unicode-punctuation, normalize-punctuation and
    remove-non-printing-char)."""
    simplified: bool = False
    """Chinese in simplified characters."""
    tokenised: bool = False
    """Moses' tokens, which spaces separate and whose special characters are escaped."""
    lower: bool = False

    def apply(self, line: str, language: str) -> str:
        """The line in this form."""
        code = base_language(language)
        if self.punctuation:
            line = _normalizer(code).normalize(line)
        if self.simplified and code == "zh":
            line = _simplifier().convert(line)
        if self.tokenised:
            line = _tokenizer(code).tokenize(line, return_str=True)
        return line.lower() if self.lower else line


def check_simplifier() -> None:
    """Refuse to begin where Chinese cannot be simplified.

    Raises:
        LassError: OpenCC is not installed.
    """
    if importlib.util.find_spec("opencc") is None:
        raise LassError(
            "Chinese is simplified by OpenCC, which is not installed; install the "
            "extra 'chinese' (pip install -e '.[chinese]'), or keep its characters "
            "with --chinese as-is"
        )


@cache
def _simplifier() -> Any:
    from opencc import OpenCC

    return OpenCC("t2s")


@cache
def _normalizer(language: str) -> Any:
    from sacremoses import MosesPunctNormalizer

    return MosesPunctNormalizer(
        lang=language, pre_replace_unicode_punct=True, post_remove_control_chars=True
    )


@cache
def _tokenizer(language: str) -> Any:
    from sacremoses import MosesTokenizer

    return MosesTokenizer(lang=language)


def count_cases(lines: Iterable[str]) -> dict[str, str]:
    """The truecaser of *lines* of tokens: word in lower case -> its most frequent form.

    Words at the beginnings of sentences do not count, as in Moses' train-truecaser; of
    forms that are as frequent the first in alphabetical order is taken.
    """
    forms: dict[str, Counter[str]] = {}
    learner = _truecaser()
    for line in lines:
        for word, form, weight in learner.learn_truecase_weights(line.split()):
            forms.setdefault(word, Counter())[form] += weight
    return {
        word: min(counts, key=lambda form: (-counts[form], form))
        for word, counts in sorted(forms.items())
    }


def truecase(line: str, cases: Mapping[str, str]) -> str:
    """A line of tokens with each known word in the form that *cases* have."""
    truecaser = _truecaser()
    truecaser.model = {"best": cases, "known": {}}
    truecased: str = truecaser.truecase(line, return_str=True)
    return truecased


@cache
def _truecaser() -> Any:
    from sacremoses import MosesTruecaser

    return MosesTruecaser()
