"""Text as tokens, cleaned; how much of it is repeated or is in valid or test, too."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lass_plugin.data.cleaning import (
    DUPLICATE,
    EMPTY,
    OVERLAP,
    SIDES,
    Counts,
    HeldOut,
    Limits,
    broken_limit,
)
from lass_plugin.data.line_hashes import Seen, pair_hashes
from lass_plugin.data.parallel_text import Bitext, blank_line, read_lines
from lass_plugin.data.progress import Progress
from lass_plugin.data.text_settings import DROP, TextSettings
from lass_plugin.data.text_steps import TextSteps
from lass_plugin.data.workers import Workers
from lass_plugin.errors import LassError
from lass_plugin.files import atomic_path, json_once

_CHUNK = 2000
"""Lines of each file that a worker has at once."""

_Texts = tuple[Bitext, ...]


@dataclass(frozen=True)
class _Chunk:
    steps: TextSteps
    limits: Limits
    languages: tuple[str, str]
    sides: tuple[list[str], list[str]]
    held_out: _Texts
    writes: bool


@dataclass(frozen=True)
class _Treated:
    """Lines of both sides, None where nothing is written; and what was found of each.

    That is the first rule of length that a pair breaks, how much of it is held out,
    and its hash, shape ``(lines,)``.
    """

    sides: tuple[list[str], list[str]] | None
    broken: list[str | None]
    held_out: list[str | None]
    hashes: np.ndarray


def clean_texts(
    texts: Sequence[Bitext],
    settings: TextSettings,
    folder: Path,
    pool: Workers,
    lines: int,
) -> tuple[list[Bitext], dict[str, dict[str, object]]]:
    """Write the tokens of every text to *folder*, training text cleaned.

    Where the settings leave text as it is, nothing is written: it is looked at only.

    Args:
        lines: of all texts, for the progress.

    Returns:
        The texts with their files in *folder*, or *texts*; and name of each training
        text -> :class:`.cleaning.Counts` as plain values.

    Raises:
        LassError: nothing is left of a training text, or of a line of another one.
    """
    progress = Progress("tokenising" if settings.moses else "looking at text", lines)
    made = [_placed(text, settings, folder) for text in texts]
    held_out = tuple(text for text in made if text.keeps_lines)
    found = {}
    for text in sorted(texts, key=lambda text: not text.keeps_lines):
        known = () if text.keeps_lines else held_out
        counts = _treat_text(text, settings, folder, pool, known, progress)
        if not text.keeps_lines:
            found[text.name] = counts
    progress.finish()
    return made, found


def _placed(text: Bitext, settings: TextSettings, folder: Path) -> Bitext:
    """*text* with its files in *folder*, where it is written there."""
    if not settings.writes:
        return text
    source, target = (folder / f"{text.name}.{code}" for code, _ in text.sides)
    return replace(text, source=source, target=target)


def _treat_text(
    text: Bitext,
    settings: TextSettings,
    folder: Path,
    pool: Workers,
    held_out: _Texts,
    progress: Progress,
) -> dict[str, object]:
    """Write one text, unless that is done; return the counts of the cleaning."""
    if text.keeps_lines and not settings.writes:
        return {}

    def treat() -> dict[str, object]:
        with contextlib.ExitStack() as stack:
            files = []
            for _, path in _placed(text, settings, folder).sides:
                if settings.writes:
                    place = stack.enter_context(atomic_path(path))
                    files.append(stack.enter_context(open(place, "wb")))
            chunks = pool.map(_treat_chunk, _chunks(text, settings, held_out))
            return _write(text, settings, files, chunks, progress).as_json()

    return json_once(folder / f"{text.name}.json", treat)  # type: ignore[no-any-return]


def _write(
    text: Bitext,
    settings: TextSettings,
    files: Sequence[BinaryIO],
    chunks: Iterator[_Treated],
    progress: Progress,
) -> Counts:
    """Write the lines that are kept, if there are *files*; count all."""
    seen, counts = Seen(), Counts()
    for treated in chunks:
        if text.keeps_lines:
            _refuse_empty(text, treated, counts.read)
            kept = [True] * len(treated.broken)
        else:
            kept = _judge(treated, seen, counts, settings)
        for file, lines in zip(files, treated.sides or (), strict=bool(files)):
            file.writelines(
                f"{line}\n".encode()
                for line, keep in zip(lines, kept, strict=True)
                if keep
            )
        counts.read += len(kept)
        counts.kept += sum(kept)
        progress.advance(len(kept), text.name)
    if not counts.kept:
        told = ", ".join(f"{count} {rule}" for rule, count in counts.dropped.items())
        raise LassError(
            f"nothing is left of {text.source} and {text.target} ({told}); give other "
            "rules of cleaning, or other text"
        )
    return counts


def _refuse_empty(text: Bitext, treated: _Treated, read: int) -> None:
    """Refuse an empty line of a set none of whose lines may be lost."""
    if EMPTY in treated.broken:
        index = treated.broken.index(EMPTY)
        assert treated.sides is not None
        side = 0 if not treated.sides[0][index].strip() else 1
        raise blank_line(f"{text.sides[side][1]}:{read + index + 1}")


def _judge(
    treated: _Treated, seen: Seen, counts: Counts, settings: TextSettings
) -> list[bool]:
    """Whether each pair is kept; rules are asked in their order."""
    right = np.array([rule is None for rule in treated.broken])
    first = np.zeros_like(right)
    first[right] = seen.first(treated.hashes[right])
    kept = []
    rows = zip(treated.broken, first.tolist(), treated.held_out, strict=True)
    for rule, is_first, part in rows:
        if rule is None and not is_first:
            counts.duplicates += 1
            rule = DUPLICATE if settings.duplicates == DROP else None
        if rule is None and part is not None:
            counts.held_out[part] += 1
            rule = OVERLAP if settings.held_out in (SIDES, part) else None
        if rule is not None:
            counts.dropped[rule] += 1
        kept.append(rule is None)
    return kept


def _chunks(text: Bitext, settings: TextSettings, held_out: _Texts) -> Iterator[_Chunk]:
    limits = Limits() if text.keeps_lines else settings.limits
    languages = (text.pair.source, text.pair.target)
    lines = zip(read_lines(text.source), read_lines(text.target), strict=True)
    while block := list(islice(lines, _CHUNK)):
        sources, targets = map(list, zip(*block, strict=True))
        yield _Chunk(
            settings.tokens,
            limits,
            languages,
            (sources, targets),
            held_out,
            settings.writes,
        )


def _treat_chunk(chunk: _Chunk) -> _Treated:
    sources, targets = (
        [chunk.steps.split(line, code) for line in lines]
        for code, lines in zip(chunk.languages, chunk.sides, strict=True)
    )
    known = _held_out(chunk.held_out)
    broken, parts = [], []
    for pair in zip(sources, targets, strict=True):
        broken.append(broken_limit(*pair, chunk.limits, chunk.languages))
        parts.append(known.has(chunk.languages, pair) if chunk.held_out else None)
    sides = (sources, targets) if chunk.writes else None
    return _Treated(sides, broken, parts, pair_hashes(sources, targets))


@lru_cache(maxsize=1)
def _held_out(texts: _Texts) -> HeldOut:
    """The lines of *texts*, which no longer change."""
    found = HeldOut()
    for text in texts:
        lines = zip(read_lines(text.source), read_lines(text.target), strict=True)
        found.add((text.pair.source, text.pair.target), lines)
    return found
