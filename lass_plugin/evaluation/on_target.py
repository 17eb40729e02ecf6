"""On-target accuracy: the share of translations that are in the target language.

What Lin 2021 (Table 3) calls translation accuracy; off-target translation is what
zero-shot models suffer from most (Zhang et al. 2020). Beside it stands the share of the
*references* that are identified as the target language: the identifier's own limit,
which for short sentences is well below 100.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lass_plugin.evaluation.comparison import Outputs, PairScores, score_pair
from lass_plugin.evaluation.language_identifier import LanguageIdentifier
from lass_plugin.evaluation.metrics import Metric, Score

NAME = "on-target"


class OnTarget(Metric):
    """Percentage of sentences that are in the target language of *pair*.

    A sentence that shows no language (empty, or numbers only) is not on target.
    """

    def __init__(self, pair: str, lines: Sequence[str], identifier: LanguageIdentifier):
        super().__init__(NAME, pair, lines)
        self._identifier = identifier

    @property
    def signature(self) -> str:
        """The identifier, its version and what counts as the language."""
        return self._identifier.signature(self.pair.target)

    def value(self, totals: np.ndarray) -> float:
        """Return the percentage of summed counts, *totals* of shape (2,)."""
        return 100 * float(totals[0] / totals[1])

    def _rows(self, hypotheses: list[str]) -> list[list[float]]:
        """Return for each sentence whether it is on target, and 1."""
        target = self.pair.target
        return [[self._identifier.is_in(text, target), 1] for text in hypotheses]


@dataclass(frozen=True)
class OnTargetScores:
    """On-target accuracy of several systems on the same pairs.

    Attributes:
        systems: system -> pair -> its score, and its difference to the first system.
        references: pair -> score of the references themselves.
    """

    systems: dict[str, dict[str, PairScores]]
    references: dict[str, Score]


def score_on_target(
    systems: Sequence[Outputs],
    references: Mapping[str, Sequence[str]],
    identifier: LanguageIdentifier,
) -> OnTargetScores:
    """Identify the language of every translation and reference."""
    result = OnTargetScores({system.name: {} for system in systems}, {})
    for key, lines in references.items():
        metric = OnTarget(key, lines, identifier)
        result.references[key] = metric.score(lines)
        scores = score_pair(key, systems, [metric])
        for system, of_pair in zip(systems, scores, strict=True):
            result.systems[system.name][key] = of_pair
    return result
