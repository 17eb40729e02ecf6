"""One or more trainings side by side, with one line that says how far they are."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from lass_plugin.data.progress import Progress
from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.commands import train_command
from lass_plugin.experiments.launching.devices import Slot
from lass_plugin.experiments.launching.jobs import Job, end_all
from lass_plugin.files import write_json

DONE = "done.json"


EPOCH = 1000
"""Steps that an epoch counts in progress."""


@dataclass(frozen=True)
class Training:
    """A training of fairseq in *folder* that ends after *updates*, or *epochs*."""

    name: str
    folder: Path
    updates: int
    flags: tuple[str, ...]
    epochs: int = 0
    """Where it is not 0, it decides and *updates* does not matter."""

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint_last.pt"

    @property
    def is_done(self) -> bool:
        return (self.folder / DONE).is_file() and self.checkpoint.is_file()

    def command(self, data: Path, on_cpu: bool) -> list[str]:
        """The argument list of fairseq-train."""
        flags = ["--max-update", str(self.updates)]
        if self.epochs:
            flags = ["--max-epoch", str(self.epochs)]
        flags += ["--save-dir", str(self.folder.resolve())] + ["--cpu"] * on_cpu
        return train_command(str(data.resolve()), *flags, *self.flags)

    @property
    def length(self) -> int:
        """What progress counts to."""
        return self.epochs * EPOCH or self.updates

    def done(self, job: Job) -> int:
        """How much of it *job* has done."""
        done = job.progress.updates
        if self.epochs:
            done = int(job.progress.epochs * EPOCH)
        return min(done, self.length)

    def described(self, job: Job) -> str:
        if self.epochs:
            return f"epoch {job.progress.epochs:.1f} of {self.epochs}"
        return f"update {job.progress.updates} of {self.updates}"


def train(
    label: str, trainings: Sequence[Training], data: Path, slots: Sequence[Slot]
) -> None:
    """Run *trainings* at the same time, one in each slot; skip those that are done.

    Raises:
        LassError: one of them failed; says why and where its log is.
    """
    waiting = [training for training in trainings if not training.is_done]
    if not waiting:
        print(f"{label}: done before", file=sys.stderr)
        return
    jobs = []
    progress = Progress(label, sum(training.length for training in waiting))
    try:
        for training, slot in zip(waiting, slots, strict=False):
            command = training.command(data, slot.device is None)
            jobs.append(Job(training.name, command, training.folder, training.updates))
            jobs[-1].start(slot.environment())
        running = list(jobs)
        counted = 0
        while running:
            time.sleep(0.2)
            running = [job for job in running if not job.poll()]
            pairs = list(zip(waiting, jobs, strict=False))
            done = sum(training.done(job) for training, job in pairs)
            losses = [job.progress.loss for job in jobs if job.progress.loss]
            loss = f", loss {', '.join(f'{x:.2f}' for x in losses)}" if losses else ""
            places = " and ".join(training.described(job) for training, job in pairs)
            progress.advance(done - counted, f"{places}{loss}")
            counted = done
            failed = [job for job in jobs if job.failure]
            if failed:
                raise LassError(
                    f"{label} failed: {failed[0].failure} (log: {failed[0].log})"
                )
    finally:
        end_all(jobs)
    progress.finish()
    for training in waiting:
        length = {"epochs": training.epochs} if training.epochs else {}
        length = length or {"updates": training.updates}
        write_json(training.folder / DONE, length)
