"""How well a tree says what the distances are, and whether any tree could."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lass_plugin.analysis.trees.topology import Tree


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
