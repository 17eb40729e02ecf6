"""How the importance of neurons differs between pairs (Xie 2021, §5.1, Fig. 2).

The paper shows by eye that similar languages need the same neurons, and that "in most
neurons, the highest importance value is twice as high as the lowest". In numbers: the
rank correlation of the importance of every two pairs, and for each pair the share of
the neurons that are more than twice as important for it as for the pair that needs them
least.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Iterable, Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

from lass_plugin.anatomy.components import parts_of
from lass_plugin.anatomy.places import FEED_FORWARD, count_layers, find_place
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

    pairs: Sequence[str]
    """All that are compared; the rows of *theta*."""
    theta: Theta
    how: str
    """What the importance is, for captions."""

    @cached_property
    def correlations(self) -> dict[str, Correlation]:
        """Part of the model -> every two pairs."""
        return correlations(self.theta, parts_of(self.theta, "every"))

    @cached_property
    def peaks(self) -> dict[str, Peaks]:
        """Part of the model -> neurons that stand out."""
        return peaks(self.theta, parts_of(self.theta, "every"), self.pairs)


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
    rows = [importance.pairs.index(pair) for pair in chosen]
    found = importance.theta(criterion, average)
    theta = {site: values[rows].numpy() for site, values in found.items()}
    how = f"criterion {criterion}, mean over each {average}"
    return Comparison(chosen, theta, how)


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
    places = {site: find_place(site) for site in known}
    for side, count in count_layers(known).items():
        ends = (side, count - 1)
        last = [s for s in known if (places[s].side, places[s].layer) == ends]
        chosen += [s for s in last if places[s].part in FEED_FORWARD] or last
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
        each = np.ma.masked_invalid([by_site[site] for site in sites])
        within = np.ma.filled(np.ma.average(each, axis=0, weights=sizes), np.nan)
        together = spearman(np.concatenate([theta[site] for site in sites], axis=1))
        result[part] = Correlation(sum(sizes), within, together)
    return result


def spearman(values: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of every two rows: Pearson's, of their ranks.

    Args:
        values: ``(rows, n)``.

    Returns:
        ``(rows, rows)``, symmetric; NaN for rows whose values are all the same.
    """
    # twice the ranks, so that they are whole numbers and all sums are exact
    ranks = 2.0 * rankdata(values, axis=1)
    centred = ranks - (ranks.shape[1] + 1)
    products = centred @ centred.T
    squares = np.diagonal(products)
    scale = np.sqrt(np.outer(squares, squares))
    found = np.divide(
        products, scale, out=np.full_like(products, np.nan), where=scale > 0
    )
    np.fill_diagonal(found, np.where(squares > 0, 1.0, np.nan))
    return found.clip(-1.0, 1.0)


def peaks(
    theta: Theta, parts: Mapping[str, Sequence[str]], pairs: Sequence[str]
) -> dict[str, Peaks]:
    """Count the neurons that are much more important for a pair than for another.

    Args:
        parts: name of a part of the model -> its sites.
        pairs: the rows of *theta*.
    """
    result = {}
    for part, sites in parts.items():
        values = np.concatenate([theta[site] for site in sites], axis=1)
        above = values > PEAK * values.min(axis=0)
        by_pair = dict(zip(pairs, above.sum(axis=1).tolist(), strict=True))
        result[part] = Peaks(above.shape[1], by_pair, int(above.any(axis=0).sum()))
    return result
