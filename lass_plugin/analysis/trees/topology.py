"""Trees: unrooted as sets of splits, and with a root, to write and to draw them.

Every edge of a tree parts its leaves in two. An edge is written as the set of leaves on
its side *without* leaf 0, as bits of an integer: bit i stands for leaf i. The sets of a
tree are nested or disjoint, as if the tree hung from leaf 0, and they determine it.
"""

import re
from dataclasses import dataclass, replace
from typing import Iterable

import numpy as np

Splits = tuple[int, ...]
"""The edges of a tree, each once."""

ZERO = 1e-9
"""Edges below this share of the longest are no edges."""

STAR = 5.0
"""A tree looks like a star if its leaf edges are this many times its inner edges."""


@dataclass(frozen=True)
class Tree:
    """An unrooted tree with lengths; its inner nodes may have any number of edges."""

    leaves: tuple[str, ...]
    splits: Splits
    lengths: tuple[float, ...]
    """In the order of *splits*; neighbour joining can make some negative."""

    def distances(self) -> np.ndarray:
        """``(leaves, leaves)`` sums of lengths along the paths."""
        count = len(self.leaves)
        matrix = np.zeros((count, count))
        matrix[np.triu_indices(count, 1)] = paths(self.splits, count) @ self.lengths
        return matrix + matrix.T

    def inner_splits(self) -> set[int]:
        """The edges that do not lead to a leaf: they are what trees differ in."""
        return {split for split in self.splits if is_inner(split, len(self.leaves))}

    def without_zero_edges(self) -> "Tree":
        """The same distances without inner edges of no length."""
        least = ZERO * max(map(abs, self.lengths))
        kept = [
            (split, length)
            for split, length in zip(self.splits, self.lengths, strict=True)
            if abs(length) > least or not is_inner(split, len(self.leaves))
        ]
        splits, lengths = zip(*kept, strict=True)
        return Tree(self.leaves, splits, lengths)

    def with_shorter_leaves(self) -> tuple["Tree", float]:
        """A tree to draw where this one would look like a star, and by how much its
        leaf edges, all of them, are shorter; this tree and 0 elsewhere.

        The shortest leaf edge becomes as long as the longest inner edge.
        """
        count = len(self.leaves)
        inner = [is_inner(split, count) for split in self.splits]
        edges = list(zip(self.lengths, inner, strict=True))
        longest = max((length for length, within in edges if within), default=0.0)
        shortest = min(length for length, within in edges if not within)
        if longest <= 0 or shortest < STAR * longest:
            return self, 0.0
        cut = shortest - longest
        lengths = tuple(length - cut * (not within) for length, within in edges)
        return Tree(self.leaves, self.splits, lengths), cut


def split_of(side: int, leaves: int) -> int:
    """One side of an edge, as bits -> the side without leaf 0."""
    return ((1 << leaves) - 1) & ~side if side & 1 else side


def is_inner(split: int, leaves: int) -> bool:
    """Whether each side of *split* has two leaves at least."""
    return 2 <= split.bit_count() <= leaves - 2


def paths(splits: Splits | np.ndarray, leaves: int) -> np.ndarray:
    """1 where the edge lies between the two leaves, else 0.

    Args:
        splits: ``(edges,)``, or those of many trees, ``(trees, edges)``.

    Returns:
        ``(…, pairs, edges)``, the pairs in the order of ``np.triu_indices(leaves, 1)``.
    """
    bits = np.arange(leaves)[:, None]
    sides = np.asarray(splits, _integers(leaves))[..., None, :] >> bits & 1
    first, second = np.triu_indices(leaves, 1)
    return (sides[..., first, :] ^ sides[..., second, :]).astype(np.float64)


def _integers(leaves: int) -> type:
    """What holds a set of leaves in an array: an int64 has 63 bits to spare."""
    return np.int64 if leaves < 64 else object


def all_topologies(leaves: int) -> np.ndarray:
    """``((2n − 5)!!, 2n − 3)`` int64: the splits of every binary tree of n leaves.

    Each leaf from the fourth on is hung on every edge of every tree so far: the edge
    becomes two, and every set that holds it grows by the new leaf.
    """
    trees = np.array([[0b010, 0b100, 0b110]], dtype=np.int64)
    for leaf in range(3, leaves):
        new = np.int64(1 << leaf)
        grown = []
        for edge in range(trees.shape[1]):
            cut = trees[:, edge : edge + 1]
            above = (trees & cut) == cut
            above[:, edge] = False
            sets = np.where(above, trees | new, trees)
            leg = np.full_like(cut, new)
            grown.append(np.concatenate([sets, cut | new, leg], axis=1))
        trees = np.concatenate(grown)
    return trees


def children(clade: int, clades: Iterable[int]) -> list[int]:
    """The largest of *clades* that are parts of *clade*."""
    below = [c for c in clades if c != clade and c & clade == c]
    return [c for c in below if not any(c != d and c & d == c for d in below)]


def interchanges(splits: Splits, leaves: int) -> np.ndarray:
    """``(2n − 6, 2n − 3)``: the trees one nearest-neighbour interchange away from a
    binary tree.

    An inner edge has two subtrees below it and one beside it; either of the two changes
    place with the third.
    """
    trees = []
    for place, split in enumerate(splits):
        if not is_inner(split, leaves):
            continue
        above = [s for s in splits if s != split and s & split == split]
        beside = min(above, key=int.bit_count) & ~split
        for child in children(split, splits):
            trees.append((*splits[:place], child | beside, *splits[place + 1 :]))
    return np.array(trees, _integers(leaves))


_NEAR = 1e-9
"""A midpoint this near to a node, as a share of the longest path, is the node."""


@dataclass(frozen=True)
class Node:
    """A node with all that hangs from it."""

    leaves: tuple[int, ...]
    """Numbers of the leaves below, as they are drawn; its own if it is one."""
    length: float
    """Of the edge above; 0 at the root."""
    children: tuple["Node", ...] = ()


class _Clades:
    """The clades of a tree whose root is on the edge above *beyond*: each side of an
    edge that has no part of the root, with the edge's length."""

    def __init__(self, tree: Tree, beyond: int):
        self.everything = (1 << len(tree.leaves)) - 1
        self.lengths = {
            side: length
            for split, length in zip(tree.splits, tree.lengths, strict=True)
            for side in (split, self.everything ^ split)
            if side & beyond in (0, side)
        }

    def hang(self, clade: int, length: float) -> Node:
        """*clade* with all that is in it; small subtrees first."""
        below = [self.hang(c, self.lengths[c]) for c in children(clade, self.lengths)]
        below.sort(key=lambda node: (len(node.leaves), min(node.leaves)))
        leaves = tuple(leaf for node in below for leaf in node.leaves)
        return Node(leaves or (clade.bit_length() - 1,), length, tuple(below))


def _at_end(tree: Tree, beyond: int) -> Node:
    """Hang *tree* from the node where *beyond*, a side of an edge, begins."""
    clades = _Clades(tree, beyond)
    del clades.lengths[beyond]
    return clades.hang(clades.everything, 0.0)


def at_inner_node(tree: Tree) -> Node:
    """Hang *tree* from the inner node next to the first leaf: a tree without a root is
    written and drawn from there."""
    return _at_end(tree, (1 << len(tree.leaves)) - 2)


def at_midpoint(tree: Tree) -> Node:
    """Root *tree* in the middle of its longest path (Farris 1972).

    Edges of negative length count as zero. Of several longest paths the first is taken,
    in the order of the leaves; a tree without lengths is rooted by
    :func:`at_inner_node`.
    """
    cut = replace(tree, lengths=tuple(max(length, 0.0) for length in tree.lengths))
    distances = cut.distances()
    farthest = float(distances.max())
    if farthest <= 0:
        return at_inner_node(cut)
    near = np.argwhere(np.triu(distances, 1) >= farthest * (1 - _NEAR))
    first, last = (int(leaf) for leaf in near[0])
    everything = (1 << len(tree.leaves)) - 1
    path = [
        (split if split >> last & 1 else everything ^ split, length)
        for split, length in zip(cut.splits, cut.lengths, strict=True)
        if (split >> first ^ split >> last) & 1
    ]  # the edges between the two, each as its side with the last leaf
    left = farthest / 2
    for beyond, length in sorted(path, key=lambda edge: -edge[0].bit_count()):
        if abs(left - length) <= _NEAR * farthest and beyond.bit_count() > 1:
            return _at_end(cut, beyond)
        if left <= length:
            break
        left -= length
    hang = _Clades(cut, beyond).hang
    halves = (hang(everything ^ beyond, left), hang(beyond, length - left))
    smaller, larger = sorted(halves, key=lambda half: len(half.leaves))
    return Node(smaller.leaves + larger.leaves, 0.0, (smaller, larger))


def newick(root: Node, leaves: tuple[str, ...]) -> str:
    """The tree in Newick format, with lengths."""
    return f"{_newick(root, leaves, top=True)};"


def _newick(node: Node, leaves: tuple[str, ...], top: bool = False) -> str:
    text = _quote(leaves[node.leaves[0]])
    if node.children:
        text = f"({','.join(_newick(child, leaves) for child in node.children)})"
    return text if top else f"{text}:{node.length:.10g}"


def _quote(name: str) -> str:
    """A name as Newick has it: an underscore without quotes would be a blank."""
    if re.fullmatch(r"[A-Za-z0-9.@-]+", name):
        return name
    return "'" + name.replace("'", "''") + "'"
