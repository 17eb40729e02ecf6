"""Similarity of masks: how much of one sub-network is part of another.

    Sim(M1, M2) = |M1 ∩ M2|₀ / |M1|₀                              (Lin 2021, Eq. 2)

This is symmetric only where both masks keep as many weights; the symmetric value is
the mean of Sim(M1, M2) and Sim(M2, M1). Two independent masks that keep as many weights
in every matrix as these would share

    chance = Σ_s |M1_s|₀ |M2_s|₀ / n_s  /  |M1|₀

over the matrices s of n_s weights: the density of M2, if that is the same everywhere.
"""

import math
import re
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Iterable, Iterator, Mapping, Sequence

import numpy as np

from lass_plugin.anatomy.components import WHOLE
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, hub_of
from lass_plugin.masks import Mask, MaskSet
from lass_plugin.masks.fingerprint import short_name
from lass_plugin.masks.packing import shared_by_two


@dataclass(frozen=True)
class Overlap:
    """Counts of what n masks keep and share, summed over some matrices."""

    keys: tuple[str, ...]
    units: int
    """Number of weights."""
    shared: np.ndarray
    """``(n, n)`` number of weights that both keep; the diagonal holds |M|₀."""
    expected: np.ndarray
    """``(n, n)`` the same for independent masks, Σ_s |M1_s|₀ |M2_s|₀ / n_s."""

    @property
    def kept(self) -> np.ndarray:
        """``(n,)`` |M|₀."""
        return np.diagonal(self.shared)

    def directed(self) -> np.ndarray:
        """``(n, n)`` Sim(row, column) of Eq. 2; 1 where the row keeps nothing."""
        return _share(self.shared, self.kept)

    def symmetric(self) -> np.ndarray:
        """``(n, n)`` mean of Sim(M1, M2) and Sim(M2, M1)."""
        directed = self.directed()
        return (directed + directed.T) / 2

    def chance(self) -> np.ndarray:
        """``(n, n)`` what :meth:`symmetric` is for independent masks, 1 on the
        diagonal."""
        directed = _share(self.expected, self.kept)
        chance = (directed + directed.T) / 2
        np.fill_diagonal(chance, 1.0)
        return chance


def _share(shared: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """*shared* of each row divided by what the row keeps."""
    empty = kept == 0
    return np.where(empty[:, None], 1.0, shared / np.where(empty, 1, kept)[:, None])


def overlaps(
    masks: MaskSet, parts: Mapping[str, Iterable[str]] | None = None
) -> dict[str, Overlap]:
    """Compare every two masks of a set, on the packed bits.

    Args:
        parts: name of a part -> its sites; None for the whole model.

    Returns:
        Name of the part -> counts, in the order of *parts*.
    """
    parts = parts or {WHOLE: list(masks.shapes)}
    wanted = {site for sites in parts.values() for site in sites}
    by_site = {
        site: shared_by_two([mask.bits[site] for mask in masks.values()])
        for site in masks.shapes
        if site in wanted
    }
    result = {}
    for part, sites in parts.items():
        shared = np.zeros((len(masks), len(masks)), dtype=np.int64)
        expected = np.zeros((len(masks), len(masks)))
        units = 0
        for site in sites:
            if site not in by_site:
                raise LassError(
                    f"the masks do not cover {site}; 'lass list --by-site' shows what "
                    "they cover"
                )
            kept = np.diagonal(by_site[site]).astype(np.float64)
            size = math.prod(masks.shapes[site])
            shared += by_site[site]
            expected += np.outer(kept, kept) / size
            units += size
        result[part] = Overlap(tuple(masks), units, shared, expected)
    return result


def between(matrix: np.ndarray) -> np.ndarray:
    """``(n, n)`` -> the values above the diagonal: each two different masks once."""
    return matrix[np.triu_indices(len(matrix), 1)]


def base_models(masks: Iterable[Mask]) -> str:
    """The base models that *masks* were searched on; empty if it is only one."""
    bases = sorted({short_name(mask.base) for mask in masks if mask.base})
    if len(bases) < 2:
        return ""
    return f"{len(bases)} different base models ({', '.join(bases)})"


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
    """Compare the masks of every pair that both sets have, such as two searches'.

    Beside the Sim of its two masks stands the mean Sim of its mask in one set with the
    masks of the *other pairs* in the other set: masks that agree on what a pair needs
    are more alike than masks of different pairs.

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


EVERY = "all masks"

Group = list[tuple[int, int]]
"""Which two masks are compared: places in the list of keys, each two once."""


def group_pairs(keys: Sequence[str]) -> dict[str, Group]:
    """Name of each group -> the comparisons in it, :data:`EVERY` first.

    Where all pairs have one language in common (English), the groups are those of LaSS
    (Lin 2021, Fig. 4): en→X, X→en, and between the two. In other sets they are: masks
    of one source, masks of one target, and masks that share neither. The last group is
    part of another: the two directions between the same languages. Groups without a
    comparison are left out; keys that are no pairs give no groups.
    """
    groups: dict[str, Group] = {EVERY: list(combinations(range(len(keys)), 2))}
    try:
        pairs = [Pair.parse(key) for key in keys]
    except LassError:
        return groups
    hub = hub_of(pairs)
    centred = all(hub in (pair.source, pair.target) for pair in pairs)
    names = ("shared source", "shared target", "neither shared")
    if centred:
        names = (f"{hub}→X", f"X→{hub}", "between")
    found: dict[str, Group] = {name: [] for name in (*names, "same two languages")}
    for i, j in groups[EVERY]:
        one, other = pairs[i], pairs[j]
        if one.source == other.source:
            found[names[0]].append((i, j))
        elif one.target == other.target:
            found[names[1]].append((i, j))
        else:
            found[names[2]].append((i, j))
        if (one.source, one.target) == (other.target, other.source):
            found["same two languages"].append((i, j))
    return groups | {name: group for name, group in found.items() if group}


def average_by_group(
    keys: Sequence[str], parts: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> Iterator[dict[str, Any]]:
    """One record for each part and group.

    Args:
        keys: names of the masks.
        parts: name of a part -> similarity and chance, each ``(n, n)`` and symmetric.

    Yields:
        ``part``, ``group``, ``comparisons`` (their number), ``mean``, ``least``,
        ``most`` of the similarity, and ``chance``, the mean of chance.
    """
    groups = group_pairs(keys)
    for part, (similarity, chance) in parts.items():
        for group, places in groups.items():
            if not places:
                continue
            rows, columns = np.array(places).T
            values = similarity[rows, columns]
            yield {
                "part": part,
                "group": group,
                "comparisons": len(places),
                "mean": round(float(values.mean()), 6),
                "least": round(float(values.min()), 6),
                "most": round(float(values.max()), 6),
                "chance": round(float(chance[rows, columns].mean()), 6),
            }


def curves_over_layers(averages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The averages that belong to one matrix of one layer (Lin 2021, Fig. 6).

    Returns:
        The records of *averages* of such parts, with ``side``, ``layer`` and
        ``matrix`` instead of ``part``; empty if there are none.
    """
    curves = []
    for record in averages:
        found = re.fullmatch(r"(encoder|decoder) layer (\d+) (.+)", record["part"])
        if found:
            place = {"side": found[1], "layer": int(found[2]), "matrix": found[3]}
            rest = {name: value for name, value in record.items() if name != "part"}
            curves.append(place | rest)
    return curves
