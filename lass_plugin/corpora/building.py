"""From published files to ``{train,valid,test}.SRC-TGT.LANG``, a pair at a time.

First the text of each pair is taken, given its form, cleaned and split; then, where
case is to be that inside sentences, its forms are counted for each language; then what
valid and test hold out is looked for in training text, and the files are finished. What
a step has made is noted beside it, so that work which was ended goes on with the next.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lass_plugin.corpora.finishing import (
    finish,
    finish_alone,
    taken_size,
    write_cases,
)
from lass_plugin.corpora.jobs import Job
from lass_plugin.corpora.lines import TRUE, LineForm
from lass_plugin.corpora.settings import CorpusSettings
from lass_plugin.corpora.taking import part_size, reading_size, take, take_alone
from lass_plugin.data.progress import Progress, tracked
from lass_plugin.data.workers import Workers
from lass_plugin.files import check_space
from lass_plugin.languages import languages_of

ROOM = 3.0
"""Disk that is needed while a corpus is made, in sizes of its text: the text that is
taken, the finished files, and what tokens add to both."""


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
    needs = ROOM * sum(
        part_size(job, part) for job in jobs for _, part in job.text.parts
    )
    check_space(needs, work, f"{settings.NAME} needs", "or leave some --pairs out")
    slow = settings.form() != LineForm()
    taken = _each("taking text", jobs, take, take_alone, reading_size, pool, slow)
    slow = settings.case == TRUE
    if slow:
        pairs = [job.text.pair for job in jobs]
        cases = [(code, pairs, work) for code in languages_of(pairs)]
        done = pool.map(write_cases, cases)
        list(tracked("counting forms", done, [1] * len(cases)))
    finished = _each("writing", jobs, finish, finish_alone, taken_size, pool, slow)
    names = [str(job.text.pair) for job in jobs]
    counts = {
        name: {**one, "train": other["train"]} if other["train"] else one
        for name, one, other in zip(names, taken, finished, strict=True)
    }
    made = {name: entry for each in finished for name, entry in each["files"].items()}
    return {"pairs": counts, "files": made}


def _each(
    label: str,
    jobs: list[Job],
    together: Callable[[Job, Workers, Progress], dict[str, Any]],
    alone: Callable[[Job], dict[str, Any]],
    size: Callable[[Job], int],
    pool: Workers,
    slow: bool,
) -> list[dict[str, Any]]:
    """What is made of every job.

    Args:
        together: with all processes at the lines of one pair.
        alone: with a process for each pair, which is quicker where lines take so little
            that handing them over would be most of it.
        size: bytes of a job, for the progress.
        slow: whether lines take long.
    """
    sizes = [size(job) for job in jobs]
    if not slow and len(jobs) > 1:
        return list(tracked(label, pool.map(alone, jobs), sizes))
    progress, whole, made = Progress(label, sum(sizes)), 0, []
    for job, its in zip(jobs, sizes, strict=True):
        made.append(together(job, pool, progress))
        whole += its
        progress.advance(whole - progress.done)  # what was made before is not read
    progress.finish()
    return made
