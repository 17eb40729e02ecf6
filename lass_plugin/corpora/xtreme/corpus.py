"""A task's folder: its splits, its languages, and the examples of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lass_plugin.corpora.xtreme.files import SEVERAL, Files, find_files, is_treebank
from lass_plugin.corpora.xtreme.pairs import languages_of_pairs, read_pairs
from lass_plugin.corpora.xtreme.questions import (
    languages_of_questions,
    read_questions,
)
from lass_plugin.corpora.xtreme.retrieval import read_lines_side_by_side, read_mined
from lass_plugin.corpora.xtreme.tagging import read_tags
from lass_plugin.corpora.xtreme.tasks import MINING, PAIRS, SPANS, TAGS, Task
from lass_plugin.errors import LassError

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class Corpus:
    """The original files of one task in a folder."""

    task: Task
    folder: Path

    @cached_property
    def files(self) -> Files:
        """Its files; see :func:`.find_files`."""
        return find_files(self.task, self.folder)

    def languages(self, split: str) -> list[str]:
        """The languages of a split, in the order of the alphabet."""
        found = set()
        for language, sides in self.files.of(split).items():
            if language != SEVERAL:
                found.add(language)
                continue
            for path in sides[""]:
                if self.task.kind == PAIRS:
                    found.update(languages_of_pairs(path))
                else:
                    found.update(languages_of_questions(path))
        return sorted(found)

    def paths(self, split: str, language: str) -> list[Path]:
        """The files that hold *language*'s part of a split.

        Raises:
            LassError: there are several, which would be read one after the other, of
                anything but treebanks and the sides of a retrieval task.
        """
        of = self.files.of(split)
        named = of.get(language, {}) or of.get(SEVERAL, {})
        found = [path for paths in named.values() for path in paths]
        several = self.task.trains and len(found) > 1
        if several and not all(map(is_treebank, found)):
            raise LassError(
                f"{found[0]} and {found[1]} both have {split} examples of {language} "
                f"for {self.task.title}; leave one of them in {self.folder}"
            )
        return found

    def examples(self, split: str, language: str) -> Iterator[Any]:
        """Yield the examples of a split in *language*, of the class of its kind.

        Raises:
            LassError: a file is not what it should be; there is no example.
        """
        empty = True
        for path in self.paths(split, language):
            for example in self._read(path, split, language):
                empty = False
                yield example
        if empty:
            raise LassError(
                f"{self.folder} has no {split} examples of {language} for "
                f"{self.task.title}; leave the language out, or give its file"
            )

    def _read(self, path: Path, split: str, language: str) -> Iterator[Any]:
        if self.task.kind == PAIRS:
            return read_pairs(self.task, path, language)
        if self.task.kind == TAGS:
            return read_tags(self.task, path, language)
        assert self.task.kind == SPANS
        named = language in self.files.of(split)
        return read_questions(path, "" if named else language)

    def bitexts(self, split: str, language: str) -> Any:
        """The sentences of a retrieval task; see :class:`.Bitexts`."""
        read = read_mined if self.task.kind == MINING else read_lines_side_by_side
        return read(self.files.of(split).get(language, {}), language, split)


def chosen_languages(
    corpus: Corpus, split: str, asked: Sequence[str]
) -> tuple[str, ...]:
    """The languages of a split to take: those *asked* for, else XTREME's, all of them.

    Raises:
        LassError: the folder lacks one, or (where none was asked for) has others.
    """
    there, task = corpus.languages(split), corpus.task
    if asked:
        missing = [code for code in asked if code not in there]
        if missing:
            raise LassError(
                f"{corpus.folder} has no {split} data of {', '.join(missing)} for "
                f"{task.title} (it has {', '.join(there) or 'none'}); leave them out"
            )
        return tuple(asked)
    missing = sorted({*task.languages} - {*there})
    others = sorted({*there} - {*task.languages})
    if missing or others:
        said = [f"lacks {', '.join(missing)}"] if missing else []
        said += [f"has {', '.join(others)} beside"] if others else []
        raise LassError(
            f"{corpus.folder} has another list of languages than {task.title} in "
            f"XTREME: its {split} data {' and '.join(said)}; give --languages "
            f"{','.join(there)} if that is meant"
        )
    return task.languages
