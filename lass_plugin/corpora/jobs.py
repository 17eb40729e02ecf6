"""One pair of a corpus as a job: what it is made of, and how its lines are handled."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from lass_plugin.corpora.settings import CorpusSettings, PairText
from lass_plugin.data.cleaning import LinePair
from lass_plugin.data.parallel_text import read_lines
from lass_plugin.data.progress import Progress
from lass_plugin.data.workers import Workers
from lass_plugin.files import atomic_path
from lass_plugin.languages import Pair

CHUNK = 1000
"""Pairs of lines that a process has at once."""

Write = Callable[[LinePair], None]


@dataclass(frozen=True)
class Job:
    """One pair of a corpus."""

    settings: CorpusSettings
    text: PairText
    files: Mapping[str, Path]
    work: Path

    @property
    def codes(self) -> tuple[str, str]:
        """Languages of the two sides."""
        return codes_of(self.text.pair)

    @property
    def taken(self) -> Path:
        """Folder of the text that is taken, in files ``SPLIT.LANG``."""
        return self.work / "taken" / str(self.text.pair)


def codes_of(pair: Pair) -> tuple[str, str]:
    """The languages of *pair* as a plain tuple."""
    return pair.source, pair.target


def read_taken(work: Path, pair: Pair, split: str) -> Iterator[LinePair]:
    """Yield the lines of a split that is taken."""
    folder = work / "taken" / str(pair)
    one, other = (read_lines(folder / f"{split}.{code}") for code in codes_of(pair))
    return zip(one, other, strict=True)


def by_chunks(
    function: Callable[[Any], list[LinePair]],
    about: Any,
    pairs: Iterable[LinePair],
    pool: Workers,
) -> Iterator[LinePair]:
    """Yield in order what *function* makes of ``(about, some of the pairs)``."""
    source = iter(pairs)
    chunks = iter(lambda: list(islice(source, CHUNK)), [])
    for made in pool.map(function, ((about, chunk) for chunk in chunks)):
        yield from made


def advancing(
    pairs: Iterable[LinePair], progress: Progress | None, size: int, part: str
) -> Iterator[LinePair]:
    """Yield *pairs*, and let *progress* come to *size* with the last of them."""
    left = size
    source = iter(pairs)
    while chunk := list(islice(source, CHUNK)):
        yield from chunk
        if progress is not None:
            letters = sum(len(one) + len(other) + 2 for one, other in chunk)
            step = min(letters, left)
            left -= step
            progress.advance(step, part)
    if progress is not None:
        progress.advance(left, part)


@contextlib.contextmanager
def writing(folder: Path, split: str, codes: tuple[str, str]) -> Iterator[Write]:
    """Yield what writes pairs of lines to ``SPLIT.LANG`` for both languages."""
    with contextlib.ExitStack() as stack:
        opened: list[TextIO] = []
        for code in codes:
            target = folder / f"{split}.{code}"
            path = stack.enter_context(atomic_path(target, only_writer=True))
            opened.append(stack.enter_context(open(path, "w", encoding="utf-8")))
        one, other = opened

        def write(pair: LinePair) -> None:
            one.write(f"{pair[0]}\n")
            other.write(f"{pair[1]}\n")

        yield write
