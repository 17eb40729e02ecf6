"""Updates of one pair each, where an update consists of several batches."""

from typing import Sequence

import numpy as np

from lass_plugin.data.sampling import draw


def whole_updates(
    batches: Sequence[np.ndarray], size: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """The batches of one pair in random order, enough of them for whole updates.

    Args:
        size: batches in an update.

    Returns:
        All *batches*, and as many of them once more as the last update lacks.
    """
    order = rng.permutation(len(batches))
    if lacking := -len(batches) % size:
        again = draw(len(batches), lacking / len(batches), rng)
        order = np.concatenate([order, again])
    return [batches[number] for number in order]


def shuffle_updates(
    batches: Sequence[np.ndarray], size: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """*batches* with the updates, *size* consecutive ones each, in random order."""
    starts = rng.permutation(len(batches) // size) * size
    return [batches[start + place] for start in starts for place in range(size)]
