"""How far a long phase has come, on stderr."""

import sys
import time
from typing import Iterable, Iterator, Sequence, TypeVar

Result = TypeVar("Result")


class Progress:
    """One phase: a line that is rewritten on a terminal, or a line every 10 seconds.

    Args:
        label: what is being done, ``encoding``.
        total: the amount of work, in any unit; 0 if unknown.
    """

    def __init__(self, label: str, total: int = 0):
        self.label = label
        self.total = total
        self.done = 0
        self._part = ""
        self._start = self._last = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._show()

    def advance(self, amount: int, part: str = "") -> None:
        """Add *amount* to what is done, last in *part* (the name of a file)."""
        self.done += amount
        self._part = f" {part}" if part else ""
        now = time.monotonic()
        if now - self._last >= (0.5 if self._terminal else 10):
            self._last = now
            self._show()

    def finish(self) -> None:
        """Say how long the phase took."""
        seconds = time.monotonic() - self._start
        self._print(f"{self.label}: done in {duration(seconds)}", last=True)

    def _show(self) -> None:
        text = f"{self.label}{self._part} …"
        if self.total and self.done:
            share = min(self.done / self.total, 1.0)
            left = (time.monotonic() - self._start) * (1 - share) / share
            text = f"{self.label}{self._part}: {share:.0%}, {duration(left)} left"
        self._print(text)

    def _print(self, text: str, last: bool = False) -> None:
        if self._terminal:
            text = f"\r\x1b[K{text}"
        end = "" if self._terminal and not last else "\n"
        print(text, end=end, file=sys.stderr, flush=True)


def tracked(
    label: str, results: Iterable[Result], sizes: Sequence[int]
) -> Iterator[Result]:
    """Yield *results*, one for each of *sizes*, with a :class:`Progress` by these."""
    progress = Progress(label, sum(sizes))
    for result, size in zip(results, sizes, strict=True):
        yield result
        progress.advance(size)
    progress.finish()


def duration(seconds: float) -> str:
    """Write a number of seconds as ``7 s``, ``3 min 20 s`` or ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
