"""Text as tokens, cleaned; how much of it is repeated or is in valid or test, too."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from lass_plugin.data.cleaning import (
    DUPLICATE,
    EMPTY,
    OVERLAP,
    RULES,
    Limits,
    broken_limit,
)
from lass_plugin.data.line_hashes import Seen, among, digests, pair_digests
from lass_plugin.data.parallel_text import Bitext, blank_line, read_lines
from lass_plugin.data.progress import Progress
from lass_plugin.data.text_settings import TextSettings
from lass_plugin.data.text_steps import TextSteps
from lass_plugin.data.workers import Workers
from lass_plugin.errors import LassError
from lass_plugin.files import atomic_path, json_once

_CHUNK = 2000
"""Lines of each file that a worker has at once."""

HeldOut = Mapping[str, np.ndarray]
"""Language -> hashes of the sentences of valid and test, in ascending order."""


@dataclass(frozen=True)
class _Chunk:
    steps: TextSteps
    limits: Limits
    languages: tuple[str, str]
    sides: tuple[list[str], list[str]]
    writes: bool


@dataclass(frozen=True)
class _Treated:
    """Lines of both sides, None where nothing is written; and what to judge them by."""

    sides: tuple[list[str], list[str]] | None
    broken: list[str | None]
    sources: np.ndarray  # (lines,), uint64, and so are these:
    targets: np.ndarray
    pairs: np.ndarray


def clean_texts(
    texts: Sequence[Bitext],
    settings: TextSettings,
    folder: Path,
    pool: Workers,
    lines: int,
) -> tuple[list[Bitext], dict[str, dict[str, int]]]:
    """Write the tokens of every text to *folder*, training text cleaned.

    Where the settings leave text as it is, nothing is written: it is looked at only.

    Args:
        lines: of all texts, for the progress.

    Returns:
        The texts with their files in *folder*, or *texts*; and name of each training
        text -> rule of :data:`.cleaning.RULES` -> number of pairs that break it and
        none before it.

    Raises:
        LassError: nothing is left of a training text, or of a line of another one.
    """
    progress = Progress("tokenising" if settings.moses else "looking at text", lines)
    held_out: dict[str, list[np.ndarray]] = {}
    written: dict[str, Bitext] = {}
    for text in texts:
        if text.keeps_lines:
            made = written[text.name] = _placed(text, settings, folder)
            _treat_text(text, settings, folder, pool, {}, progress)
            for code, path in made.sides:
                hashes = digests(read_lines(path))
                held_out.setdefault(code, []).append(hashes)
    known = {code: np.unique(np.concatenate(each)) for code, each in held_out.items()}
    found = {}
    for text in texts:
        if not text.keeps_lines:
            written[text.name] = _placed(text, settings, folder)
            counts = _treat_text(text, settings, folder, pool, known, progress)
            found[text.name] = counts
    progress.finish()
    return [written[text.name] for text in texts], found


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
    held_out: HeldOut,
    progress: Progress,
) -> dict[str, int]:
    """Write one text, unless that is done; return the counts of the rules."""
    if text.keeps_lines and not settings.writes:
        return {}

    def treat() -> dict[str, int]:
        with contextlib.ExitStack() as stack:
            files = []
            for _, path in _placed(text, settings, folder).sides:
                if settings.writes:
                    place = stack.enter_context(atomic_path(path))
                    files.append(stack.enter_context(open(place, "wb")))
            return _treat(text, settings, files, pool, held_out, progress)

    return json_once(folder / f"{text.name}.json", treat)


def _treat(text, settings, files, pool, held_out, progress) -> dict[str, int]:
    seen, counts, read = Seen(), Counter(dict.fromkeys(RULES, 0)), 0
    languages = [code for code, _ in text.sides]
    nothing = np.empty(0, dtype=np.uint64)
    held = [held_out.get(code, nothing) for code in languages]
    for treated in pool.map(_treat_chunk, _chunks(text, settings)):
        if text.keeps_lines:
            kept = _none_empty(text, treated, read)
        else:
            kept = _judge(treated, held, seen, counts, settings.dropped)
        for file, lines in zip(files, treated.sides or (), strict=True):
            file.writelines(
                f"{line}\n".encode()
                for line, keep in zip(lines, kept, strict=True)
                if keep
            )
        read += len(kept)
        counts["kept"] += int(kept.sum())
        progress.advance(len(kept), text.name)
    if not counts.pop("kept"):
        told = ", ".join(f"{count} {rule}" for rule, count in counts.items() if count)
        raise LassError(
            f"nothing is left of {text.source} and {text.target} ({told}); give other "
            "rules of cleaning, or other text"
        )
    return dict(counts)


def _none_empty(text: Bitext, treated: _Treated, read: int) -> np.ndarray:
    """All lines, none of which may be lost."""
    if EMPTY in treated.broken:
        index = treated.broken.index(EMPTY)
        assert treated.sides is not None
        side = 0 if not treated.sides[0][index].strip() else 1
        raise blank_line(f"{text.sides[side][1]}:{read + index + 1}")
    return np.ones(len(treated.broken), dtype=bool)


def _judge(
    treated: _Treated,
    held_out: Sequence[np.ndarray],
    seen: Seen,
    counts: Counter[str],
    dropped: frozenset[str],
) -> np.ndarray:
    """Whether each pair is kept, ``(pairs,)``; adds to *counts*."""
    counts.update(rule for rule in treated.broken if rule is not None)
    kept = np.array([rule is None for rule in treated.broken])
    overlaps = among(treated.sources, held_out[0])
    overlaps |= among(treated.targets, held_out[1])
    counts[OVERLAP] += int((kept & overlaps).sum())
    if OVERLAP in dropped:
        kept &= ~overlaps
    first = np.zeros_like(kept)
    first[kept] = seen.first(treated.pairs[kept])
    counts[DUPLICATE] += int((kept & ~first).sum())
    return first if DUPLICATE in dropped else kept


def _chunks(text: Bitext, settings: TextSettings) -> Iterator[_Chunk]:
    limits = Limits() if text.keeps_lines else settings.limits
    how = (settings.tokens, limits, (text.pair.source, text.pair.target))
    lines = zip(read_lines(text.source), read_lines(text.target), strict=True)
    while block := list(islice(lines, _CHUNK)):
        sources, targets = map(list, zip(*block, strict=True))
        yield _Chunk(*how, (sources, targets), settings.writes)


def _treat_chunk(chunk: _Chunk) -> _Treated:
    made = [
        [chunk.steps.split(line, code) for line in lines]
        for code, lines in zip(chunk.languages, chunk.sides, strict=True)
    ]
    sources, targets = made
    broken = [
        broken_limit(source, target, chunk.limits)
        for source, target in zip(sources, targets, strict=True)
    ]
    return _Treated(
        (sources, targets) if chunk.writes else None,
        broken,
        digests(sources),
        digests(targets),
        pair_digests(sources, targets),
    )
