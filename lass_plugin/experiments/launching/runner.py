"""The queue: jobs run on devices until all have ended."""

import time
from collections import deque
from typing import Callable, Sequence

from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.console import Listener, Status
from lass_plugin.experiments.launching.devices import Device
from lass_plugin.experiments.launching.jobs import Job, end_all
from lass_plugin.experiments.signals import signals_as_exceptions

TICK = 0.2
"""Seconds between two looks at the jobs."""


def run_jobs(
    jobs: Sequence[Job],
    devices: Sequence[Device],
    listener: Listener,
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
                listener.status(
                    Status(
                        total=total,
                        done=total - count_pairs(busy) - failed,
                        failed=failed,
                        running=tuple(
                            job.progress.described(job.key, job.updates, job.epochs)
                            for job, _ in running.values()
                        ),
                        seconds_left=clock.left(busy),
                        unit=unit,
                    )
                )
        finally:
            if running:
                listener.event(f"ending {', '.join(running)}")
                end_all([job for job, _ in running.values()])


def count_pairs(jobs: Sequence[Job]) -> int:
    """The pairs that *jobs* count for."""
    return sum(job.pairs for job in jobs)


def _start(
    job: Job, device: Device, finish: Callable[[Job], str], listener: Listener
) -> bool:
    """Whether *job* runs now; else it has failed, or was done by somebody else."""
    try:
        if job.start(device.environment()):
            return True
    except LassError as error:
        job.failure = error.message
    _finish(job, finish, listener)
    return False


def _finish(job: Job, finish: Callable[[Job], str], listener: Listener) -> None:
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
        self._first: dict[str, int] = {}
        self._began: float | None = None

    def left(self, busy: Sequence[Job]) -> float | None:
        """Seconds that the *busy* jobs still need; None while nothing is known."""
        for job in self._jobs:
            if job.done and job.key not in self._first:
                self._first[job.key] = job.done
                self._began = self._began or time.monotonic()
        done = sum(
            job.done - self._first[job.key]
            for job in self._jobs
            if job.key in self._first
        )
        if self._began is None or not done:
            return None
        to_do = sum(job.length - job.done for job in busy)
        return to_do * (time.monotonic() - self._began) / done
