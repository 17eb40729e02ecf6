"""A folder that one process works in: a second one is told so in one sentence."""

import contextlib
import fcntl
import os
from pathlib import Path
from typing import IO

from lass_plugin.errors import LassError

LOCK = ".running"


class FolderLock:
    """A file in a folder, locked by whoever works there.

    The lock is gone when all processes that hold it have ended, however they ended. One
    that is started with :meth:`fileno` among its ``pass_fds`` holds it too.

    Args:
        folder: made where it is not there.
        what: what is done in it, for the message: "search of de-en".
        name: of the file.
        by_children: whether processes that this one forks hold it too, and keep it
            when this one has ended.
    """

    def __init__(
        self, folder: Path, what: str, name: str = LOCK, by_children: bool = True
    ):
        self.folder = folder
        self._place = folder / name
        self._lock = fcntl.flock if by_children else fcntl.lockf
        self._what = what
        self._file: IO | None = None

    def take(self) -> None:
        """Hold the folder alone.

        Raises:
            LassError: another process holds it, or it cannot be written.
        """
        place = self._place
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = open(place, "r+b" if place.exists() else "w+b")
            self._lock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = place.read_text(encoding="utf-8", errors="replace").strip()
            self.release()
            raise LassError(
                f"the {self._what} is running already in {self.folder}"
                + (f" (process {who})" if who else "")
                + "; wait for it or end it"
            ) from None
        except OSError as error:
            if self._file is None:
                raise LassError(
                    f"cannot write into {self.folder}: {error.strerror or error}"
                ) from error
            # a file system without locks: go on without one
        self.name(os.getpid())

    def name(self, process: int) -> None:
        """Say who holds the folder; only for the message to another process."""
        with contextlib.suppress(OSError):
            os.pwrite(self.fileno(), b"%-10d\n" % process, 0)

    def fileno(self) -> int:
        assert self._file is not None, "the lock is not held"
        return self._file.fileno()

    def release(self) -> None:
        """Let others work in the folder."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> "FolderLock":
        self.take()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
