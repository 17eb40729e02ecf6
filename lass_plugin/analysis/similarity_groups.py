"""Similarity on average: within and between the directions, and along the layers.

Where all pairs have one language in common (English), the groups are those of LaSS
(Lin 2021, Fig. 4): en→X, X→en, and between the two. In other sets they are: masks of
one source, masks of one target, and masks that share neither.
"""

import re
from itertools import combinations
from typing import Any, Iterator, Mapping, Sequence

import numpy as np

from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, hub_of

EVERY = "all masks"

Group = list[tuple[int, int]]
"""Which two masks are compared: places in the list of keys, each two once."""


def group_pairs(keys: Sequence[str]) -> dict[str, Group]:
    """Name of each group -> the comparisons in it, :data:`EVERY` first.

    The last group is part of another: the two directions between the same languages.
    Groups without a comparison are left out; keys that are no pairs give no groups.
    """
    groups: dict[str, Group] = {EVERY: list(combinations(range(len(keys)), 2))}
    try:
        pairs = [Pair.parse(key) for key in keys]
    except LassError:
        return groups
    hub = hub_of(pairs)
    centred = all(hub in (pair.source, pair.target) for pair in pairs)
    names = (f"{hub}→X", f"X→{hub}", "between")
    if not centred:
        names = ("shared source", "shared target", "neither shared")
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
