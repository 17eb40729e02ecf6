"""From published files to ``{train,valid,test}.SRC-TGT.LANG``, a pair at a time.

First the text of each pair is taken, given its form, cleaned and split; then, where
case is to be that inside sentences, its forms are counted for each language; then what
valid and test hold out is looked for in training text, and the files are finished. What
a step has made is noted beside it, so that work which was ended goes on with the next.
"""

import contextlib
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from lass_plugin.corpora.archives import text_size
from lass_plugin.corpora.lines import TRUE, count_cases, truecase
from lass_plugin.corpora.segments import Part, read_part
from lass_plugin.corpora.settings import CorpusSettings, PairText, Sample
from lass_plugin.data.cleaning import (
    Counts,
    HeldOut,
    Limits,
    LinePair,
    clean,
    hold_out,
)
from lass_plugin.data.parallel_text import read_lines, sha256
from lass_plugin.data.progress import tracked
from lass_plugin.data.workers import Workers
from lass_plugin.errors import LassError
from lass_plugin.files import atomic_path, check_space, json_once, read_json
from lass_plugin.languages import Pair, languages_of

SAID = 1_000_000
"""Segments of a part after which it is said how far its reading has come."""

ROOM = 3.0
"""Disk that is needed while a corpus is made, in sizes of its text: the text that is
taken, the finished files, and what tokens add to both."""


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
        return self.text.pair.source, self.text.pair.target


def build(
    settings: CorpusSettings, files: Mapping[str, Path], work: Path, pool: Workers
) -> dict[str, Any]:
    """Make every file of *settings* in ``work/new``.

    Returns:
        ``pairs``: for each the segments of every part, what is absent, and counts of
        each split; ``files``: lines and SHA-256 of each.
    Raises:
        LassError: a text is unusable, or there is too little room.
    """
    jobs = [Job(settings, text, files, work) for text in settings.texts()]
    sizes = [_size(job) for job in jobs]
    check_space(
        ROOM * sum(sizes), work, f"{settings.NAME} needs", "or leave some --pairs out"
    )
    taken = list(tracked("taking text", pool.map(take, jobs), sizes))
    if settings.case == TRUE:
        pairs = [job.text.pair for job in jobs]
        cases = [(code, pairs, work) for code in languages_of(pairs)]
        counted = pool.map(_count_cases, cases)
        list(tracked("counting forms", counted, [1] * len(cases)))
    finished = list(tracked("writing", pool.map(finish, jobs), sizes))
    names = [str(job.text.pair) for job in jobs]
    counts = {
        name: {**one, "train": other["train"]} if other["train"] else one
        for name, one, other in zip(names, taken, finished, strict=True)
    }
    made = {name: entry for each in finished for name, entry in each["files"].items()}
    return {"pairs": counts, "files": made}


def _size(job: Job) -> int:
    """Bytes of text that a pair is made of."""
    parts = [part for _, part in job.text.parts]
    names = {name for part in parts for name in (part.source, part.target)}
    return sum(text_size(job.files[name]) for name in names if name in job.files)


# -- taking ------------------------------------------------------------------------


def take(job: Job) -> dict[str, Any]:
    """Write the text of a pair into ``work/taken``: in its form, cleaned and split.

    Returns:
        ``parts`` (name -> segments), ``absent`` (parts), and counts of each split.
    """
    folder = job.work / "taken" / str(job.text.pair)
    return json_once(folder / "counts.json", lambda: _take(job, folder))  # type: ignore[no-any-return]


def _take(job: Job, folder: Path) -> dict[str, Any]:
    present = [(split, part) for split, part in job.text.parts if _is_there(job, part)]
    absent = [part.name for _, part in job.text.parts if not _is_there(job, part)]
    wanted = [split for split, _ in job.text.parts]
    for split in dict.fromkeys(wanted):
        if split not in {each for each, _ in present}:
            raise LassError(
                f"there is no {split} text of {job.text.pair}: {'; '.join(absent)} are "
                f"not where they should be; get them from {job.settings.ORIGIN}"
            )
    segments: Counter[str] = Counter()
    counts: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        writers = {
            split: stack.enter_context(_writing(folder, split, job.codes))
            for split in job.text.splits
        }
        for split in ("valid", "test"):
            parts = [part for each, part in present if each == split]
            if parts:
                kept = _formed(job, _read(job, parts, segments))
                counts[split] = _write_all(kept, job, writers[split])
        parts = [part for each, part in present if each == "train"]
        if parts:
            counts |= _take_training(job, parts, segments, writers)
    for split in job.text.splits:
        if not counts[split]["kept"]:
            raise LassError(
                f"nothing is left of the {split} text of {job.text.pair}: of "
                f"{counts[split]['read']} pairs none is kept; loosen the limits"
            )
    return {"parts": dict(segments), "absent": absent, **counts}


def _is_there(job: Job, part: Part) -> bool:
    """Whether the files of a part are there; both of them or none.

    Raises:
        LassError: an archive has only one of the two.
    """
    names = {part.source, part.target}
    missing = sorted(names - job.files.keys())
    if missing and (not part.optional or len(missing) < len(names)):
        raise LassError(
            f"the archives of {job.text.pair} have no {missing[0]}; they are not those "
            f"of {job.settings.ORIGIN}, or not whole"
        )
    return not missing


def _read(job: Job, parts: list[Part], segments: Counter[str]) -> Iterator[LinePair]:
    for part in parts:
        source, target = job.files[part.source], job.files[part.target]
        for number, pair in enumerate(read_part(part, source, target), start=1):
            segments[part.name] += 1
            if number % SAID == 0:
                print(f"{part.name}: {number:,} segments", file=sys.stderr, flush=True)
            yield pair


def _formed(job: Job, pairs: Iterator[LinePair]) -> Iterator[LinePair]:
    form, (one, other) = job.settings.form(), job.codes
    for source, target in pairs:
        yield form.apply(source, one), form.apply(target, other)


def _write_all(
    pairs: Iterator[LinePair],
    job: Job,
    write: Callable[[LinePair], None],
    training: bool = False,
) -> dict[str, Any]:
    """Write pairs, those of training cleaned, and count them."""
    counts = Counts()
    if training:
        pairs = _cleaned(pairs, job, counts)
    else:  # what has text on both sides
        pairs = clean(pairs, Limits(), job.codes, counts)
    for pair in pairs:
        write(pair)
    return counts.as_json()


def _cleaned(pairs: Iterator[LinePair], job: Job, counts: Counts) -> Iterator[LinePair]:
    """Yield training pairs that keep to the rules."""
    drop, limits = job.settings.drops_duplicates, job.settings.limits()
    return clean(pairs, limits, job.codes, counts, drop)


def _take_training(
    job: Job,
    parts: list[Part],
    segments: Counter[str],
    writers: Mapping[str, Callable[[LinePair], None]],
) -> dict[str, Any]:
    """Write training text, and what is set apart from it for valid and test."""
    text = job.text
    if text.sample is not None:
        return _take_sample(job, parts, text.sample, segments, writers)
    counts, apart = Counts(), Counts()
    pairs = _formed(job, _read(job, parts, segments))
    for number, pair in enumerate(_cleaned(pairs, job, counts), start=1):
        if text.every and number % text.every == 0:
            apart.read += 1
            apart.kept += 1
            counts.kept -= 1
            writers["valid"](pair)
        else:
            writers["train"](pair)
    found = {"train": counts.as_json()}
    return {"valid": apart.as_json(), **found} if text.every else found


def _take_sample(
    job: Job,
    parts: list[Part],
    sample: Sample,
    segments: Counter[str],
    writers: Mapping[str, Callable[[LinePair], None]],
) -> dict[str, Any]:
    """Write the pairs that are drawn; pairs with an empty side are never drawn."""
    whole = sum(1 for _ in _whole(_read(job, parts, segments)))
    wanted = sum(sample.sizes.values())
    if whole < wanted:
        sizes = ", ".join(f"{size} for {split}" for split, size in sample.sizes.items())
        raise LassError(
            f"the text of {job.text.pair} has {whole} pairs, and {wanted} are to be "
            f"drawn ({sizes}); give a smaller --sample"
        )
    draw = random.Random(f"{sample.seed} {job.text.pair}")
    drawn = draw.sample(range(whole), wanted)
    found = {}
    for split, size in sample.sizes.items():
        chosen, drawn = frozenset(drawn[:size]), drawn[size:]
        again = enumerate(_whole(_read(job, parts, Counter())))
        pairs = _formed(job, (pair for number, pair in again if number in chosen))
        found[split] = _write_all(pairs, job, writers[split], split == "train")
    return found


def _whole(pairs: Iterable[LinePair]) -> Iterator[LinePair]:
    """Yield the pairs that have text on both sides."""
    return (pair for pair in pairs if pair[0].strip() and pair[1].strip())


@contextlib.contextmanager
def _writing(
    folder: Path, split: str, codes: tuple[str, str]
) -> Iterator[Callable[[LinePair], None]]:
    """Yield what writes pairs of lines to the two files of a split."""
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


# -- finishing ---------------------------------------------------------------------


def _count_cases(job: tuple[str, list[Pair], Path]) -> None:
    """Write the form of each word of a language in the training text of all pairs."""
    code, pairs, work = job

    def lines() -> Iterator[str]:
        for pair in pairs:
            path = work / "taken" / str(pair) / f"train.{code}"
            if code in (pair.source, pair.target) and path.is_file():
                yield from read_lines(path)

    json_once(work / "cases" / f"{code}.json", lambda: count_cases(lines()))


def finish(job: Job) -> dict[str, Any]:
    """Write the files of a pair into ``work/new``.

    Returns:
        ``train``: its counts, with what is held out (None without training text);
        ``files``: name -> lines and SHA-256.
    """
    note = job.work / "finished" / f"{job.text.pair}.json"
    return json_once(note, lambda: _finish(job))  # type: ignore[no-any-return]


def _finish(job: Job) -> dict[str, Any]:
    taken = read_json(job.work / "taken" / str(job.text.pair) / "counts.json")
    found: dict[str, Any] = {"train": None, "files": {}}
    for split in job.text.splits:
        pairs = _taken(job, job.text.pair, split)
        if split == "train":
            before = taken["train"]
            counts = Counts(before["read"], before["kept"], Counter(before["dropped"]))
            counts.duplicates = before["duplicates"]
            drop = job.settings.held_out
            pairs = hold_out(pairs, _held_out(job), drop, job.codes, counts)
        names = [f"{split}.{job.text.pair}.{code}" for code in job.codes]
        lines = 0
        with _writing(job.work / "new", f"{split}.{job.text.pair}", job.codes) as write:
            for pair in _cased(job, pairs):
                write(pair)
                lines += 1
        if split == "train":
            found["train"] = counts.as_json()
        if not lines:
            raise LassError(
                f"all training text of {job.text.pair} is held out; drop less "
                "(--held-out)"
            )
        for name in names:
            digest = sha256(job.work / "new" / name)
            found["files"][name] = {"lines": lines, "sha256": digest}
    return found


def _taken(job: Job, pair: Pair, split: str) -> Iterator[LinePair]:
    folder = job.work / "taken" / str(pair)
    one, other = (
        read_lines(folder / f"{split}.{code}") for code in (pair.source, pair.target)
    )
    return zip(one, other, strict=True)


def _held_out(job: Job) -> HeldOut:
    """Valid and test of all pairs that share a language with the pair of *job*."""
    held_out = HeldOut()
    for text in job.settings.texts():
        codes = text.pair.source, text.pair.target
        if not set(codes) & set(job.codes):
            continue
        for split in set(text.splits) - {"train"}:
            held_out.add(codes, _taken(job, text.pair, split))
    return held_out


def _cased(job: Job, pairs: Iterator[LinePair]) -> Iterator[LinePair]:
    if job.settings.case != TRUE:
        yield from pairs
        return
    cases = [read_json(job.work / "cases" / f"{code}.json") for code in job.codes]
    for source, target in pairs:
        yield truecase(source, cases[0]), truecase(target, cases[1])
