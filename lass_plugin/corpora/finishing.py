"""The finished files of a pair: case inside sentences, and what is held out."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from lass_plugin.corpora.jobs import (
    Job,
    advancing,
    by_chunks,
    codes_of,
    read_taken,
    writing,
)
from lass_plugin.corpora.lines import TRUE
from lass_plugin.data.cleaning import Counts, HeldOut, LinePair, hold_out
from lass_plugin.data.moses import (
    Casing,
    casing_model,
    count_forms,
    read_casing,
    truecase,
)
from lass_plugin.data.parallel_text import read_lines, sha256
from lass_plugin.data.progress import Progress
from lass_plugin.data.workers import Workers
from lass_plugin.errors import LassError
from lass_plugin.files import json_once, read_json, write_text
from lass_plugin.languages import Pair


def write_cases(about: tuple[str, Sequence[Pair], Path]) -> None:
    """Write the forms of each word of a language in the training text of all pairs.

    Args:
        about: the language, all pairs, and the folder of work.
    """
    code, pairs, work = about

    def lines() -> Iterator[str]:
        for pair in pairs:
            path = work / "taken" / str(pair) / f"train.{code}"
            if code in codes_of(pair) and path.is_file():
                yield from read_lines(path)

    path = _cases_of(work, code)
    if not path.is_file():
        write_text(path, casing_model(count_forms(lines())))


def _cases_of(work: Path, code: str) -> Path:
    return work / "cases" / f"truecase.{code}"


def taken_size(job: Job) -> int:
    """Bytes of the text of a pair that was taken."""
    files = [job.taken / f"{s}.{code}" for s in job.text.splits for code in job.codes]
    return sum(path.stat().st_size for path in files)


def finish_alone(job: Job) -> dict[str, Any]:
    """Finish a pair in this process, see :func:`finish`."""
    return finish(job, Workers(1))


def finish(job: Job, pool: Workers, progress: Progress | None = None) -> dict[str, Any]:
    """Write the files of a pair into ``work/new``.

    Returns:
        ``train``: its counts, with what is held out (None without training text);
        ``files``: name -> lines and SHA-256.
    """
    note = job.work / "finished" / f"{job.text.pair}.json"
    return json_once(note, lambda: _finish(job, pool, progress))  # type: ignore[no-any-return]


def _finish(job: Job, pool: Workers, progress: Progress | None) -> dict[str, Any]:
    found: dict[str, Any] = {"train": None, "files": {}}
    for split in job.text.splits:
        counts = _counts_of_taking(job)
        sides = [job.taken / f"{split}.{code}" for code in job.codes]
        size = sum(path.stat().st_size for path in sides)
        pairs = read_taken(job.work, job.text.pair, split)
        pairs = advancing(pairs, progress, size, "")
        if split == "train":
            drop = job.settings.held_out
            pairs = hold_out(pairs, _held_out(job), drop, job.codes, counts)
        lines = 0
        name = f"{split}.{job.text.pair}"
        with writing(job.work / "new", name, job.codes) as write:
            for pair in _cased(job, pairs, pool):
                write(pair)
                lines += 1
        if split == "train":
            found["train"] = counts.as_json()
        if not lines:
            raise LassError(
                f"all training text of {job.text.pair} is held out; drop less "
                "(--held-out)"
            )
        for code in job.codes:
            digest = sha256(job.work / "new" / f"{name}.{code}")
            found["files"][f"{name}.{code}"] = {"lines": lines, "sha256": digest}
    return found


def _counts_of_taking(job: Job) -> Counts:
    """What became of training text up to now."""
    taken = read_json(job.taken / "counts.json").get("train")
    if taken is None:
        return Counts()
    dropped = Counter(taken["dropped"])
    return Counts(taken["read"], taken["kept"], dropped, taken["duplicates"])


def _held_out(job: Job) -> HeldOut:
    """Valid and test of all pairs that share a language with the pair of *job*."""
    held_out = HeldOut()
    for text in job.settings.texts():
        codes = codes_of(text.pair)
        if set(codes) & set(job.codes):
            for split in text.splits:
                if split != "train":
                    held_out.add(codes, read_taken(job.work, text.pair, split))
    return held_out


def _cased(job: Job, pairs: Iterable[LinePair], pool: Workers) -> Iterator[LinePair]:
    """Yield *pairs* in the case of the corpus."""
    if job.settings.case != TRUE:
        return iter(pairs)
    files = [_cases_of(job.work, code) for code in job.codes]
    about = [(path, path.stat().st_mtime_ns) for path in files]
    return by_chunks(_case, about, pairs, pool)


def _case(chunk: tuple[list[tuple[Path, int]], list[LinePair]]) -> list[LinePair]:
    (one, other), pairs = chunk
    first, second = _cases(*one), _cases(*other)
    return [(truecase(s, first), truecase(t, second)) for s, t in pairs]


@lru_cache(maxsize=2)
def _cases(path: Path, changed: int) -> Casing:
    """The forms in a file, which was last changed at the time *changed*."""
    return read_casing(path)
