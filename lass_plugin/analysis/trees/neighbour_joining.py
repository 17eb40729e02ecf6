"""Neighbour joining (Saitou and Nei 1987), as Biopython does it."""

import importlib
from typing import Any

import numpy as np

from lass_plugin.analysis.trees.topology import Tree, split_of
from lass_plugin.errors import LassError


def need(module: str) -> Any:
    """Import *module* of the extra ``trees``, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        name = {"Bio": "biopython"}.get(package, package)
        raise LassError(
            f"'lass tree' needs {name}, which cannot be imported ({error}); install "
            'the extra "trees": pip install "lass-plugin[trees]"'
        ) from error


def join(leaves: tuple[str, ...], distances: np.ndarray) -> Tree:
    """The neighbour joining tree, which is binary, of three leaves at least.

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
    lengths = {}
    for clade in joined.find_clades():
        if clade is not joined.root:
            side = sum(1 << int(tip.name) for tip in clade.get_terminals())
            lengths[split_of(side, len(leaves))] = clade.branch_length
    splits = tuple(sorted(lengths))
    return Tree(leaves, splits, tuple(lengths[split] for split in splits))
