"""From the similarity of masks to the distances of a tree's leaves.

    Dis(M1, M2) = 1 − (Sim(M1, M2) + Sim(M2, M1)) / 2

(He 2023, §5.5, made symmetric by the mean of both directions.) A leaf is a pair, or a
language; two languages are compared *as sources* by the masks X→Z and Y→Z, *as targets*
by Z→X and Z→Y, averaged over every Z that both have (English, in most sets), or by the
mean of these two.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Sequence

import numpy as np

from lass_plugin.errors import LassError
from lass_plugin.languages import Pair

SIDES = ("source", "target")


@dataclass(frozen=True)
class LeafDistances:
    """What a tree is made of."""

    leaves: tuple[str, ...]
    distances: np.ndarray
    """``(n, n)`` symmetric, zeros on the diagonal."""
    described: str
    """What a leaf is, for titles: ``languages as sources``."""
    notes: tuple[str, ...] = ()
    """What a reader should know: languages left out, identical masks."""


def leaf_distances(
    keys: Sequence[str],
    similarity: np.ndarray,
    leaves: str = "languages",
    direction: str | None = None,
) -> LeafDistances:
    """Distances of the leaves of a tree.

    Args:
        keys: names of the masks.
        similarity: ``(keys, keys)`` symmetric.
        leaves: ``languages`` or ``pairs``.
        direction: of languages: ``source``, ``target`` or ``mean``; None for the mean
            where every language has both, else the one that more languages have.

    Raises:
        LassError: fewer than three leaves, or masks that are needed are missing.
    """
    if leaves == "pairs":
        if direction is not None:
            raise LassError(
                "a direction is for trees of languages; leave it out with pairs as "
                "leaves"
            )
        found = LeafDistances(tuple(keys), _distances(similarity), "pairs")
    elif leaves == "languages":
        found = _of_languages(keys, _distances(similarity), direction)
    else:
        raise LassError(f"unknown leaves '{leaves}'; choose languages or pairs")
    if len(found.leaves) < 3:
        raise LassError(
            f"a tree needs three {leaves} at least; the masks of {', '.join(keys)} "
            f"compare {len(found.leaves) or 'none'}, so give masks of more pairs"
        )
    zero = [
        f"{found.leaves[i]} and {found.leaves[j]}"
        for i, j in combinations(range(len(found.leaves)), 2)
        if found.distances[i, j] <= 0
    ]
    notes = found.notes
    if len(zero) == len(found.leaves) * (len(found.leaves) - 1) // 2:
        notes += ("all masks are identical: the tree is a star without lengths",)
    elif zero:
        notes += (f"identical masks, at distance zero: {', '.join(zero)}",)
    return LeafDistances(found.leaves, found.distances, found.described, notes)


def _distances(similarity: np.ndarray) -> np.ndarray:
    distances = np.maximum(1.0 - (similarity + similarity.T) / 2, 0.0)
    np.fill_diagonal(distances, 0.0)
    return distances


@dataclass(frozen=True)
class _Side:
    """Languages compared as sources, or as targets."""

    name: str
    languages: tuple[str, ...]
    distances: np.ndarray
    """``(n, n)``; NaN where no two masks compare the languages."""

    @property
    def gaps(self) -> list[list[int]]:
        """Places of two languages that no two masks compare."""
        return np.argwhere(np.isnan(self.distances)).tolist()

    @property
    def rank(self) -> tuple[bool, int]:
        """The greater, the better can a tree be made of this side alone."""
        return not self.gaps and len(self.languages) >= 3, len(self.languages)


def _of_languages(
    keys: Sequence[str], distances: np.ndarray, direction: str | None
) -> LeafDistances:
    try:
        pairs = [Pair.parse(key) for key in keys]
    except LassError as error:
        raise LassError(
            f"{error}; a mask of another key has no language, so use pairs as leaves"
        ) from error
    source, target = (_side(name, pairs, distances) for name in SIDES)
    notes: list[str] = []
    if direction is None:
        direction, notes = _choose_direction(source, target)
    described = {
        "source": "languages as sources",
        "target": "languages as targets",
        "mean": "languages, mean of sources and targets",
    }
    if direction not in described:
        raise LassError(
            f"unknown direction '{direction}'; choose source, target or mean"
        )
    used = [side for side in (source, target) if direction in (side.name, "mean")]
    for side, facing in zip(used, used[::-1], strict=True):
        if lacking := [each for each in side.languages if each not in facing.languages]:
            raise LassError(
                f"{lacking[0]} has masks as {side.name} but none to compare it by as "
                f"{facing.name}; add the missing pair or choose the direction "
                f"{side.name}"
            )
    for side in used:
        for gap in side.gaps:
            one, other = (side.languages[place] for place in gap)
            common = "target" if side.name == "source" else "source"
            raise LassError(
                f"{one} and {other} cannot be compared as {side.name}s: there are no "
                f"two masks of them with one {common}; add these or choose another "
                "direction"
            )
    leaves = used[0].languages
    # the language of all pairs, mostly English, is not missed
    ends: list[set[str]] = [{pair.source, pair.target} for pair in pairs]
    left_out = set().union(*ends) - ends[0].intersection(*ends) - {*leaves}
    if left_out and leaves:
        notes.append(f"no leaf, as no mask compares it: {', '.join(sorted(left_out))}")
    matrix = np.mean([side.distances for side in used], axis=0)
    return LeafDistances(leaves, matrix, described[direction], tuple(notes))


def _choose_direction(source: _Side, target: _Side) -> tuple[str, list[str]]:
    """The mean where every language has both, else the better one; notes on it."""
    if source.languages == target.languages and not source.gaps + target.gaps:
        return "mean", []
    worse, better = sorted((source, target), key=lambda side: side.rank)
    if not worse.languages:
        return better.name, []
    lacking = sorted({*better.languages} - {*worse.languages})
    return better.name, [
        f"languages are compared as {better.name}s only, for want of masks of "
        f"{', '.join(lacking) or 'some languages'} as {worse.name}"
    ]


def _side(name: str, pairs: Sequence[Pair], distances: np.ndarray) -> _Side:
    """Average over every two masks that have the other side in common."""
    common = "target" if name == "source" else "source"
    values: dict[tuple[str, str], list[float]] = {}
    for (i, one), (j, other) in combinations(enumerate(pairs), 2):
        if getattr(one, common) == getattr(other, common):
            ends = getattr(one, name), getattr(other, name)
            for compared in (ends, ends[::-1]):
                values.setdefault(compared, []).append(float(distances[i, j]))
    languages = tuple(sorted({code for ends in values for code in ends}))
    matrix = np.full((len(languages), len(languages)), np.nan)
    np.fill_diagonal(matrix, 0.0)
    for (first, second), found in values.items():
        matrix[languages.index(first), languages.index(second)] = np.mean(found)
    return _Side(name, languages, matrix)
