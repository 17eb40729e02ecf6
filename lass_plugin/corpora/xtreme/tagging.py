"""Sentences with a tag for each word: CoNLL-U, WikiAnn's and plain two columns."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lass_plugin.corpora.xtreme.tasks import Task
from lass_plugin.data.parallel_text import read_lines
from lass_plugin.errors import LassError

_CONLLU = 10
"""Cells of a line of CoNLL-U: ID FORM LEMMA UPOS …."""
_HIDDEN = "_"
"""In place of a word that is not given."""


@dataclass(frozen=True)
class TaggedSentence:
    """Words and their tags, as many of each."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


def read_tags(task: Task, path: Path, language: str) -> Iterator[TaggedSentence]:
    """Yield the sentences of a file, which an empty line ends.

    Of CoNLL-U the words with a whole number are taken: a range (``3-4``) only spells
    what its words are, an empty node (``8.1``) is no word of the text. In two columns,
    WikiAnn writes the language before each word (``de:Haus``). Treebanks whose text is
    not free have ``_`` in place of words; such sentences are left out, as in XTREME.

    Raises:
        LassError: a line has other cells, no tag, or one that the task lacks.
    """
    universal = path.name.removesuffix(".gz").endswith(".conllu")
    words: list[str] = []
    tags: list[str] = []
    number = 0
    for number, line in enumerate(read_lines(path), start=1):
        where = f"{path}:{number}"
        if not line.strip():
            yield from _sentence(words, tags, universal)
            words, tags = [], []
            continue
        if universal and line.startswith("#"):
            continue
        cells = line.split("\t")
        if universal:
            if len(cells) != _CONLLU:
                raise LassError(
                    f"{where} has {len(cells)} cells, where CoNLL-U has {_CONLLU}; "
                    "give the treebank's own file"
                )
            if not cells[0].isdigit():
                continue
            word, tag = cells[1], cells[3]
        else:
            if len(cells) < 2:
                raise _without_tags(where)
            word, tag = cells[0].removeprefix(f"{language}:"), cells[-1]
        if tag in ("", "_"):
            raise _without_tags(where)
        if tag not in task.labels:
            raise LassError(
                f"{where} has the tag '{tag}', which {task.title} does not know (it "
                f"has {', '.join(task.labels)}); give the original file"
            )
        words.append(word)
        tags.append(tag)
    yield from _sentence(words, tags, universal)


def _sentence(
    words: list[str], tags: list[str], universal: bool
) -> Iterator[TaggedSentence]:
    hidden = words.count(_HIDDEN) if universal else 0
    if words and not (hidden and hidden >= len(words) - 1):
        yield TaggedSentence(tuple(words), tuple(tags))


def _without_tags(where: str) -> LassError:
    return LassError(
        f"{where} has no tag; copies made for XTREME's hidden test lack them, so give "
        "the original file"
    )
