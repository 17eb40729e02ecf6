"""A command in a process group of its own, with a log and a stage."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import IO

from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.progress import TrainingProgress, reason
from lass_plugin.experiments.stage import Stage
from lass_plugin.files import move

GRACE = 10.0
"""Seconds that a command has to end by itself."""


@dataclass(eq=False)
class Work:
    """A stage and its command, its process while it runs, how it ended."""

    key: str
    stage: Stage
    command: Sequence[str]
    _: KW_ONLY
    pairs: int = 1
    """Number of pairs that it counts for."""
    alone: bool = False
    """Whether nothing runs beside it."""
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
        self._lock = self.stage.lock()

    @property
    def folder(self) -> Path:
        return self.stage.folder

    @property
    def log(self) -> Path:
        """The file that gets what the command says."""
        raise NotImplementedError

    @property
    def output(self) -> Path | None:
        """The file that gets what it prints, once it has ended; None for the log."""
        return None

    # -- whether it is done ------------------------------------------------------------

    def is_done(self) -> bool:
        """Whether all of it has been done before.

        Raises:
            LassError: the folder holds something else.
        """
        raise NotImplementedError

    def finish(self) -> None:
        """Write down that it is done.

        Raises:
            LassError: something has ended it before its time.
        """
        raise NotImplementedError

    # -- its process -------------------------------------------------------------------

    def start(self, environment: Mapping[str, str]) -> bool:
        """Start the process; its output is appended to the log.

        Returns:
            False if another process has finished it in the meantime.

        Raises:
            LassError: another process runs it or has begun another one, or the folder
                is not writable.
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
            self._launch(environment)
        except OSError as error:
            self._lock.release()
            raise LassError(
                f"the {self.stage.what} cannot be started in {self.folder}: "
                f"{error.strerror or error}"
            ) from error
        return True

    def _launch(self, environment: Mapping[str, str]) -> None:
        with contextlib.ExitStack() as files:
            log = files.enter_context(_opened(self.log, "ab"))
            self._read = log.tell()
            printed = log
            if self._partial is not None:
                printed = files.enter_context(_opened(self._partial, "wb"))
            self._process = subprocess.Popen(
                list(self.command),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=log,
                env=dict(environment),
                start_new_session=True,
                pass_fds=(self._lock.fileno(),),
            )
        self._lock.name(self._process.pid)

    @property
    def _partial(self) -> Path | None:
        """The file that gets what it prints while it runs."""
        return self.output and self.output.with_name(f"{self.output.name}.partial")

    def poll(self) -> bool:
        """Read what the command has written; True once it has ended."""
        status = self._status()
        self._read_log()
        self.seconds = time.monotonic() - self._began
        if status is None:
            return False
        self.end()  # whatever it may have left in its group
        self.release()
        self._process = None
        if status:
            self.failure = reason(self._said, status)
        else:
            self._keep_output()
        return True

    def _keep_output(self) -> None:
        if self.output is not None and self._partial is not None:
            try:
                move(self._partial, self.output)
            except LassError as error:
                self.failure = error.message

    def _status(self) -> int | None:
        """The status that it has ended with; None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def ask_to_end(self) -> None:
        """Let the command end by itself."""
        self._signal(signal.SIGTERM)

    def end(self) -> None:
        """Kill what is left of the process group."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def release(self) -> None:
        """Let others work in the folder."""
        self._lock.release()

    @property
    def ran(self) -> bool:
        """Whether it has been started by this command."""
        return bool(self._began)

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    # -- how far it is -----------------------------------------------------------------

    @property
    def length(self) -> int:
        """What :attr:`done` counts to."""
        return 0

    @property
    def done(self) -> int:
        """How much of it has been done."""
        return 0

    def described(self) -> str:
        """How far it is, for the status."""
        return self.key

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


def _opened(path: Path, mode: str) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return open(path, mode)


def end_all(jobs: Sequence[Work]) -> None:
    """End every job: politely, and after :data:`GRACE` seconds for certain."""
    try:
        for job in jobs:
            job.ask_to_end()
        deadline = time.monotonic() + GRACE
        while any(job.runs for job in jobs) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:  # also when interrupted once more
        for job in jobs:
            job.end()
            job.release()
