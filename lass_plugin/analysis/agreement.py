"""Agreement of two sets of masks of the same pairs, such as those of two searches.

For each pair: Sim (Lin 2021, Eq. 2; mean of both directions) of its mask in one set
with its mask in the other; beside it the mean Sim of its mask in one set with the masks
of the *other pairs* in the other set, and chance. Masks that agree on what a pair needs
are more alike than masks of different pairs.
"""

from dataclasses import dataclass, replace
from typing import Iterable, Mapping

import numpy as np

from lass_plugin.analysis.similarity import overlaps
from lass_plugin.errors import LassError
from lass_plugin.masks import MaskSet


@dataclass(frozen=True)
class Agreement:
    """How alike the two masks of one pair are, in one part of the model."""

    part: str
    key: str
    same: float
    """Sim of the pair's two masks."""
    others: float
    """Mean Sim of the pair's mask in the first set with other pairs' in the second, and
    the other way round; NaN where there is one pair only."""
    chance: float
    """Sim that independent masks with as many weights in every matrix would have."""


def agreements(
    first: MaskSet, second: MaskSet, parts: Mapping[str, Iterable[str]] | None = None
) -> list[Agreement]:
    """Compare the masks of every pair that both sets have.

    Args:
        parts: name of a part of the model -> its sites; None for the whole model.

    Returns:
        Part by part, the pairs in the order of *first*.

    Raises:
        LassError: no pair in common, or masks of different models.
    """
    keys = [key for key in first if key in second]
    if not keys:
        raise LassError(
            f"the two sets have no pair in common: {', '.join(first)} and "
            f"{', '.join(second)}"
        )
    if first.shapes != second.shapes:
        raise LassError(
            "the two sets of masks cover different matrices, so they are of different "
            "models or mask targets and cannot be compared"
        )
    count = len(keys)
    # one set of both, so that all are compared at once: 1@ sorts before 2@
    both = [replace(first[key], key=f"1@{n:05d}") for n, key in enumerate(keys)]
    both += [replace(second[key], key=f"2@{n:05d}") for n, key in enumerate(keys)]
    found = []
    for part, overlap in overlaps(MaskSet(both), parts).items():
        across = overlap.symmetric()[:count, count:]
        chance = overlap.chance()[:count, count:]
        for number, key in enumerate(keys):
            unlike = np.concatenate([across[number], across[:, number]])
            away = np.delete(unlike, [number, count + number])
            found.append(
                Agreement(
                    part,
                    key,
                    float(across[number, number]),
                    float(away.mean()) if away.size else float("nan"),
                    float(chance[number, number]),
                )
            )
    return found
