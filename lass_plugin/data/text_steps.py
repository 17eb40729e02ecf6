"""What is done to text before it is cut into subwords, and undone in translations."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lass_plugin.data import moses
from lass_plugin.data.parallel_text import sha256

CASING = "truecase.{}"
"""File of a data folder with the forms of the words of a language."""

AS_MOSES = "as Moses does"
"""What a data folder says of truecasing; earlier versions said true, see
:attr:`TextSteps.likeliest`."""


@dataclass(frozen=True)
class TextSteps:
    """Moses' steps, in the order in which they are taken.

    A line that was tokenised before stays tokenised when the steps are undone.
    """

    normalise: bool = False
    """Quotes, dashes, spaces and numbers as ASCII has them; is not undone."""
    tokenise: bool = False
    casing: Path | None = None
    """Folder of :data:`CASING`, a file for each language; None for no truecasing."""
    digest: str = ""
    """Of these files, so that a worker never uses stale ones."""
    likeliest: bool = False
    """Whether words inside of sentences do not keep other known forms either: in data
    of earlier versions."""

    @property
    def any(self) -> bool:
        """Whether there is something to do."""
        return self.normalise or self.tokenise or self.casing is not None

    @property
    def undone(self) -> tuple[bool, bool]:
        """What of a translation is undone: its tokens, its case."""
        return self.tokenise, self.casing is not None

    def split(self, line: str, language: str) -> str:
        """The tokens of a line, in the case that they had."""
        if self.normalise:
            line = moses.normalise_punctuation(line, language)
        return moses.tokenise(line, language) if self.tokenise else line

    def apply(self, line: str, language: str) -> str:
        """What subwords are made of."""
        return self.truecase(self.split(line, language), language)

    def truecase(self, line: str, language: str) -> str:
        """A line of tokens, its words as they are inside of sentences."""
        if self.casing is None:
            return line
        path = self.casing / CASING.format(language)
        casing = _casing(path, self.digest)
        known = frozenset[str]() if self.likeliest else casing.known
        return moses.truecase(line, moses.Casing(casing.best, known))

    def recase(self, line: str) -> str:
        """A translation with capitals again; its tokens stay apart."""
        return line if self.casing is None else moses.detruecase(line)

    def undo(self, line: str, language: str) -> str:
        """A translation in the form that the text had before the steps."""
        line = self.recase(line)
        return moses.detokenise(line, language) if self.tokenise else line


def casing_digest(paths: list[Path]) -> str:
    """What :attr:`TextSteps.digest` is for the files *paths*."""
    return " ".join(f"{path.name}:{sha256(path)}" for path in sorted(paths))


@lru_cache(maxsize=64)
def _casing(path: Path, digest: str) -> moses.Casing:
    return moses.read_casing(path)
