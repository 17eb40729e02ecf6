"""One job: a training in a process group of its own, with a log and a stage."""

import contextlib
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Mapping, Sequence

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError
from lass_plugin.experiments.stage import Stage, State
from lass_plugin.locks import FolderLock

_NUMBER = r'"?\s*[:=]?\s*"?([-+]?[\d.]+(?:e[-+]?\d+)?|nan|inf)'
_SETTLED = re.compile(r"search of \S+ after (\d+) updates: (.*)")
_SHARE = re.compile(r"share ([\d.]+)")
_CHANCE = re.compile(r"chance ([\d.]+)")
_OWN = re.compile(r"own ([\d.]+)")
_USERS_FAULT = re.compile(r"(?:[\w.-]+: )?error: (.+)")
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Interrupt)\b.*")


@dataclass
class TrainingProgress:
    """How far one training is."""

    updates: int = 0
    epochs: float = 0.0
    loss: float | None = None
    ratio: float | None = None
    """Share removed that is in use."""
    settled: float | None = None
    """How much two halves of the search agree on the mask; see ``chance``."""
    chance: float | None = None
    own: float | None = None
    """Validation loss of the weights of the search under its mask, bits a token."""

    def read(self, line: str) -> bool:
        """Take in one line of the log; False if it says nothing new."""
        if found := _SETTLED.search(line):
            self.updates = max(self.updates, int(found[1]))
            if share := _SHARE.search(found[2]):
                self.settled = float(share[1])
            if chance := _CHANCE.search(found[2]):
                self.chance = float(chance[1])
            if own := _OWN.search(found[2]):
                self.own = float(own[1])
            return True
        updates = _value(line, "num_updates") if "train_inner" in line else None
        if updates is None:
            return False
        self.updates = max(self.updates, int(updates))
        self.epochs = max(self.epochs, _value(line, "update") or 0.0)
        self.loss = _value(line, "loss")
        self.ratio = _value(line, "pruned")
        return True

    def described(self, key: str, updates: int, epochs: int = 0) -> str:
        """``de-en 40/100 loss 4.21 ratio 0.58 …``.

        Args:
            key: of the training.
            updates: planned, unless the training is counted in *epochs*.
        """
        if not self.updates:
            return f"{key} starting"
        text = f"{key} {self.updates}/{updates}"
        if epochs:
            text = f"{key} epoch {self.epochs:.1f}/{epochs}"
        if self.loss is not None:
            text += f" loss {self.loss:.2f}"
        if self.ratio is not None:
            text += f" ratio {self.ratio:.2f}"
        if self.settled is not None:
            text += f" agreement {self.settled:.2f}"
            if self.chance is not None:
                text += f" (chance {self.chance:.2f})"
        if self.own is not None:
            text += f" under its mask {self.own:.2f}"
        return text


def reason(text: str, status: int) -> str:
    """Why a search that ended with *status* failed, from what it said last.

    A sentence of :class:`~lass_plugin.errors.LassError` is given as it is; otherwise
    the exception, otherwise the last lines.
    """
    if status < 0:
        return f"it was ended by signal {-status}" + (
            " (perhaps for want of memory)" if status == -9 else ""
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for pattern in (_USERS_FAULT, _EXCEPTION):
        for line in reversed(lines[-50:]):
            if found := pattern.fullmatch(line):
                return found[1] if pattern is _USERS_FAULT else line
    return " / ".join(lines[-3:]) or f"it ended with status {status}"


def _value(line: str, name: str) -> float | None:
    found = re.search(rf"(?<![\w_]){name}{_NUMBER}", line)
    return float(found[1]) if found else None


GRACE = 10.0
"""Seconds that a job has to end by itself."""

LAST = "checkpoint_last.pt"

EPOCH = 1000
"""Steps that an epoch counts in progress."""


@dataclass(eq=False)
class Job:
    """One training: its stage and command, its process while it runs, how it ended."""

    key: str
    stage: Stage
    command: Sequence[str]
    updates: int
    epochs: int = 0
    """Where it is not 0, it decides when the training ends, and not *updates*."""
    pairs: int = 1
    """Number of pairs that it counts for."""
    results: tuple[str, ...] = (LAST,)
    """Checkpoints that are used afterwards."""
    settled: Callable[[Checkpoint], bool] = lambda checkpoint: False
    """Whether the training has rightly ended before *updates*."""
    progress: TrainingProgress = field(default_factory=TrainingProgress)
    failure: str | None = None
    """Why it failed; None while it has not."""
    seconds: float = 0.0
    """How long it ran since this command was started."""

    _process: subprocess.Popen | None = None
    _began: float = 0.0
    _read: int = 0
    _rest: bytes = b""
    _said: str = ""

    def __post_init__(self) -> None:
        self._lock = FolderLock(self.folder, self.stage.what)

    @property
    def folder(self) -> Path:
        return self.stage.folder

    @property
    def log(self) -> Path:
        return self.folder / "train.log"

    @property
    def checkpoint(self) -> Path:
        """The checkpoint that the training goes on from."""
        return self.folder / LAST

    # -- whether it is done ------------------------------------------------------------

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

    # -- its process -------------------------------------------------------------------

    def start(self, environment: Mapping[str, str]) -> bool:
        """Start the process; its output is appended to the log.

        Returns:
            False if another process has finished the training in the meantime.

        Raises:
            LassError: another process runs this training or has begun another one, or
                the folder is not writable.
        """
        self._lock.take()
        try:
            if self.is_done():
                self._lock.release()
                return False
            self.stage.begin()
        except LassError:
            self._lock.release()
            raise
        self._began = time.monotonic()
        try:
            with open(self.log, "ab") as log:
                self._read = log.tell()
                self._process = subprocess.Popen(
                    list(self.command),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=dict(environment),
                    start_new_session=True,
                    pass_fds=(self._lock.fileno(),),
                )
        except OSError as error:
            self._lock.release()
            raise LassError(
                f"the {self.stage.what} cannot be started in {self.folder}: "
                f"{error.strerror or error}"
            ) from error
        self._lock.name(self._process.pid)
        return True

    def poll(self) -> bool:
        """Read what the job has written; True once it has ended."""
        assert self._process is not None
        status = self._process.poll()
        self._read_log()
        self.seconds = time.monotonic() - self._began
        if status is None:
            return False
        self.end()  # whatever it may have left in its group
        self._lock.release()
        self._process = None
        if status:
            self.failure = reason(self._said, status)
        return True

    def end(self) -> None:
        """Kill what is left of the job's process group."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

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

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _read_log(self) -> None:
        with contextlib.suppress(OSError), open(self.log, "rb") as log:
            log.seek(self._read)
            new = log.read()
            self._read += len(new)
            *lines, self._rest = (self._rest + new).split(b"\n")
            text = b"\n".join(lines).decode("utf-8", "replace")
            for line in text.splitlines():
                self.progress.read(line)
            self._said = f"{self._said}\n{text}"[-20_000:]


def end_all(jobs: Sequence[Job]) -> None:
    """End every job: politely, and after :data:`GRACE` seconds for certain."""
    try:
        for job in jobs:
            job._signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while any(job.runs for job in jobs) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:  # also when interrupted once more
        for job in jobs:
            job.end()
            job._lock.release()
