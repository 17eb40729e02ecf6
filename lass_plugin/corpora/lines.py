"""The form that lines of a corpus are given: punctuation, script, tokens, case."""

import importlib.util
from dataclasses import dataclass
from functools import cache
from typing import Any

from lass_plugin.data.moses import normalise_punctuation, tokenise
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
            line = normalise_punctuation(line, code, every=True)
        if self.simplified and code == "zh":
            line = _simplifier().convert(line)
        if self.tokenised:
            line = tokenise(line, code)
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
