"""A queue: many jobs over the places there are, each when what it needs is done."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.console import Console, status_line
from lass_plugin.experiments.launching.processes import Work, end_all
from lass_plugin.places.devices import Device, together
from lass_plugin.signals import signals_as_exceptions

TICK = 0.2
"""Seconds between two looks at the jobs."""

W = TypeVar("W", bound=Work)


def run_jobs(
    jobs: Sequence[W],
    devices: Sequence[Device],
    listener: Console,
    finish: Callable[[W], str],
    total: int | None = None,
    stop_on_error: bool = False,
    unit: str = "pairs",
    needs: Mapping[W, Collection[W]] | None = None,
) -> None:
    """Run *jobs*, as many at a time as there are *devices*.

    A job that fails (``job.failure`` says why) does not stop the others, unless
    *stop_on_error*, but those that need it. Whatever ends this function early (Ctrl-C,
    SIGTERM, SIGHUP, an error) ends the processes first.

    Args:
        finish: called with each job whose process ended well; returns what to say. A
            LassError from it makes the job one that failed.
        total: number of pairs for the status, those finished before included.
        unit: what is counted in the status.
        needs: job -> those of *jobs* that must be done before it begins.
    """
    total = count_pairs(jobs) if total is None else total
    waiting, free = list(jobs), list(devices)
    running: dict[str, tuple[W, list[Device]]] = {}
    clock = _Clock(jobs)
    number = total - count_pairs(jobs)
    with signals_as_exceptions():
        try:
            while waiting or running:
                _drop(waiting, needs or {}, listener)
                while job := _next(waiting, free, running, needs or {}):
                    waiting.remove(job)
                    held = free if job.alone else free[:1]
                    free = [] if job.alone else free[1:]
                    device = together(held)
                    number += job.pairs
                    if not _start(job, device, finish, listener):
                        free = [*held, *free]
                        continue
                    running[job.key] = (job, held)
                    place = f" on GPU {device.gpu}" if device.gpu else ""
                    listener.event(
                        f"{job.key}: started{place} ({number} of {total}), "
                        f"log {job.log}"
                    )
                time.sleep(TICK)
                for key, (job, held) in list(running.items()):
                    if job.poll():
                        del running[key]
                        free += held
                        _finish(job, finish, listener)
                busy = [*waiting, *(job for job, _ in running.values())]
                failed = count_pairs([job for job in jobs if job.failure is not None])
                if (failed and stop_on_error) or not busy:
                    break
                done = total - count_pairs(busy) - failed
                far = [job.described() for job, _ in running.values()]
                left = clock.left(busy)
                listener.status(status_line(total, done, failed, far, left, unit))
        finally:
            if running:
                listener.event(f"ending {', '.join(running)}")
                end_all([job for job, _ in running.values()])


def _next(
    waiting: Sequence[W],
    free: Sequence[Device],
    running: Mapping[str, tuple[W, list[Device]]],
    needs: Mapping[W, Collection[W]],
) -> W | None:
    """The first job that may begin now; None if nothing may.

    One that runs alone is waited for as soon as it is the first that could begin, so
    that others do not put it off for ever.
    """
    unfinished = {*waiting, *(job for job, _ in running.values())}
    for job in waiting if free else ():
        if not unfinished.intersection(needs.get(job, ())):
            return None if job.alone and running else job
    return None


def _drop(
    waiting: list[W], needs: Mapping[W, Collection[W]], listener: Console
) -> None:
    """Take out of *waiting* what needs a job that has failed; that has failed, too."""
    for job in list(waiting):
        lacking = [each for each in needs.get(job, ()) if each.failure is not None]
        if lacking:
            waiting.remove(job)
            job.failure = f"not begun, since {lacking[0].key} has failed"
            listener.event(f"{job.key}: {job.failure}")


def count_pairs(jobs: Sequence[Work]) -> int:
    """The pairs that *jobs* count for."""
    return sum(job.pairs for job in jobs)


def _start(
    job: W, device: Device, finish: Callable[[W], str], listener: Console
) -> bool:
    """Whether *job* runs now; else it has failed, or was done by somebody else."""
    try:
        if job.start(device.environment()):
            return True
    except LassError as error:
        job.failure = error.message
    _finish(job, finish, listener)
    return False


def _finish(job: W, finish: Callable[[W], str], listener: Console) -> None:
    if job.failure is None:
        try:
            listener.event(f"{job.key}: {finish(job)}")
            return
        except LassError as error:
            job.failure = error.message
    listener.event(f"{job.key}: failed: {job.failure}")


class _Clock:
    """Estimates the time left from what was done since the first progress was seen."""

    def __init__(self, jobs: Sequence[Work]):
        self._jobs = jobs
        self._first: dict[Work, int] = {}
        self._began: float | None = None

    def left(self, busy: Sequence[Work]) -> float | None:
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
