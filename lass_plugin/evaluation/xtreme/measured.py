"""A metric of one task and language, with what each example adds to it."""

from dataclasses import dataclass

import numpy as np

MEAN, F1 = "mean", "f1"
"""Kinds: the mean of (sum, number); the harmonic mean by (correct, found, true)."""


@dataclass(frozen=True, eq=False)
class Measured:
    """One metric on one test set.

    Attributes:
        metric: its name, ``accuracy``, ``F1`` or ``EM``.
        pair: whose test set it is, for messages.
        kind: how the counts make a value, :data:`MEAN` or :data:`F1`.
        rows: ``(examples, counts)`` float64.
        signature: by which rules and versions.
    """

    metric: str
    pair: str
    kind: str
    rows: np.ndarray
    signature: str

    @property
    def score(self) -> float:
        """The value on the whole test set, from 0 to 100."""
        return self.value(self.rows.sum(axis=0))

    def value(self, totals: np.ndarray) -> float:
        """The value that *totals*, ``(counts,)`` summed over examples, give.

        F1 is 0 where nothing is found and nothing is true, as seqeval has it.
        """
        if self.kind == MEAN:
            return 100.0 * float(totals[0]) / max(1.0, float(totals[1]))
        correct, found, true = map(float, totals)
        return 200.0 * correct / (found + true) if found + true else 0.0


def mean_of(metric: str, pair: str, values: np.ndarray, signature: str) -> Measured:
    """The mean of *values*, ``(examples,)`` from 0 to 1."""
    rows = np.stack([values, np.ones(len(values))], axis=1).astype(np.float64)
    return Measured(metric, pair, MEAN, rows, signature)
