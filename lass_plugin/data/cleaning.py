"""What parallel text is cleaned of; a pair counts for the first rule that it breaks."""

from dataclasses import dataclass

EMPTY, SHORT, LONG, UNEVEN = "empty", "short", "long", "uneven"
DUPLICATE, OVERLAP = "duplicate", "overlap"
RULES = (EMPTY, SHORT, LONG, UNEVEN, OVERLAP, DUPLICATE)
"""In the order in which they are asked."""


@dataclass(frozen=True)
class Limits:
    """How long the two sides of a pair may be, in words; None for any length."""

    min_tokens: int | None = None
    max_tokens: int | None = None
    max_ratio: float | None = None
    """Of the longer side to the shorter one."""


def broken_limit(source: str, target: str, limits: Limits) -> str | None:
    """The first of the rules on length that a pair of lines breaks; None for none."""
    short, long = sorted((len(source.split()), len(target.split())))
    if not short:
        return EMPTY
    if limits.min_tokens is not None and short < limits.min_tokens:
        return SHORT
    if limits.max_tokens is not None and long > limits.max_tokens:
        return LONG
    if limits.max_ratio is not None and long > limits.max_ratio * short:
        return UNEVEN
    return None
