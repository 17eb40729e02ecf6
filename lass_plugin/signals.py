"""Signals that end a program, as exceptions: what it has started is ended first."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def signals_as_exceptions(ended: list[int] | None = None) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP leave as exceptions do, so that processes are ended.

    Args:
        ended: gets the number of each signal that has come.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: Any) -> None:
        if ended is not None:
            ended.append(number)
        if callable(before[number]):  # of a program around this one
            before[number](number, frame)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before: dict[int, Any] = {number: signal.getsignal(number) for number in numbers}
    # what nohup or a shell has told to be ignored stays ignored
    heard = [number for number in numbers if before[number] is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])
