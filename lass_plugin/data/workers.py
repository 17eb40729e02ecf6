"""Running one function over many items in several processes."""

import contextlib
import logging
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from lass_plugin.errors import LassError
from lass_plugin.streams import quiet_logs

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 4
"""Items per process that may be begun before the first of them is due."""


class Workers:
    """*number* processes; with 1 everything runs in this one, but at a place. A context
    manager.

    Each process has a pipe of its own, so that one that is killed, at any moment, is
    noticed. Leaving the context kills what is still running.

    Args:
        places: variables of the environment of each process, which then begins anew:
            neither a GPU that was asked about nor torch's threads live on in a copy.
        option: that says how many there are.
    """

    def __init__(
        self,
        number: int,
        places: Sequence[Mapping[str, str]] = (),
        option: str = "--workers",
    ):
        self.number = number
        self._places = places
        self._killed = (
            "a worker process was killed, perhaps for want of memory; run again with "
            f"fewer {option}"
        )
        self._processes: list[Any] = []
        self._idle: list[Connection] = []

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join()

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[Result]:
        """Yield ``function(item)`` in the order of *items*, which are read lazily.

        Raises:
            LassError: *function* raised it, or a process was killed.
            RuntimeError: *function* raised anything else; with its traceback.
        """
        if self.number == 1 and not self._places:
            yield from map(function, items)
            return
        self._start()
        source = enumerate(items)
        busy: dict[Connection, int] = {}
        finished: dict[int, Any] = {}
        begun = due = 0
        while True:
            while self._idle and begun < due + _AHEAD * self.number:
                index, item = next(source, (-1, None))
                if index < 0:
                    break
                connection = self._idle.pop()
                self._send(connection, (function, item))
                busy[connection] = index
                begun += 1
            if due in finished:
                yield finished.pop(due)
                due += 1
            elif busy:
                ready = wait(list(busy))
                for connection in [each for each in busy if each in ready]:
                    finished[busy.pop(connection)] = self._receive(connection)
                    self._idle.append(connection)
            else:
                return

    def _start(self) -> None:
        context = get_context("spawn" if self._places else None)
        for number in range(len(self._processes), self.number):
            ours, theirs = context.Pipe()
            with _variables(self._places[number] if self._places else {}):
                about = theirs, os.getpid(), logging.root.manager.disable
                process = context.Process(target=_work, args=about, daemon=True)
                process.start()
            theirs.close()  # so that its death ends the pipe
            self._processes.append(process)
            self._idle.append(ours)

    def _send(self, connection: Connection, request: object) -> None:
        try:
            connection.send(request)
        except OSError as error:
            raise LassError(self._killed) from error

    def _receive(self, connection: Connection) -> Any:
        try:
            kind, value = connection.recv()
        except (EOFError, OSError) as error:
            raise LassError(self._killed) from error
        if kind == "mistake":
            raise LassError(value)
        if kind == "failure":
            raise RuntimeError(f"in a worker process:\n{value}")
        return value


@contextlib.contextmanager
def _variables(those: Mapping[str, str]) -> Iterator[None]:
    """The environment with *those*, for what is started meanwhile."""
    before = dict(os.environ)
    os.environ.update(those)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _work(connection: Connection, parent: int, silenced: int) -> None:
    """Answer requests until the parent kills this process, or is gone.

    Args:
        silenced: the level of what the parent does not log.
    """
    quiet_logs()
    logging.disable(silenced)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    while True:
        function, item = connection.recv()
        try:
            answer = ("result", function(item))
        except LassError as error:
            answer = ("mistake", error.message)
        except Exception:
            answer = ("failure", traceback.format_exc())
        connection.send(answer)


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
