"""Which sentences of a test set are shown: short, but long enough to tell."""

from collections.abc import Sequence

WORDS = 9
"""The best length of a sentence that is shown."""


def telling(lines: Sequence[str], count: int = 1) -> list[int]:
    """The numbers of the *count* sentences nearest to nine words, in their order.

    Of equal ones the first; a sentence that is there twice is shown once.
    """
    lengths = [abs(len(line.split()) - WORDS) for line in lines]
    first = {line: number for number, line in reversed([*enumerate(lines)])}
    nearest = sorted(first.values(), key=lambda number: (lengths[number], number))
    return sorted(nearest[:count])
