"""Neighbour joining (Saitou and Nei 1987), as Biopython does it."""

from typing import Any

import numpy as np

from lass_plugin.analysis.trees.packages import need
from lass_plugin.analysis.trees.topology import Tree


def join(leaves: tuple[str, ...], distances: np.ndarray) -> Tree:
    """The neighbour joining tree of three leaves at least.

    Args:
        distances: ``(n, n)`` symmetric.

    Returns:
        A tree whose lengths may be below zero: neighbour joining does not bound them.
    """
    construction = need("Bio.Phylo.TreeConstruction")
    names = [str(number) for number in range(len(leaves))]  # a leaf may have any name
    lower = [distances[i, : i + 1].tolist() for i in range(len(leaves))]
    matrix = construction.DistanceMatrix(names, lower)
    joined = construction.DistanceTreeConstructor().nj(matrix)
    everything = (1 << len(leaves)) - 1
    lengths: dict[int, float] = {}

    def visit(clade: Any) -> int:
        below = 0
        if clade.name in names:
            below |= 1 << int(clade.name)
        for child in clade.clades:
            side = visit(child)
            below |= side
            split = everything & ~side if side & 1 else side
            lengths[split] = lengths.get(split, 0.0) + (child.branch_length or 0.0)
        return below

    visit(joined.root)
    splits = tuple(sorted(lengths))
    return Tree(leaves, splits, tuple(lengths[split] for split in splits))
