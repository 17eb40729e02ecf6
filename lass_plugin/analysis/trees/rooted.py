"""Trees with a root: to write them down, to draw them, to read clades off them."""

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Iterator

import numpy as np

from lass_plugin.analysis.trees.topology import Tree

_NEAR = 1e-9
"""A midpoint this near to a node, as a share of the longest path, is the node."""


@dataclass(frozen=True)
class Node:
    """A node with all that hangs from it."""

    leaf: int | None
    """Number of the leaf; None for an inner node."""
    length: float
    """Of the edge above; 0 at the root."""
    children: tuple["Node", ...] = ()

    def leaves(self) -> Iterator[int]:
        """Numbers of the leaves below, as they are drawn."""
        if self.leaf is not None:
            yield self.leaf
        for child in self.children:
            yield from child.leaves()


class _Graph:
    """The nodes of a tree and the lengths between neighbours."""

    def __init__(self, tree: Tree, lengths: list[float]):
        self.neighbours: dict[int, dict[int, float]] = defaultdict(dict)
        self.leaf: dict[int, int] = {0: 0}  # a node is named by the split above it
        for split, length in zip(tree.splits, lengths, strict=True):
            above = [s for s in tree.splits if s != split and s & split == split]
            parent = min(above, key=int.bit_count) if above else 0
            self.neighbours[split][parent] = length
            self.neighbours[parent][split] = length
            if split.bit_count() == 1:
                self.leaf[split] = split.bit_length() - 1

    def hang(self, node: int, above: int | None, length: float) -> Node:
        """*node* with all but what lies beyond *above*; small subtrees first."""
        children = [
            self.hang(other, node, far)
            for other, far in self.neighbours[node].items()
            if other != above
        ]
        children.sort(key=lambda c: (len(list(c.leaves())), min(c.leaves())))
        return Node(self.leaf.get(node), length, tuple(children))

    def path(self, start: int, end: int, above: int | None = None) -> list[int]:
        """The nodes from *start* to *end*; empty if *end* is not beyond *start*."""
        if start == end:
            return [start]
        for other in self.neighbours[start]:
            if other != above and (rest := self.path(other, end, start)):
                return [start, *rest]
        return []


def at_inner_node(tree: Tree) -> Node:
    """Hang *tree* from the inner node next to the first leaf: a tree without a root is
    written and drawn from there."""
    everything = (1 << len(tree.leaves)) - 2
    return _Graph(tree, list(tree.lengths)).hang(everything, None, 0.0)


def at_midpoint(tree: Tree) -> Node:
    """Root *tree* in the middle of its longest path (Farris 1972).

    Edges of negative length count as zero. Of several longest paths the first is taken,
    in the order of the leaves; a tree without lengths is rooted by
    :func:`at_inner_node`.
    """
    lengths = [max(length, 0.0) for length in tree.lengths]
    cut = Tree(tree.leaves, tree.splits, tuple(lengths))
    distances = cut.distances()
    farthest = float(distances.max())
    if farthest <= 0:
        return at_inner_node(cut)
    near = np.argwhere(np.triu(distances, 1) >= farthest * (1 - _NEAR))
    first, last = (int(leaf) for leaf in near[0])
    graph = _Graph(cut, lengths)
    path = graph.path(1 << first if first else 0, 1 << last)
    left = farthest / 2
    for here, there in zip(path[:-1], path[1:], strict=True):
        length = graph.neighbours[here][there]
        if abs(left - length) <= _NEAR * farthest and there not in graph.leaf:
            return graph.hang(there, None, 0.0)
        if left <= length:
            break
        left -= length
    halves = (graph.hang(here, there, left), graph.hang(there, here, length - left))
    return Node(None, 0.0, tuple(sorted(halves, key=lambda c: len(list(c.leaves())))))


def newick(root: Node, leaves: tuple[str, ...]) -> str:
    """The tree in Newick format, with lengths."""
    return f"{_newick(root, leaves, top=True)};"


def _newick(node: Node, leaves: tuple[str, ...], top: bool = False) -> str:
    text = "" if node.leaf is None else _quote(leaves[node.leaf])
    if node.children:
        text = f"({','.join(_newick(child, leaves) for child in node.children)}){text}"
    return text if top else f"{text}:{node.length:.10g}"


def _quote(name: str) -> str:
    """A name as Newick has it: an underscore without quotes would be a blank."""
    if re.fullmatch(r"[A-Za-z0-9.@-]+", name):
        return name
    return "'" + name.replace("'", "''") + "'"
