"""Is a tree of languages that of their families, and could that be chance?

Two scores. The Robinson–Foulds distance (1981) counts the inner edges that only one of
two trees has, the tree and that of the families. Dendrogram purity (Heller and
Ghahramani 2005) takes every two leaves of one family and the smallest clade that holds
both, in the tree rooted at its midpoint, and averages the share of the clade that is of
that family. Their p-values say how often families that are dealt out to the leaves at
random do as well.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from math import factorial, prod
from typing import Callable, Iterator, Mapping, Sequence

import numpy as np

from lass_plugin.analysis.trees.topology import (
    Node,
    Tree,
    at_midpoint,
    is_inner,
    split_of,
)

EXACT = 20_000
"""Most arrangements of families that are all tried."""
DRAWN = 10_000
"""Arrangements that are tried where there are more, the true one among them."""
SEED = 1


@dataclass(frozen=True)
class FamilyFit:
    """A tree against the families of its leaves."""

    leaves: int
    """Leaves that have a family; the others are cut off the tree before."""
    families: int
    robinson_foulds: int
    """Inner edges that only one of the two trees has."""
    most: int
    """Inner edges of both: the distance of trees that share none."""
    family_edges: int
    """Inner edges of the tree of families."""
    found: int
    """How many of these the tree has."""
    robinson_foulds_p: float
    purity: float | None
    """1 where every family is a clade; None if each family has one leaf."""
    purity_p: float | None
    arrangements: int
    """Ways to deal the families out that were tried, the true one among them."""
    exact: bool
    """Whether these were all ways there are."""


def compare_with_families(
    tree: Tree,
    families: Mapping[str, str | None],
    advance: Callable[[int], object] = lambda amount: None,
) -> FamilyFit | None:
    """Compare *tree* with the tree of the families of its leaves.

    Args:
        families: leaf -> family, or a path with slashes such as
            ``Indo-European/Germanic``, all groups of which are in the tree of families;
            None leaves a leaf out. Purity is that of whole paths.
        advance: is called after each arrangement; :func:`amount_of_work` in all.

    Returns:
        None where the families say nothing: fewer than four leaves have one, or they
        part the leaves nowhere (all in one, or each its own).
    """
    known = [leaf for leaf in tree.leaves if families.get(leaf)]
    if len(known) < 4:
        return None
    tree = restrict(tree, known)
    paths = [families[leaf] or "" for leaf in known]
    own, theirs = tree.inner_splits(), family_splits(paths)
    same = [p for p, count in Counter(paths).items() if count > 1]
    if not theirs and (not same or len(set(paths)) == 1):
        return None
    purity = Purity(at_midpoint(tree), len(known))
    distance, pure = len(own ^ theirs), purity.of(paths)
    as_near = as_pure = tried = 0
    for arranged in _arrangements(paths):
        tried += 1
        advance(1)
        as_near += len(own ^ family_splits(arranged)) <= distance
        if pure is not None:
            as_pure += (purity.of(arranged) or 0.0) >= pure - 1e-12
    return FamilyFit(
        leaves=len(known),
        families=len(set(paths)),
        robinson_foulds=distance,
        most=len(own) + len(theirs),
        family_edges=len(theirs),
        found=len(own & theirs),
        robinson_foulds_p=as_near / tried,
        purity=pure,
        purity_p=None if pure is None else as_pure / tried,
        arrangements=tried,
        exact=_ways(paths) <= EXACT,
    )


def amount_of_work(families: Mapping[str, str | None]) -> int:
    """Number of arrangements that :func:`compare_with_families` tries at most."""
    ways = _ways([path for path in families.values() if path])
    return ways if ways <= EXACT else DRAWN


def _ways(paths: Sequence[str]) -> int:
    """Number of different ways to deal out the families."""
    return factorial(len(paths)) // prod(map(factorial, Counter(paths).values()))


def family_splits(paths: Sequence[str]) -> set[int]:
    """Inner edges of the tree of families, as splits: one for each group of leaves that
    has a beginning of the path in common."""
    groups: dict[str, int] = {}
    for leaf, path in enumerate(paths):
        names = path.split("/")
        for depth in range(1, len(names) + 1):
            name = "/".join(names[:depth])
            groups[name] = groups.get(name, 0) | 1 << leaf
    splits = {split_of(group, len(paths)) for group in groups.values()}
    return {split for split in splits if is_inner(split, len(paths))}


def family_tree(families: Mapping[str, str | None]) -> Tree | None:
    """The tree of the families alone, an edge of length 1 for each group (Lin 2021,
    Fig. 5); all leaves are as far from the root.

    Returns:
        None where fewer than three leaves have a family.
    """
    paths = {leaf: path.split("/") for leaf, path in families.items() if path}
    if len(paths) < 3:
        return None
    deepest = max(map(len, paths.values()))
    lengths: dict[int, float] = {}
    groups: dict[tuple[str, ...], int] = {}
    for number, names in enumerate(paths.values()):
        lengths[split_of(1 << number, len(paths))] = 1.0 + deepest - len(names)
        for depth in range(1, len(names) + 1):
            group = tuple(names[:depth])
            groups[group] = groups.get(group, 0) | 1 << number
    for members in groups.values():
        if side := split_of(members, len(paths)):
            lengths[side] = lengths.get(side, 0.0) + 1.0
    return Tree(tuple(paths), tuple(lengths), tuple(lengths.values()))


class Purity:
    """Dendrogram purity of one rooted tree, for any families of its leaves."""

    def __init__(self, root: Node, leaves: int):
        self._pairs = np.array(list(combinations(range(leaves), 2)))  # (pairs, 2)
        smallest = np.ones((leaves, leaves, leaves), dtype=bool)

        def visit(node: Node) -> None:
            """From the root down: the clade that is set last is the smallest."""
            members = np.zeros(leaves, dtype=bool)
            members[[*node.leaves]] = True
            smallest[np.ix_(node.leaves, node.leaves)] = members
            for child in node.children:
                visit(child)

        visit(root)
        self._clades = smallest[self._pairs[:, 0], self._pairs[:, 1]]  # (pairs, leaves)
        self._sizes = self._clades.sum(axis=1)

    def of(self, families: Sequence[str]) -> float | None:
        """Purity with the family of each leaf; None if no two leaves share one."""
        numbers = np.unique(np.array(families), return_inverse=True)[1]
        one, other = numbers[self._pairs[:, 0]], numbers[self._pairs[:, 1]]
        same = one == other
        if not same.any():
            return None
        alike = self._clades[same] & (numbers[None, :] == one[same][:, None])
        return float((alike.sum(axis=1) / self._sizes[same]).mean())


def restrict(tree: Tree, kept: Sequence[str]) -> Tree:
    """The part of a tree that joins the leaves *kept*, in their order in the tree."""
    places = [tree.leaves.index(leaf) for leaf in kept]
    lengths: dict[int, float] = {}
    for split, length in zip(tree.splits, tree.lengths, strict=True):
        side = sum(1 << new for new, old in enumerate(places) if split >> old & 1)
        if side := split_of(side, len(kept)):
            lengths[side] = lengths.get(side, 0.0) + length
    return Tree(tuple(kept), tuple(lengths), tuple(lengths.values()))


def _arrangements(paths: list[str]) -> Iterator[list[str]]:
    """The families dealt out to the leaves: every way, or the true one and random
    ones."""
    if _ways(paths) <= EXACT:
        yield from _every_way(Counter(sorted(paths)))
        return
    generator = np.random.default_rng(SEED)
    yield paths
    for _ in range(DRAWN - 1):
        yield [paths[place] for place in generator.permutation(len(paths))]


def _every_way(counts: Counter[str]) -> Iterator[list[str]]:
    if not counts:
        yield []
    for path in counts:
        for rest in _every_way(counts - Counter([path])):
            yield [path, *rest]
