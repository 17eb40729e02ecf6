"""One job: a training, of which a checkpoint is left."""

from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.processes import Work
from lass_plugin.experiments.stage import State

LAST = "checkpoint_last.pt"

EPOCH = 1000
"""Steps that an epoch counts in progress."""


@dataclass(eq=False)
class Job(Work):
    """One training: its stage and command, its process while it runs, how it ended."""

    updates: int
    epochs: int = 0
    """Where it is not 0, it decides when the training ends, and not *updates*."""
    results: tuple[str, ...] = (LAST,)
    """Checkpoints that are used afterwards."""
    settled: Callable[[Checkpoint], bool] = lambda checkpoint: False
    """Whether the training has rightly ended before *updates*."""

    @property
    def log(self) -> Path:
        return self.folder / "train.log"

    @property
    def checkpoint(self) -> Path:
        """The checkpoint that the training goes on from."""
        return self.folder / LAST

    def is_done(self) -> bool:
        """Whether all of it has been trained before.

        Raises:
            LassError: the folder holds another training.
        """
        if not self.checkpoint.is_file():
            return False
        state = self.stage.state()
        return state is State.DONE or (state is State.CONTINUE and self.has_ended())

    def has_ended(self) -> bool:
        """Whether its checkpoints are those of the end of the training.

        Raises:
            LassError: they have been trained for longer.
        """
        if not all((self.folder / name).is_file() for name in self.results):
            return False
        checkpoint = Checkpoint.read(self.checkpoint)
        if self.epochs:
            return int(checkpoint.iterator_state.get("epoch", 0)) > self.epochs
        if checkpoint.updates > self.updates:
            raise LassError(
                f"the {self.stage.what} in {self.folder} has had {checkpoint.updates} "
                f"updates, more than --updates {self.updates}; {self.stage.advice}"
            )
        return checkpoint.updates == self.updates or self.settled(checkpoint)

    def finish(self) -> None:
        """Write down that it is done.

        Raises:
            LassError: something has ended it before its time.
        """
        if self.stage.state() is State.DONE:
            self.stage.keep()
            return
        if not self.has_ended():
            done, planned = self.progress.updates, f"{self.updates} updates"
            if self.checkpoint.is_file():
                done = Checkpoint.read(self.checkpoint).updates
            if self.epochs:
                planned = f"updates before epoch {self.epochs} was over"
            raise LassError(
                f"it ended after {done} of {planned}; an option such as "
                "--stop-time-hours, --max-epoch or --patience has stopped it"
            )
        self.stage.finish([self.folder / name for name in self.results])

    @property
    def length(self) -> int:
        """What :attr:`done` counts to."""
        return self.epochs * EPOCH or self.updates

    @property
    def done(self) -> int:
        """How much of it has been done."""
        done = self.progress.updates
        if self.epochs:
            done = int(self.progress.epochs * EPOCH)
        return min(done, self.length)

    def described(self) -> str:
        return self.progress.described(self.key, self.updates, self.epochs)
