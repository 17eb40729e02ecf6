"""Options of the commands on neurons: the rule of an allocation, what is measured of
neurons, and what is erased."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lass_plugin.anatomy.neurons import DEFAULT_UNITS, UNITS, parse_units
from lass_plugin.errors import LassError
from lass_plugin.evaluation.settings import ScoringSettings
from lass_plugin.languages import SIDES_BY, Pair, parse_pairs
from lass_plugin.settings import (
    Settings,
    argument,
    count,
    including,
    needless,
    option,
    required,
    switch,
)

AVERAGES = ("token", "sentence")

MEASURED = ("taylor", "taylor-sentence", "absolute", "activation")
"""All criteria, see :data:`.scores.neuron.CRITERIA`, which is slow to import."""

_data = partial(option, group="data")
_erased = partial(option, group="what is erased")


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
        "Eq. 7 at each position (taylor) or over each sentence (taylor-sentence), "
        "Eq. 8 (absolute), or how often it is active (activation) (default: "
        "%(default)s)",
        metavar="CRITERION",
        check=check_criterion,
    )


def average_option() -> Any:
    """Declare what the sums over the data are divided by."""
    return option(
        "token", "what the sums are divided by (default: %(default)s)", choices=AVERAGES
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
        choices=tuple(SIDES_BY),
    )
    criterion: str = criterion_option()
    average: str = average_option()
    cumulative: float | None = option(
        None,
        "in place of --general and --threshold: a key has the fewest neurons of each "
        "site whose scores reach this share of all (Tan 2024: 0.95)",
        metavar="SHARE",
    )

    def check(self) -> None:
        super().check()
        if not 0.0 < self.general <= 1.0:
            raise LassError(
                f"--general {self.general:g} is not a share of the neurons above 0 and "
                "up to 1"
            )
        if not 0.0 <= self.threshold <= 1.0:
            raise LassError(f"--threshold {self.threshold:g} is not between 0 and 1")
        if self.cumulative is not None:
            if not 0.0 < self.cumulative <= 1.0:
                raise LassError(
                    f"--cumulative {self.cumulative:g} is not a share above 0 and up "
                    "to 1"
                )
            why = "with --cumulative, which takes no general neurons and no k"
            needless(self, ("general", "threshold"), why)


def _parse_share(text: str) -> tuple[int, int]:
    """Read ``1/8``."""
    first, slash, last = text.partition("/")
    if not (slash and first.isdigit() and last.isdigit()):
        raise LassError(f"--share {text} is not I/N, such as 1/8")
    return int(first), int(last)


@dataclass(frozen=True, kw_only=True)
class MeasuringSettings(Settings):
    """On which data the importance of neurons is measured, and how."""

    data: Path = argument("folder of binarized data", metavar="DATA")
    checkpoint: Path = required("the trained base model", metavar="PT")
    out: Path = required("folder for the importance", metavar="DIR")
    pairs: tuple[Pair, ...] = option(
        (),
        "(default: those that the model was trained on)",
        metavar="de-en,…",
        parse=parse_pairs,
    )
    units: tuple[str, ...] = option(
        DEFAULT_UNITS,
        f"kinds of neurons: {', '.join(UNITS)} (default: %(default)s)",
        metavar="UNIT,…",
        parse=parse_units,
    )
    criteria: tuple[str, ...] = option(
        MEASURED,
        "scores to measure; without taylor and taylor-sentence no gradients are "
        "computed, which takes half of the time or less (default: all)",
        flags="--criterion",
        metavar="C,…",
        choices=MEASURED,
    )
    split: str = _data("train", "split of the data (default: %(default)s)")
    sample: int = _data(
        0,
        "so many sentences of each pair, chosen at random (0: all, the default)",
        metavar="N",
        least=0,
    )
    seed: int = _data(1, "of the sample (default: %(default)s)")
    max_tokens: int = count(
        4096, "tokens of a batch, padding included (default: %(default)s)", group="data"
    )
    part: int = count(
        5000,
        "sentences after which what was measured is saved (default: %(default)s)",
        group="data",
    )
    precision: str = option(
        "float32",
        "of matrix products; sums are float64 (default: %(default)s)",
        choices=("float32", "bfloat16", "float16"),
        group="how",
    )
    cpu: bool = switch("do not use the GPU", group="how")
    share: tuple[int, int] = option(
        (1, 1),
        "measure only the I-th of N shares in this process (default: 1/1)",
        metavar="I/N",
        parse=_parse_share,
        group="how",
    )

    def check(self) -> None:
        super().check()
        if len(set(self.criteria)) < len(self.criteria) or not self.criteria:
            raise LassError("--criterion names none, or one twice; name each once")
        number, processes = self.share
        if not 1 <= number <= processes:
            raise LassError(
                f"--share {number}/{processes} is none of 1/{processes} to "
                f"{processes}/{processes}"
            )


def _parse_seeds(text: str) -> tuple[int, ...]:
    """Read ``1,2,3``.

    Raises:
        LassError: not a list of different whole numbers.
    """
    items = [item.strip() for item in text.split(",")]
    if not all(item.isascii() and item.isdigit() for item in items):
        raise LassError(f"--seed {text} is not a whole number or a list such as 1,2,3")
    seeds = tuple(map(int, items))
    if len(set(seeds)) < len(seeds):
        raise LassError(f"--seed {text} has a number twice; leave one of them out")
    return seeds


@dataclass(frozen=True, kw_only=True)
class ErasureSettings(Settings):
    """Which neurons are erased from which model, and on which test set."""

    data: Path = argument("data folder", metavar="DATA")
    checkpoint: Path = required(
        "the model that was trained jointly with the masks of --allocation",
        metavar="PT",
    )
    allocation: Path = required("what 'lass neurons allocate' made", metavar="MASKS")
    out: Path = required("folder for tables, picture and translations", metavar="DIR")
    general: float = _erased(
        0.2,
        "of the general neurons (default: %(default)s; 0: leave them alone)",
        metavar="SHARE",
    )
    specific: float = _erased(
        0.5,
        "of a pair's specific neurons (default: %(default)s; 0: leave them alone)",
        metavar="SHARE",
    )
    pairs: tuple[Pair, ...] = _erased(
        (),
        "pairs whose specific neurons are erased (default: all)",
        metavar="de-en,…",
        parse=parse_pairs,
    )
    no_control: bool = switch(
        "do not erase as many specific neurons that the pair does not have",
        group="what is erased",
    )
    seeds: tuple[int, ...] = _erased(
        (1,),
        "of the draw; several for means and deviations (default: %(default)s)",
        flags="--seed",
        metavar="N,…",
        parse=_parse_seeds,
    )
    scoring: ScoringSettings = including(ScoringSettings)

    def check(self) -> None:
        super().check()
        for name in ("general", "specific"):
            share = getattr(self, name)
            if not 0.0 <= share <= 1.0:
                raise LassError(
                    f"--{name} {share:g} is not a share of the neurons between 0 and 1"
                )
        if not (self.general or self.specific):
            raise LassError(
                "--general 0 and --specific 0 erase nothing; give a share above 0"
            )
        if not self.specific:
            needless(self, ("pairs", "no_control"), "with --specific 0")
        drawn = 0 < self.general < 1 or 0 < self.specific < 1
        controlled = self.specific and not self.no_control
        if len(self.seeds) > 1 and not (drawn or controlled):
            raise LassError(
                "several seeds have no effect where all neurons of a kind are erased "
                "and none are drawn; give one --seed"
            )
