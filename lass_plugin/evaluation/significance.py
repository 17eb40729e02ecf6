"""Paired bootstrap resampling: is a difference of two systems more than chance?"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from lass_plugin.errors import LassError

LEVEL = 0.05
"""Below this p-value a difference is marked in tables."""
SAMPLES = 1000
SEED = 12345
"""sacreBLEU's own default, so that its command gives the same p-values."""


class Metric(Protocol):
    """What a metric must have to be compared by."""

    @property
    def pair(self) -> Any:
        """Whose test set it is of, for messages."""

    def value(self, totals: np.ndarray) -> float:
        """The value that counts, summed over sentences, give."""


@dataclass(frozen=True)
class Difference:
    """What a system has over the baseline on one pair, in points of one metric.

    Attributes:
        delta: system minus baseline on the whole test set.
        p_value: how often chance alone gives such a difference; see Note below.
        low, high: the middle 95 % of the differences of the resampled test sets.
        n_samples, seed: of the resampling.
    """

    delta: float
    p_value: float
    low: float
    high: float
    n_samples: int
    seed: int


def paired_bootstrap(
    metric: Metric,
    baseline: np.ndarray,
    system: np.ndarray,
    n_samples: int = SAMPLES,
    seed: int = SEED,
) -> Difference:
    """Compare two systems on test sets drawn with replacement (Koehn 2004).

    *baseline* and *system* are ``metric.statistics`` of the two systems' hypotheses,
    shape (sentences, counts). Each sample draws as many sentences as there are, the
    same ones for both systems. With d the difference on the whole set and d_i that on
    sample i, p = (1 + #{i: |d_i| - mean |d_i| > |d|}) / (1 + n_samples).

    Note: The draws and the formula are those of sacreBLEU's ``--paired-bs``, which
        gives neither an interval of the difference nor a seed by argument. Since
        |d_i| is centred at its mean, in effect one tail is counted: equally good
        systems have p < 0.05 in about 11 % of comparisons (normal differences), not
        in 5 %; the interval is two-sided. We depart where the formula gives
        1 / (1 + n_samples) of what shows no difference: p = 1 where the statistics are
        identical, no sample has a difference (two systems of BLEU 0), or there is one
        sentence, of which every sample is the whole set.

    Raises:
        LassError: the shapes differ, or there are too few samples.
    """
    if baseline.shape != system.shape:
        raise LassError(
            f"{metric.pair} has {len(baseline)} sentences by the baseline and "
            f"{len(system)} by the system; compare translations of one test set"
        )
    if n_samples < 40 or seed < 0:  # one sample in 40 lies below a 95 % interval
        raise LassError(
            f"a paired bootstrap with {n_samples} samples and seed {seed} cannot be "
            "done; take 40 samples or more and a seed of 0 or more"
        )
    delta = metric.value(system.sum(axis=0)) - metric.value(baseline.sum(axis=0))
    drawn = _resampled_totals(baseline, system, n_samples, seed)
    values = [metric.value(ours) - metric.value(theirs) for theirs, ours in drawn]
    samples = np.array(values)
    spread = np.abs(samples)
    beyond = int(np.sum(spread - spread.mean() > abs(delta)))
    same = len(baseline) == 1 or not spread.any() or np.array_equal(baseline, system)
    samples.sort()
    tail = n_samples // 40
    return Difference(
        delta=delta,
        p_value=1.0 if same else (beyond + 1) / (n_samples + 1),
        low=float(samples[tail]),
        high=float(samples[-1 - tail]),
        n_samples=n_samples,
        seed=seed,
    )


def _resampled_totals(
    baseline: np.ndarray, system: np.ndarray, n_samples: int, seed: int
):
    """Yield the summed counts of both systems, shape (counts,) each, of each sample."""
    random = np.random.default_rng(seed)
    sentences = len(baseline)
    both = np.concatenate([baseline, system], axis=1)  # (sentences, 2 * counts)
    for _ in range(n_samples):
        drawn = random.choice(sentences, size=sentences, replace=True)
        totals = np.bincount(drawn, minlength=sentences) @ both
        yield np.split(totals, 2)
