"""The rule by which importance becomes an allocation: options of several commands."""

from dataclasses import dataclass
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.settings import Settings, option

KEYS = ("pair", "source", "target", "separate")
"""What a neuron is allocated to: pairs; sources; targets; or sources in the encoder and
targets in the decoder (Xie 2021, Appendix A)."""

AVERAGES = ("token", "sentence")


def check_criterion(criterion: str, flag: str = "criterion") -> None:
    """Refuse a score of neurons that there is not.

    Raises:
        LassError: names those that there are.
    """
    from lass_plugin.scores.neuron import CRITERIA

    if criterion not in CRITERIA:
        raise LassError(
            f"unknown criterion '{criterion}'; choose from {', '.join(CRITERIA)}"
        )


def criterion_option() -> Any:
    """Declare what is taken for the importance of a neuron."""
    return option(
        "taylor",
        "Eq. 7 at each position (taylor) or over each sentence (taylor-sentence), or "
        "Eq. 8 (absolute) (default: %(default)s)",
        metavar="CRITERION",
        check=check_criterion,
    )


def average_option() -> Any:
    """Declare what the sums over the data are divided by."""
    return option(
        "token",
        "what the sums are divided by (default: %(default)s)",
        choices=AVERAGES,
    )


@dataclass(frozen=True)
class Rule(Settings):
    """How importance becomes an allocation."""

    GROUP = "rule"

    general: float = option(
        0.9,
        "ρ: share of each site's neurons that are general (default: %(default)s)",
        metavar="RHO",
    )
    threshold: float = option(
        0.7,
        "k of Eq. 9, the higher, the fewer pairs share a neuron: 0 gives every neuron "
        "to all, 1 to one pair (default: %(default)s)",
        metavar="K",
    )
    by: str = option(
        "pair",
        "allocate to pairs, sources, targets, or to sources in the encoder and targets "
        "in the decoder (default: %(default)s)",
        choices=KEYS,
    )
    criterion: str = criterion_option()
    average: str = average_option()

    def check(self) -> None:
        super().check()
        if not 0.0 < self.general <= 1.0:
            raise LassError(
                f"--general {self.general:g} is not a share of the neurons above 0 and "
                "up to 1"
            )
        if not 0.0 <= self.threshold <= 1.0:
            raise LassError(f"--threshold {self.threshold:g} is not between 0 and 1")
