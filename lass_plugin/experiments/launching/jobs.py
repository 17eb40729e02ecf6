"""One job: a training in a process group of its own, with a log and a lock."""

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping, Sequence

from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.log import Progress, reason
from lass_plugin.locks import FolderLock

GRACE = 10.0
"""Seconds that a job has to end by itself."""


@dataclass
class Job:
    """One training: its command, its process while it runs, and how it ended."""

    key: str
    command: Sequence[str]
    folder: Path
    updates: int
    what: str = "search"
    """What it is, for messages."""
    pairs: int = 1
    """Number of pairs that it searches."""
    progress: Progress = field(default_factory=Progress)
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
        self._lock = FolderLock(self.folder, f"{self.what} of {self.key}")

    @property
    def log(self) -> Path:
        return self.folder / "train.log"

    def start(self, environment: Mapping[str, str]) -> None:
        """Start the process; its output is appended to the log.

        Raises:
            LassError: another process runs this search, or the folder is not writable.
        """
        self._lock.take()
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
                f"the {self.what} of {self.key} cannot be started in {self.folder}: "
                f"{error.strerror or error}"
            ) from error
        self._lock.name(self._process.pid)

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

    def ask_to_end(self) -> None:
        """Send the job's process group the signal to terminate."""
        self._signal(signal.SIGTERM)

    def end(self) -> None:
        """Kill what is left of the job's process group."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

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
            job.ask_to_end()
        deadline = time.monotonic() + GRACE
        while any(job.runs for job in jobs) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:  # also when interrupted once more
        for job in jobs:
            job.end()
            job._lock.release()
