"""The queue: jobs run in slots until all have ended."""

import time
from collections import deque
from typing import Callable, Sequence

from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.console import Listener, Status
from lass_plugin.experiments.launching.devices import Slot
from lass_plugin.experiments.launching.jobs import Job, end_all
from lass_plugin.experiments.signals import signals_as_exceptions

TICK = 0.2
"""Seconds between two looks at the jobs."""


def run_jobs(
    jobs: Sequence[Job],
    slots: Sequence[Slot],
    listener: Listener,
    finish: Callable[[Job], str],
    total: int | None = None,
    stop_on_error: bool = False,
    unit: str = "pairs",
) -> None:
    """Run *jobs*, as many at a time as there are *slots*.

    A job that fails (``job.failure`` says why) does not stop the others, unless
    *stop_on_error*. Whatever ends this function early (Ctrl-C, SIGTERM, SIGHUP, an
    error) ends the processes first.

    Args:
        finish: called with each job whose process ended well; returns what to say. A
            LassError from it makes the job one that failed.
        total: number of pairs for the status, those finished before included.
        unit: what is counted in the status.
    """
    total = _pairs(jobs) if total is None else total
    waiting, free = deque(jobs), list(slots)
    running: dict[str, tuple[Job, Slot]] = {}
    clock = _Clock(jobs)
    number = total - _pairs(jobs)
    with signals_as_exceptions():
        try:
            while waiting or running:
                while waiting and free:
                    job, slot = waiting.popleft(), free.pop(0)
                    number += job.pairs
                    try:
                        job.start(slot.environment())
                    except LassError as error:
                        job.failure = error.message
                        free.insert(0, slot)
                        listener.event(f"{job.key}: failed: {job.failure}")
                        continue
                    running[job.key] = (job, slot)
                    place = f" on GPU {slot.device}" if slot.device else ""
                    listener.event(
                        f"{job.key}: started{place} ({number} of {total}), "
                        f"log {job.log}"
                    )
                time.sleep(TICK)
                for key, (job, slot) in list(running.items()):
                    if not job.poll():
                        continue
                    del running[key]
                    free.append(slot)
                    _finish(job, finish, listener)
                failed = _pairs([job for job in jobs if job.failure is not None])
                if (failed and stop_on_error) or not (waiting or running):
                    break
                busy = [*waiting, *(job for job, _ in running.values())]
                done = total - _pairs(busy) - failed
                listener.status(
                    Status(
                        total=total,
                        done=done,
                        failed=failed,
                        running=tuple(
                            (job.key, job.updates, job.progress)
                            for job, _ in running.values()
                        ),
                        seconds_left=clock.left(),
                        unit=unit,
                    )
                )
        finally:
            if running:
                listener.event(f"ending {', '.join(running)}")
                end_all([job for job, _ in running.values()])


def _pairs(jobs: Sequence[Job]) -> int:
    return sum(job.pairs for job in jobs)


def _finish(job: Job, finish: Callable[[Job], str], listener: Listener) -> None:
    if job.failure is None:
        job.updates = job.progress.updates  # it may have ended early
        try:
            listener.event(f"{job.key}: {finish(job)}")
            return
        except LassError as error:
            job.failure = error.message
    listener.event(f"{job.key}: failed: {job.failure}")


class _Clock:
    """Estimates the time left from the updates done since the first was seen."""

    def __init__(self, jobs: Sequence[Job]):
        self._jobs = jobs
        self._first: dict[str, int] = {}
        self._began: float | None = None

    def left(self) -> float | None:
        for job in self._jobs:
            if job.progress.updates and job.key not in self._first:
                self._first[job.key] = job.progress.updates
                self._began = self._began or time.monotonic()
        done = sum(
            job.progress.updates - self._first[job.key]
            for job in self._jobs
            if job.key in self._first
        )
        if self._began is None or not done:
            return None
        to_do = sum(
            job.updates - job.progress.updates
            for job in self._jobs
            if job.failure is None
        )
        return to_do * (time.monotonic() - self._began) / done
