"""Plain values with each part of them replaced by something else."""

import copy
import math

GONE = object()
OTHERS = (
    *(GONE, None, True, -1, 0, 3, 0.5, 1e30, 10**400, math.nan, math.inf, -math.inf),
    *("", "x", "../x", "\ud800", [], [[]], [None], {}, {"x": 1}, {"": None}),
)


def changed(value, depth=0):
    """*value* with each part of it replaced by each of OTHERS, one at a time."""
    for other in OTHERS:
        if depth or other is not GONE:
            yield copy.deepcopy(other) if other is not GONE else GONE
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, list | tuple):
        parts = list(enumerate(value))[:2]
    else:
        return
    for key, part in parts:
        for other in changed(part, depth + 1):
            made = dict(value) if isinstance(value, dict) else list(value)
            if other is GONE:
                del made[key]
            else:
                made[key] = other
            yield made
