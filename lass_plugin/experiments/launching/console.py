"""Progress of trainings for people, on stderr."""

import shutil
import sys
import time
from typing import IO, Iterable

from lass_plugin.data.progress import duration

REFRESH = 0.5
INTERVAL = 30.0
"""Seconds between two status lines, on a terminal and elsewhere."""


class Console:
    """A line for every event, and a line that says how far the trainings are.

    On a terminal the latter is rewritten in place; elsewhere it is printed every 30
    seconds.
    """

    def __init__(self, stream: IO[str] | None = None, interval: float | None = None):
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        usual = REFRESH if self._terminal else INTERVAL
        self._interval = usual if interval is None else interval
        self._last = time.monotonic()
        self._shown = False

    def event(self, text: str) -> None:
        """Something happened: one line."""
        self._clear()
        print(text, file=self._stream, flush=True)

    def status(self, text: str) -> None:
        """How far the trainings are, several times a second."""
        now = time.monotonic()
        if now - self._last < self._interval:
            return
        self._last = now
        if not self._terminal:
            print(text, file=self._stream, flush=True)
            return
        width = shutil.get_terminal_size().columns - 1
        text = text if len(text) <= width else text[: width - 1] + "…"
        self._stream.write(f"\r\x1b[K{text}")
        self._stream.flush()
        self._shown = True

    def _clear(self) -> None:
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._shown = False


def status_line(
    total: int,
    done: int,
    failed: int,
    running: Iterable[str],
    seconds_left: float | None,
    unit: str = "pairs",
) -> str:
    """``1/4 pairs, 12 min 5 s left | de-en 40/100 loss 4.21 ratio 0.58 …``.

    Args:
        running: how far each is that runs, see :meth:`.TrainingProgress.described`.
    """
    head = f"{done}/{total} {unit}" + (f", {failed} failed" if failed else "")
    if seconds_left is not None:
        head += f", {duration(seconds_left)} left"
    return " | ".join([head, *running])
