"""Text of one language after the other: finding and checking it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from lass_plugin.data.parallel_text import plain_or_gzip, read_lines
from lass_plugin.errors import LassError

SPLITS = ("train", "valid")


@dataclass(frozen=True)
class Corpus:
    """The file of one split of one language."""

    split: str
    language: str
    path: Path

    @property
    def name(self) -> str:
        """``train.de``."""
        return f"{self.split}.{self.language}"

    @property
    def sides(self) -> tuple[tuple[str, Path]]:
        """(language, file)."""
        return ((self.language, self.path),)

    @property
    def keeps_lines(self) -> bool:
        """Whether no line may be lost: here empty ones are dropped."""
        return False

    def prefix(self, language: str) -> str:
        """Name of the binarized text: ``de/train``."""
        return f"{language}/{self.split}"


def find_corpora(
    text: Path, languages: Sequence[str]
) -> tuple[list[Corpus], list[str]]:
    """Find ``{train,valid}.LANG[.gz]`` of every language.

    Returns:
        The corpora, split by split in the order of *languages*; and names of the valid
        sets that are not there.
    Raises:
        LassError: a training text is missing.
    """
    if not text.is_dir():
        raise LassError(f"the text folder {text} does not exist")
    found, absent = [], []
    for split in SPLITS:
        for language in languages:
            path = plain_or_gzip(text, f"{split}.{language}")
            if path is not None:
                found.append(Corpus(split, language, path))
            elif split == "train":
                raise LassError(
                    f"there is no training text for {language}: {text} has neither "
                    f"train.{language} nor train.{language}.gz; add it, or leave "
                    f"{language} out of --languages"
                )
            else:
                absent.append(f"{split}.{language}")
    return found, absent


def check_corpus(corpus: Corpus) -> int:
    """Read the file to its end; return the number of its lines.

    Raises:
        LassError: not UTF-8, or no line with text.
    """
    count = usable = 0
    for line in read_lines(corpus.path):
        count += 1
        usable += bool(line.strip())
    if not usable:
        raise LassError(
            f"{corpus.path} has no line of text; add text, or leave "
            f"{corpus.language} out of --languages"
        )
    return count
