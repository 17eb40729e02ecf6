"""Variants: what a sweep compares, each a way to choose the masks of all pairs."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from lass_plugin.errors import LassError

DENSE = "dense"


class Variant(Protocol):
    """A row of the table of any sweep: the masks of all pairs, or the baseline."""

    @property
    def name(self) -> str:
        """Name of its folders and of the system."""

    @property
    def kind(self) -> str:
        """:data:`DENSE` for the baseline, which has no masks."""


V = TypeVar("V", bound=Variant)


def check_once(option: str, values: Iterable[str | float]) -> None:
    """Refuse a value that is given twice."""
    seen: set[str] = set()
    for value in values:
        text = value if isinstance(value, str) else f"{value:g}"
        if text in seen:
            raise LassError(f"{option} names {text} twice; give each one once")
        seen.add(text)


def parse_numbers(option: str, text: str, what: str) -> tuple[float, ...]:
    """Read ``0.1,0.5`` or ``0.1:0.9`` (in steps of a tenth) or ``0.1:0.9:0.2``.

    Raises:
        LassError: it is no list of *what*.
    """
    numbers: list[float] = []
    for part in text.split(","):
        try:
            ends = [float(number) for number in part.split(":")]
            if len(ends) == 1:
                numbers += ends
                continue
            low, high, step = ends if len(ends) == 3 else (*ends, 0.1)
            if not (step > 0 and low <= high and (high - low) / step < 1000):
                raise ValueError
            count = int((high - low) / step + 1e-9) + 1
            numbers += [round(low + number * step, 9) for number in range(count)]
        except (ValueError, OverflowError):
            raise LassError(
                f"{option} {text} is no list of {what}; write 0.1,0.5,0.9 or 0.1:0.9"
            ) from None
    return tuple(numbers)
