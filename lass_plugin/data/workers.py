"""Running one function over many items in several processes."""

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from lass_plugin.errors import LassError

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 4
"""Items per process that may be begun before the first of them is due."""


class Workers:
    """*number* processes; with 1 everything runs in this one. A context manager.

    Each process has a pipe of its own, so that one that is killed, at any moment, is
    noticed. Leaving the context kills what is still running.
    """

    def __init__(self, number: int):
        self.number = number
        self._processes: list[Process] = []
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
        if self.number == 1:
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
                _send(connection, (function, item))
                busy[connection] = index
                begun += 1
            if due in finished:
                yield finished.pop(due)
                due += 1
            elif busy:
                ready = wait(list(busy))
                for connection in [each for each in busy if each in ready]:
                    finished[busy.pop(connection)] = _receive(connection)
                    self._idle.append(connection)
            else:
                return

    def _start(self) -> None:
        for _ in range(self.number - len(self._processes)):
            ours, theirs = Pipe()
            process = Process(target=_work, args=(theirs, os.getpid()), daemon=True)
            process.start()
            theirs.close()  # so that its death ends the pipe
            self._processes.append(process)
            self._idle.append(ours)


_KILLED = (
    "a worker process was killed, perhaps for want of memory; "
    "run again with fewer --workers"
)


def _send(connection: Connection, request: object) -> None:
    try:
        connection.send(request)
    except OSError as error:
        raise LassError(_KILLED) from error


def _receive(connection: Connection) -> Any:
    try:
        kind, value = connection.recv()
    except (EOFError, OSError) as error:
        raise LassError(_KILLED) from error
    if kind == "mistake":
        raise LassError(value)
    if kind == "failure":
        raise RuntimeError(f"in a worker process:\n{value}")
    return value


def _work(connection: Connection, parent: int) -> None:
    """Answer requests until the parent kills this process, or is gone."""
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
