"""The tree whose path lengths are nearest to distances, by weighted least squares.

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

import functools
from dataclasses import dataclass
from typing import Callable, Sequence

import numpy as np

from lass_plugin.analysis.trees.neighbour_joining import join, need
from lass_plugin.analysis.trees.topology import (
    Splits,
    Tree,
    all_topologies,
    interchanges,
    paths,
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


@dataclass(frozen=True)
class LeastSquares:
    """The best tree found, and how."""

    tree: Tree
    residual: float
    """Q, the weighted residual sum of squares."""
    best: bool
    """Whether no tree can be better: every tree was tried, or this one is exact."""
    tried: int
    """Number of trees that were tried."""


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
) -> LeastSquares:
    """Find the weighted least squares tree.

    Args:
        leaves: three at least.
        distances: ``(n, n)`` symmetric, not negative.
        weights: ``(n, n)`` symmetric, positive off the diagonal.
        advance: is called with the number of trees done since the last call;
            :func:`amount_of_work` in all.
    """
    pairs = np.triu_indices(len(leaves), 1)
    root = np.sqrt(weights[pairs])
    problem = _Problem(len(leaves), root, root * distances[pairs])
    start = join(leaves, distances).splits
    splits, tried = _interchange(problem, start, advance)
    exact = problem.solve(splits)[1] <= problem.margin  # no tree can be better
    if len(leaves) <= EXHAUSTIVE and not exact:
        splits, tried = _try_all(problem, splits, advance)
    lengths, residual = problem.solve(splits)
    tree = Tree(leaves, splits, tuple(map(float, lengths))).without_zero_edges()
    return LeastSquares(tree, residual, exact or len(leaves) <= EXHAUSTIVE, tried)


def amount_of_work(leaves: int) -> int:
    """(2n − 5)!!, the number of trees to try; 0 where it is not known before."""
    if leaves > EXHAUSTIVE:
        return 0
    return int(np.prod(np.arange(1, 2 * leaves - 4, 2), dtype=np.int64))


@dataclass(frozen=True)
class _Problem:
    """Distances and weights, in the order of ``np.triu_indices``."""

    leaves: int
    root: np.ndarray
    """``(pairs,)`` square roots of the weights."""
    scaled: np.ndarray
    """``(pairs,)`` distances times *root*."""

    def solve(self, splits: Splits) -> tuple[np.ndarray, float]:
        """Lengths (edges,) ≥ 0 of the best fit on one topology, and its Q."""
        nnls = need("scipy.optimize").nnls
        design = paths(splits, self.leaves) * self.root[:, None]
        lengths, norm = nnls(design, self.scaled)
        return lengths, float(norm) ** 2

    def chunk(self, edges: int) -> int:
        """Number of trees whose equations are held at once."""
        return max(1, _MEMORY // (8 * len(self.root) * edges))

    @functools.cached_property
    def margin(self) -> float:
        """Differences of Q below this are rounding."""
        return _BETTER * float(self.scaled @ self.scaled)


def _try_all(
    problem: _Problem, start: Splits, advance: Callable[[int], object]
) -> tuple[Splits, int]:
    """The best of all binary trees; *start* is a good one."""
    trees = all_topologies(problem.leaves)
    bits = np.arange(problem.leaves)[:, None]
    first, second = np.triu_indices(problem.leaves, 1)
    best, residual = start, problem.solve(start)[1]
    size = problem.chunk(trees.shape[1])
    for place in range(0, len(trees), size):
        chunk = trees[place : place + size]
        sides = (chunk[:, None, :] >> bits) & 1  # (trees, leaves, edges)
        designs = (sides[:, first] ^ sides[:, second]).astype(np.float64)
        best, residual = _best_of(problem, designs, chunk, (best, residual))
        advance(len(chunk))
    return best, len(trees)


def _interchange(
    problem: _Problem, splits: Splits, advance: Callable[[int], object]
) -> tuple[Splits, int]:
    """Take the best interchange again and again, until none makes Q smaller."""
    residual, tried = problem.solve(splits)[1], 1
    size = problem.chunk(len(splits))
    while True:
        best = splits
        candidates = list(interchanges(splits, problem.leaves))
        for place in range(0, len(candidates), size):
            chunk = candidates[place : place + size]
            designs = np.stack([paths(tree, problem.leaves) for tree in chunk])
            best, residual = _best_of(problem, designs, chunk, (best, residual))
        tried += len(candidates)
        advance(0)
        if best is splits:
            return splits, tried
        splits = best


def _best_of(
    problem: _Problem,
    designs: np.ndarray,
    trees: Sequence[Splits] | np.ndarray,
    best: tuple[Splits, float],
) -> tuple[Splits, float]:
    """The best of *trees* and its Q, if that is below *best*'s, else *best*.

    Args:
        designs: ``(trees, pairs, edges)`` of :func:`.topology.paths`.
    """
    for place in _not_ruled_out(problem, designs, best[1] - problem.margin):
        splits = tuple(map(int, trees[place]))
        residual = problem.solve(splits)[1]
        if residual < best[1] - problem.margin:
            best = splits, residual
    return best


def _not_ruled_out(problem: _Problem, designs: np.ndarray, limit: float) -> list[int]:
    """Trees whose Q may be below *limit*, those of the lowest bounds first.

    Args:
        designs: ``(trees, pairs, edges)`` of :func:`.topology.paths`.
    """
    designs *= problem.root[:, None]
    across = designs.transpose(0, 2, 1)
    right = across @ problem.scaled  # b, (trees, edges)
    inverse = np.linalg.inv(across @ designs)
    lengths = (inverse @ right[..., None])[..., 0]
    total = float(problem.scaled @ problem.scaled)
    bounds = total - (right * lengths).sum(axis=1)
    alive = np.arange(len(designs))
    raised = right  # b + μ
    for _ in range(_SWEEPS):
        kept = bounds < limit
        alive, bounds, right, raised, lengths, inverse = (
            array[kept] for array in (alive, bounds, right, raised, lengths, inverse)
        )
        if not len(alive):
            break
        raised = raised.copy()
        for edge in range(lengths.shape[1]):
            step = -lengths[:, edge] / inverse[:, edge, edge]
            step = np.maximum(step, right[:, edge] - raised[:, edge])
            raised[:, edge] += step
            lengths += inverse[:, edge] * step[:, None]
        bounds = total - (raised * lengths).sum(axis=1)
    return alive[np.argsort(bounds, kind="stable")].tolist()
