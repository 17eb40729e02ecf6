"""Trees with a root: to write them down, to draw them, to read clades off them."""

import re
from dataclasses import dataclass, replace

import numpy as np

from lass_plugin.analysis.trees.topology import Tree, children

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
