"""Trainings of one command: what is done is kept, the others run to their end."""

import sys
import time
from collections import deque
from pathlib import Path
from typing import Any, Callable, Iterable, Sequence

from lass_plugin.errors import LassError
from lass_plugin.experiments import content
from lass_plugin.experiments.launching.commands import arguments_of, train_command
from lass_plugin.experiments.launching.console import Console, status_line
from lass_plugin.experiments.launching.devices import Device
from lass_plugin.experiments.launching.jobs import Job, end_all
from lass_plugin.experiments.stage import Stage
from lass_plugin.languages import Pair
from lass_plugin.records.json_record import read_json
from lass_plugin.signals import signals_as_exceptions

DONE = "done.json"
"""Left beside a finished training by earlier versions: its length."""

TICK = 0.2
"""Seconds between two looks at the jobs."""


def make_job(
    folder: Path,
    data: Path,
    pairs: Sequence[Pair],
    device: Device,
    words: Sequence[str],
    inherited: Sequence[str] = (),
    updates: int = 0,
    epochs: int = 0,
    split: str = "train",
    **identity: Any,
) -> Job:
    """A training in *folder*, which is its name.

    Args:
        data: the data folder.
        pairs: that it trains.
        words: flags of fairseq-train that make it this one and no other; files that
            they name count by what they hold.
        inherited: further flags, which follow from what is in the identity.
        updates: its length, unless it is counted in *epochs*.
        split: of the data, which it trains on.
        identity: further parts of its identity.
    """
    options = {"epochs": epochs} if epochs else {"updates": updates}
    made_with = content.of_words(words, folder, _of_checkpoint)
    made_with["inputs"]["data"] = content.of_data([data], pairs, [split])
    stage = Stage(
        folder,
        f"training {folder.name}",
        {"options": {**options, "pairs": [*map(str, pairs)]}, **made_with, **identity},
    )
    flags, on_cpu = [*words, *inherited], device.gpu is None
    arguments = arguments_of(folder, [data], pairs, flags, on_cpu, updates, epochs)
    job = Job(folder.name, stage, train_command(arguments), updates, epochs)
    if job.checkpoint.is_file():
        if (folder / DONE).is_file():
            known = read_json(folder / DONE, "the record of a finished training")
            stage.adopt({"options": known}, [job.checkpoint])
        stage.adopt({})
    return job


def _of_checkpoint(path: Path) -> str:
    return (content.of_weights if path.suffix == ".pt" else content.of_file)(path)


def train(label: str, jobs: Sequence[Job], devices: Sequence[Device]) -> None:
    """Run what is not done of *jobs*; the first that fails ends the others.

    Raises:
        LassError: as :func:`run_trainings`.
    """
    waiting = unfinished(jobs)
    if waiting:
        run_trainings(waiting, devices, Console(), "trainings", stop_on_error=True)
    else:
        print(f"{label}: done before", file=sys.stderr)


def unfinished(jobs: Iterable[Job]) -> list[Job]:
    """The *jobs* that are not done; the others are noted as done.

    Raises:
        LassError: a folder holds another training; then nothing is noted.
    """
    done = {job: job.is_done() for job in jobs}
    for job in done:
        if done[job]:
            job.finish()
    return [job for job in done if not done[job]]


def run_trainings(
    jobs: Sequence[Job],
    devices: Sequence[Device],
    listener: Console,
    what: str,
    take: Callable[[Job], str] = lambda job: "done",
    total: int | None = None,
    stop_on_error: bool = False,
    unit: str | None = None,
) -> None:
    """Run *jobs*, which are not done yet, and note each that reaches its end.

    Args:
        what: they are, for messages: ``searches``.
        take: makes of a finished training what is wanted of it; returns what to say.
        total: number of all pairs, those done before included.
        unit: what is counted in the status; None for *what*.

    Raises:
        LassError: some failed (the others have been finished); names each.
    """
    total = count_pairs(jobs) if total is None else total
    done = total - count_pairs(jobs)

    def finish(job: Job) -> str:
        nonlocal done
        job.finish()
        said = take(job)
        done += job.pairs
        return said

    run_jobs(jobs, devices, listener, finish, total, stop_on_error, unit or what)
    failed = [job for job in jobs if job.failure is not None]
    if failed:
        lines = [
            f"{count_pairs(failed)} of {total} {what} failed, {done} are done; mend "
            "what is wrong and run the same command again, which goes on from here"
        ]
        lines += [f"  {job.key}: {job.failure} (log: {job.log})" for job in failed]
        raise LassError("\n".join(lines))


def run_jobs(
    jobs: Sequence[Job],
    devices: Sequence[Device],
    listener: Console,
    finish: Callable[[Job], str],
    total: int | None = None,
    stop_on_error: bool = False,
    unit: str = "pairs",
) -> None:
    """Run *jobs*, as many at a time as there are *devices*.

    A job that fails (``job.failure`` says why) does not stop the others, unless
    *stop_on_error*. Whatever ends this function early (Ctrl-C, SIGTERM, SIGHUP, an
    error) ends the processes first.

    Args:
        finish: called with each job whose process ended well; returns what to say. A
            LassError from it makes the job one that failed.
        total: number of pairs for the status, those finished before included.
        unit: what is counted in the status.
    """
    total = count_pairs(jobs) if total is None else total
    waiting, free = deque(jobs), list(devices)
    running: dict[str, tuple[Job, Device]] = {}
    clock = _Clock(jobs)
    number = total - count_pairs(jobs)
    with signals_as_exceptions():
        try:
            while waiting or running:
                while waiting and free:
                    job, device = waiting.popleft(), free.pop(0)
                    number += job.pairs
                    if not _start(job, device, finish, listener):
                        free.insert(0, device)
                        continue
                    running[job.key] = (job, device)
                    place = f" on GPU {device.gpu}" if device.gpu else ""
                    listener.event(
                        f"{job.key}: started{place} ({number} of {total}), "
                        f"log {job.log}"
                    )
                time.sleep(TICK)
                for key, (job, device) in list(running.items()):
                    if job.poll():
                        del running[key]
                        free.append(device)
                        _finish(job, finish, listener)
                busy = [*waiting, *(job for job, _ in running.values())]
                failed = count_pairs([job for job in jobs if job.failure is not None])
                if (failed and stop_on_error) or not busy:
                    break
                done = total - count_pairs(busy) - failed
                far = [
                    job.progress.described(job.key, job.updates, job.epochs)
                    for job, _ in running.values()
                ]
                left = clock.left(busy)
                listener.status(status_line(total, done, failed, far, left, unit))
        finally:
            if running:
                listener.event(f"ending {', '.join(running)}")
                end_all([job for job, _ in running.values()])


def count_pairs(jobs: Sequence[Job]) -> int:
    """The pairs that *jobs* count for."""
    return sum(job.pairs for job in jobs)


def _start(
    job: Job, device: Device, finish: Callable[[Job], str], listener: Console
) -> bool:
    """Whether *job* runs now; else it has failed, or was done by somebody else."""
    try:
        if job.start(device.environment()):
            return True
    except LassError as error:
        job.failure = error.message
    _finish(job, finish, listener)
    return False


def _finish(job: Job, finish: Callable[[Job], str], listener: Console) -> None:
    if job.failure is None:
        try:
            listener.event(f"{job.key}: {finish(job)}")
            return
        except LassError as error:
            job.failure = error.message
    listener.event(f"{job.key}: failed: {job.failure}")


class _Clock:
    """Estimates the time left from what was done since the first progress was seen."""

    def __init__(self, jobs: Sequence[Job]):
        self._jobs = jobs
        self._first: dict[Job, int] = {}
        self._began: float | None = None

    def left(self, busy: Sequence[Job]) -> float | None:
        """Seconds that the *busy* jobs still need; None while nothing is known."""
        for job in self._jobs:
            if job.done and job not in self._first:
                self._first[job] = job.done
                self._began = self._began or time.monotonic()
        done = sum(job.done - before for job, before in self._first.items())
        if self._began is None or not done:
            return None
        to_do = sum(job.length - job.done for job in busy)
        return to_do * (time.monotonic() - self._began) / done
