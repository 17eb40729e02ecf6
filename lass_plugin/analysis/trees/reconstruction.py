"""Trees made of distances by neighbour joining and by weighted least squares, and how
well they fit.

The latter is the tree whose path lengths are nearest to the distances:

    Q(tree) = Σ_{i<j} w_ij (d_ij − δ_ij)²,   w_ij = 1 / d_ij^p

with δ the path lengths of the tree, none of its edges below zero (Makarenkov and
Leclerc 1999, the method MW of T-REX, which He 2023 uses). p = 0, all weights 1, is the
default here as in T-REX; p = 2 is the criterion of Fitch and Margoliash (1967).

MW adds leaf by leaf and improves the result. Up to :data:`EXHAUSTIVE` leaves every
binary tree is tried here, so the result is the best there is. Beyond, neighbour joining
is improved by nearest-neighbour interchanges until none helps, which may end in a tree
that is not the best.

Most trees are ruled out by a bound instead of being fitted. For the normal equations
G x = b of a tree and any μ ≥ 0, with x = G⁻¹ (b + μ),

    Q ≥ Σ w d² − (b + μ)ᵀ x

for all lengths that are not negative; μ = 0 gives Q for lengths of either sign, and
Hildreth's (1957) steps on one μ after the other raise the bound.
"""

import importlib
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Callable

import numpy as np

from lass_plugin.analysis.trees.topology import (
    Splits,
    Tree,
    all_topologies,
    interchanges,
    paths,
    split_of,
)
from lass_plugin.errors import LassError

EXHAUSTIVE = 9
"""Most leaves of which every tree is tried: 135,135 trees, some seconds."""

_MEMORY = 40_000_000
"""Bytes of the equations that are held at once, about."""

_SWEEPS = 40
"""Rounds of steps that raise the bounds; trees that remain are fitted."""

_BETTER = 1e-10
"""Least gain, relative to Σ w d², for a tree to count as better than another."""


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


def power_weights(distances: np.ndarray, power: float) -> np.ndarray:
    """``(n, n)`` weights 1 / d^power, 1 where *power* is 0; the diagonal is 0.

    Raises:
        LassError: a distance is zero and *power* is not.
    """
    count = len(distances)
    apart = ~np.eye(count, dtype=bool)
    if power and (distances[apart] <= 0).any():
        raise LassError(
            f"some distances are zero and have no weight 1 / d^{power:g}; use equal "
            "weights (--weights-power 0)"
        )
    weights = np.zeros((count, count))
    weights[apart] = distances[apart] ** -power if power else 1.0
    return weights


def fit_tree(
    leaves: tuple[str, ...],
    distances: np.ndarray,
    weights: np.ndarray,
    advance: Callable[[int], object] = lambda amount: None,
) -> tuple[Tree, bool, int]:
    """Find the weighted least squares tree.

    Args:
        leaves: three at least.
        distances: ``(n, n)`` symmetric, not negative.
        weights: ``(n, n)`` symmetric, positive off the diagonal.
        advance: is called with the number of trees done since the last call;
            :func:`trees_to_try` in all.

    Returns:
        The best tree found; whether no tree can be better, as every tree was tried or
        this one is exact; and the number of trees that were tried.
    """
    count = len(leaves)
    problem = _Problem(distances, weights)
    splits, before, tried = join(leaves, distances).splits, None, 1
    while splits != before:
        before = splits
        trees = interchanges(splits, count)
        splits = problem.best_of(trees, splits, lambda amount: advance(0))
        tried += len(trees)
    best = problem.solve(splits)[1] <= problem.margin  # it is exact
    if count <= EXHAUSTIVE and not best:
        trees = all_topologies(count)
        splits = problem.best_of(trees, splits, advance)
        best, tried = True, len(trees)
    lengths = problem.solve(splits)[0]
    tree = Tree(leaves, splits, tuple(map(float, lengths))).without_zero_edges()
    return tree, best, tried


def trees_to_try(leaves: int) -> int:
    """(2n − 5)!!, the number of trees to try; 0 where it is not known before."""
    if leaves > EXHAUSTIVE:
        return 0
    return int(np.prod(np.arange(1, 2 * leaves - 4, 2), dtype=np.int64))


class _Problem:
    """Distances and weights ``(n, n)``, in the order of ``np.triu_indices``."""

    def __init__(self, distances: np.ndarray, weights: np.ndarray):
        self.leaves = len(distances)
        pairs = np.triu_indices(self.leaves, 1)
        self.root = np.sqrt(weights[pairs])  # (pairs,)
        self.scaled = self.root * distances[pairs]  # (pairs,)
        self.total = float(self.scaled @ self.scaled)
        self.margin = _BETTER * self.total  # differences of Q below are rounding

    def solve(self, splits: Splits) -> tuple[np.ndarray, float]:
        """Lengths (edges,) ≥ 0 of the best fit on one topology, and its Q."""
        nnls = need("scipy.optimize").nnls
        design = paths(splits, self.leaves) * self.root[:, None]
        lengths, norm = nnls(design, self.scaled)
        return lengths, float(norm) ** 2

    def best_of(
        self, trees: np.ndarray, best: Splits, advance: Callable[[int], object]
    ) -> Splits:
        """The best of *trees*, ``(trees, edges)``, and the tree *best*."""
        residual = self.solve(best)[1]
        size = max(1, _MEMORY // (8 * len(self.root) * len(best)))
        for place in range(0, len(trees), size):
            chunk = trees[place : place + size]
            for number in self._not_ruled_out(chunk, residual - self.margin):
                splits = tuple(map(int, chunk[number]))
                found = self.solve(splits)[1]
                if found < residual - self.margin:
                    best, residual = splits, found
            advance(len(chunk))
        return best

    def _not_ruled_out(self, trees: np.ndarray, limit: float) -> list[int]:
        """Trees whose Q may be below *limit*, those of the lowest bounds first."""
        designs = paths(trees, self.leaves)  # (trees, pairs, edges)
        designs *= self.root[:, None]
        across = designs.transpose(0, 2, 1)
        right = across @ self.scaled  # b, (trees, edges)
        inverse = np.linalg.inv(across @ designs)
        lengths = (inverse @ right[..., None])[..., 0]
        bounds = self.total - (right * lengths).sum(axis=1)
        alive = np.arange(len(designs))
        raised = right  # b + μ
        for _ in range(_SWEEPS):
            kept = bounds < limit
            alive, bounds, right, raised, lengths, inverse = (
                array[kept]
                for array in (alive, bounds, right, raised, lengths, inverse)
            )
            if not len(alive):
                break
            raised = raised.copy()
            for edge in range(lengths.shape[1]):
                step = -lengths[:, edge] / inverse[:, edge, edge]
                step = np.maximum(step, right[:, edge] - raised[:, edge])
                raised[:, edge] += step
                lengths += inverse[:, edge] * step[:, None]
            bounds = self.total - (raised * lengths).sum(axis=1)
        return alive[np.argsort(bounds, kind="stable")].tolist()


@dataclass(frozen=True)
class Fit:
    """Distances d against path lengths δ of a tree, over every two leaves."""

    residual: float
    """Σ w (d − δ)²."""
    explained: float | None
    """1 − Σ w (d − δ)² / Σ w (d − d̄)², d̄ the weighted mean; None if all d are equal."""
    cophenetic: float | None
    """Pearson's correlation of d and δ, unweighted (Sokal and Rohlf 1962); None if one
    of them does not vary."""
    negative: int
    """Number of edges below zero (neighbour joining only)."""


def fit_of(tree: Tree, distances: np.ndarray, weights: np.ndarray) -> Fit:
    """Compare a tree with the distances that it was made of, both ``(n, n)``."""
    pairs = np.triu_indices(len(tree.leaves), 1)
    measured, fitted, w = distances[pairs], tree.distances()[pairs], weights[pairs]
    residual = float(w @ (measured - fitted) ** 2)
    spread = float(w @ (measured - np.average(measured, weights=w)) ** 2)
    varies = spread > 1e-20 * float(w @ measured**2)
    correlation = None
    if varies and np.ptp(fitted) > 1e-12 * fitted.max():
        correlation = float(np.corrcoef(measured, fitted)[0, 1])
    return Fit(
        residual=residual,
        explained=1 - residual / spread if varies else None,
        cophenetic=correlation,
        negative=sum(length < 0 for length in tree.lengths),
    )


def delta_score(distances: np.ndarray) -> float | None:
    """How far every four leaves are from a tree (Holland et al. 2002): 0 is a tree.

    Of the three sums d_ij + d_kl of four leaves, largest first, a tree makes the first
    two equal: δ = (s1 − s2) / (s1 − s3), 0 where all are equal; the mean over all
    fours. Nothing is fitted, so few leaves do not flatter it. Independent random
    distances give about one half.

    Args:
        distances: ``(n, n)``; None comes of fewer than four leaves.
    """
    count, total, fours = len(distances), 0.0, 0
    for first in range(count - 3):
        i, j, k = np.array(list(combinations(range(first + 1, count), 3))).T
        sums = np.stack(
            [
                distances[first, i] + distances[j, k],
                distances[first, j] + distances[i, k],
                distances[first, k] + distances[i, j],
            ]
        )
        sums.sort(axis=0)
        width = sums[2] - sums[0]
        flat = width <= 1e-12 * sums[2]
        total += float(((sums[2] - sums[1]) / np.where(flat, 1, width))[~flat].sum())
        fours += sums.shape[1]
    return total / fours if fours else None
