"""One or more trainings side by side, with one line that says how far they are."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from lass_plugin.data.progress import Progress
from lass_plugin.errors import LassError
from lass_plugin.files import write_json
from lass_plugin.launching.commands import train_command
from lass_plugin.launching.jobs import Job, end_all
from lass_plugin.launching.slots import Slot

DONE = "done.json"


@dataclass(frozen=True)
class Training:
    """A training of fairseq that ends after *updates* in *folder*."""

    name: str
    folder: Path
    updates: int
    flags: tuple[str, ...]

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint_last.pt"

    @property
    def is_done(self) -> bool:
        return (self.folder / DONE).is_file() and self.checkpoint.is_file()

    def command(self, data: Path, on_cpu: bool) -> list[str]:
        """The argument list of fairseq-train."""
        flags = ["--max-update", str(self.updates)]
        flags += ["--save-dir", str(self.folder.resolve())] + ["--cpu"] * on_cpu
        return train_command(str(data.resolve()), *flags, *self.flags)


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
    progress = Progress(label, sum(training.updates for training in waiting))
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
            done = sum(min(job.progress.updates, job.updates) for job in jobs)
            losses = [job.progress.loss for job in jobs if job.progress.loss]
            loss = f", loss {', '.join(f'{x:.2f}' for x in losses)}" if losses else ""
            updates = " and ".join(
                f"{job.progress.updates} of {job.updates}" for job in jobs
            )
            progress.advance(done - counted, f"update {updates}{loss}")
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
        write_json(training.folder / DONE, {"updates": training.updates})
