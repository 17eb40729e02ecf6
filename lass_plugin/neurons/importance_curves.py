"""How the importance of neurons differs between pairs (Xie 2021, §5.1, Fig. 2).

The paper shows by eye that similar languages need the same neurons, and that "in most
neurons, the highest importance value is twice as high as the lowest". In numbers: the
rank correlation of the importance of every two pairs, and for each pair the share of
the neurons that are more than twice as important for it as for the pair that needs them
least.
"""

from dataclasses import dataclass
from typing import Iterable, Mapping, Sequence

import numpy as np

from lass_plugin.anatomy.components import parts_of
from lass_plugin.anatomy.places import FEED_FORWARD, SIDES, count_layers, find_place
from lass_plugin.errors import LassError
from lass_plugin.neurons.importance import Importance

PEAK = 2.0
"""A peak is above this times the lowest importance of the neuron."""

Theta = Mapping[str, np.ndarray]
"""Site -> ``(pairs, neurons)`` float64, Θ^m(i) of Eq. 7 or 8."""


@dataclass(frozen=True)
class Correlation:
    """Spearman's correlation of every two pairs, over the neurons of one part.

    NaN where it is not defined: all neurons are as important as each other for a pair.
    """

    neurons: int
    within: np.ndarray
    """``(pairs, pairs)`` mean over the sites, each by its neurons, of the correlation
    within the site: 0 where what one pair needs says nothing of the other."""
    together: np.ndarray
    """``(pairs, pairs)`` with all neurons in one ranking; raised where all pairs need
    some sites more than others."""


@dataclass(frozen=True)
class Peaks:
    """How many neurons of one part stand out."""

    neurons: int
    by_pair: dict[str, int]
    """Pair -> neurons more than :data:`PEAK` times as important for it as for the pair
    of the lowest importance."""
    any_pair: int
    """Those that are so for the pair of the highest importance."""


@dataclass(frozen=True)
class Comparison:
    """What is known of the importance of neurons for several pairs."""

    pairs: tuple[str, ...]
    """All that are compared; the rows of *theta*."""
    criterion: str
    average: str
    theta: Theta
    correlations: Mapping[str, Correlation]
    """Part of the model -> every two pairs."""
    peaks: Mapping[str, Peaks]
    """Part of the model -> neurons that stand out."""

    @property
    def how(self) -> str:
        """What the importance is, for captions."""
        return f"criterion {self.criterion}, mean over each {self.average}"


def compare_pairs(
    importance: Importance,
    pairs: Iterable[str] = (),
    criterion: str = "taylor",
    average: str = "token",
) -> Comparison:
    """Compare *pairs*, or all, in every part of the model.

    Args:
        criterion: see :meth:`.Importance.theta`, as for *average*.

    Raises:
        LassError: an unknown pair, or one pair only.
    """
    chosen = compared_pairs(importance, pairs)
    rows = [importance.pairs.index(pair) for pair in chosen]
    theta = {
        site: values[rows].cpu().numpy()
        for site, values in importance.theta(criterion, average).items()
    }
    return comparison_of(chosen, criterion, average, theta)


def comparison_of(
    pairs: Sequence[str], criterion: str, average: str, theta: Theta
) -> Comparison:
    """The comparison of *theta*, whose rows are *pairs*."""
    parts = parts_of(theta, "every")
    found = correlations(theta, parts), peaks(theta, parts, pairs)
    return Comparison(tuple(pairs), criterion, average, theta, *found)


def compared_pairs(importance: Importance, pairs: Iterable[str] = ()) -> list[str]:
    """The pairs to compare: *pairs*, or all.

    Raises:
        LassError: an unknown pair, or one pair only.
    """
    chosen = list(pairs) or importance.pairs
    for pair in chosen:
        if pair not in importance.pairs:
            raise LassError(
                f"the importance is not of {pair}; it is of "
                f"{', '.join(importance.pairs)}"
            )
    if len(chosen) < 2:
        raise LassError(
            f"there is one pair only ({', '.join(chosen)}) and nothing to compare it "
            "with; give two or more"
        )
    return chosen


def sites_to_draw(importance: Importance, sites: Iterable[str] = ()) -> list[str]:
    """*sites*, or the feed-forward ones of the last layer of encoder and decoder.

    Where no feed-forward neurons were measured, all sites of these layers.

    Raises:
        LassError: an unknown site.
    """
    known, chosen = list(importance.neurons), list(dict.fromkeys(sites))
    for site in chosen:
        if site not in known:
            raise LassError(f"there is no site {site}; choose from {', '.join(known)}")
    if chosen:
        return chosen
    last = {side: count - 1 for side, count in count_layers(known).items()}
    for side in SIDES:
        of_layer = {
            name: place.part
            for name in known
            if (place := find_place(name)).side == side and place.layer == last[side]
        }
        feed_forward = [name for name in of_layer if of_layer[name] in FEED_FORWARD]
        chosen += feed_forward or list(of_layer)
    return chosen


def correlations(
    theta: Theta, parts: Mapping[str, Sequence[str]]
) -> dict[str, Correlation]:
    """Compare every two pairs.

    Args:
        parts: name of a part of the model -> its sites.
    """
    by_site = {site: spearman(values) for site, values in theta.items()}
    result = {}
    for part, sites in parts.items():
        sizes = [theta[site].shape[1] for site in sites]
        together = spearman(np.concatenate([theta[site] for site in sites], axis=1))
        within = _mean([by_site[site] for site in sites], sizes)
        result[part] = Correlation(sum(sizes), within, together)
    return result


def _mean(matrices: Sequence[np.ndarray], weights: Sequence[int]) -> np.ndarray:
    """The weighted mean of each entry over the matrices that have it; else NaN."""
    values = np.stack(matrices)
    weight = np.where(np.isnan(values), 0.0, np.array(weights)[:, None, None])
    total = weight.sum(axis=0)
    found = (np.nan_to_num(values) * weight).sum(axis=0)
    return np.divide(found, total, out=np.full_like(total, np.nan), where=total > 0)


def spearman(values: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of every two rows: Pearson's, of their ranks.

    Args:
        values: ``(rows, n)``.

    Returns:
        ``(rows, rows)``, symmetric; NaN for rows whose values are all the same.
    """
    # twice the ranks, so that they are whole numbers and all sums are exact
    ranks = np.stack([2.0 * mean_ranks(row) for row in values])
    centred = ranks - (ranks.shape[1] + 1)
    products = centred @ centred.T
    squares = np.diagonal(products)
    scale = np.sqrt(np.outer(squares, squares))
    found = np.divide(
        products, scale, out=np.full_like(products, np.nan), where=scale > 0
    )
    np.fill_diagonal(found, np.where(squares > 0, 1.0, np.nan))
    return found.clip(-1.0, 1.0)


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """The ranks 1 to n of ``(n,)`` values; equal ones share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    return (last - (counts - 1) / 2)[place]


def peaks(
    theta: Theta, parts: Mapping[str, Sequence[str]], pairs: Sequence[str]
) -> dict[str, Peaks]:
    """Count the neurons that are much more important for a pair than for another.

    Args:
        parts: name of a part of the model -> its sites.
        pairs: the rows of *theta*.
    """
    above = {
        site: values > PEAK * values.min(axis=0, keepdims=True)
        for site, values in theta.items()
    }
    result = {}
    for part, sites in parts.items():
        chosen = np.concatenate([above[site] for site in sites], axis=1)
        counts = chosen.sum(axis=1).tolist()
        by_pair = dict(zip(pairs, counts, strict=True))
        result[part] = Peaks(chosen.shape[1], by_pair, int(chosen.any(axis=0).sum()))
    return result
