"""Variants of masks of neurons: the rules by which neurons are allocated."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import TypeVar

from lass_plugin.experiments.sweeps.variants import DENSE, check_once, parse_numbers
from lass_plugin.neurons.settings import Rule, average_option
from lass_plugin.settings import Settings, flag_of, option, switch

THRESHOLDS = tuple(number / 10 for number in range(11))
"""0 to 1 (Xie 2021, Fig. 4)."""

GENERAL = (0.8, 0.9, 0.95)
"""Xie 2021, Table 3."""

COMPARED = "what is compared"

_Value = TypeVar("_Value", str, float)


@dataclass(frozen=True)
class NeuronVariant:
    """One row of the table: an allocation and the model trained under it."""

    rule: Rule | None = None
    """None for the dense baseline."""

    @property
    def kind(self) -> str:
        return DENSE if self.rule is None else "neurons"

    @property
    def name(self) -> str:
        """Name of its folders and of the system: ``taylor-pair-rho0.9-k0.7``."""
        if self.rule is None:
            return DENSE
        rule = self.rule
        parts = [rule.criterion, rule.by, f"rho{rule.general:g}-k{rule.threshold:g}"]
        if rule.average != Rule.average:
            parts.append(f"{rule.average}s")
        return "-".join(parts)


@dataclass(frozen=True)
class Axes(Settings):
    """What is varied; each in the order of the table."""

    GROUP = COMPARED

    criteria: tuple[str, ...] = option(
        (Rule.criterion,),
        "taylor, absolute, taylor-sentence (default: %(default)s)",
        flags="--criterion",
        metavar="C,…",
    )
    general: tuple[float, ...] = option(
        GENERAL,
        "shares of each site's neurons that are general (default: %(default)s)",
        metavar="RHO,…",
        parse=partial(parse_numbers, "--general", what="shares"),
    )
    thresholds: tuple[float, ...] = option(
        THRESHOLDS,
        "k of Eq. 9, 0.5,0.7 or 0:1 or 0:1:0.2 (default: 0:1)",
        metavar="K,…",
        parse=partial(parse_numbers, "--thresholds", what="thresholds"),
    )
    by: tuple[str, ...] = option(
        (Rule.by,),
        "pair, source, target, separate (default: %(default)s)",
        metavar="WHAT,…",
    )
    average: str = average_option()
    grid: bool = switch("everything with everything")

    def check(self) -> None:
        super().check()
        for name in ("criteria", "general", "thresholds", "by"):
            check_once(flag_of(self, name), getattr(self, name))
        for rule in self.everything():
            rule.check()

    @property
    def centre(self) -> Rule:
        """What the others are at where one is varied.

        The default of :class:`Rule` where it is among what was asked for, else the
        first that was.
        """
        return Rule(
            _default(Rule.general, self.general),
            _default(Rule.threshold, self.thresholds),
            _default(Rule.by, self.by),
            _default(Rule.criterion, self.criteria),
            self.average,
        )

    def one_at_a_time(self) -> list[Rule]:
        """One thing varied at a time, as in the paper; k for every criterion."""
        centre = self.centre
        rules = [
            replace(centre, criterion=criterion, threshold=threshold)
            for criterion, threshold in product(self.criteria, self.thresholds)
        ]
        rules += [replace(centre, general=general) for general in self.general]
        rules += [replace(centre, by=by) for by in self.by]
        return list(dict.fromkeys(rules))

    def everything(self) -> list[Rule]:
        """Everything with everything."""
        every = product(self.criteria, self.by, self.general, self.thresholds)
        return [
            Rule(general, threshold, by, criterion, self.average)
            for criterion, by, general, threshold in every
        ]

    def variants(self) -> list[NeuronVariant]:
        """All variants, the dense baseline first."""
        rules = self.everything() if self.grid else self.one_at_a_time()
        return [NeuronVariant(), *map(NeuronVariant, rules)]


def _default(value: _Value, among: Sequence[_Value]) -> _Value:
    return value if value in among else among[0]
