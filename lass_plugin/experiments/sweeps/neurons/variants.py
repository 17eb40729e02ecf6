"""Variants: the rules by which a sweep allocates the neurons of all pairs."""

from dataclasses import dataclass, replace
from itertools import product
from typing import Sequence, TypeVar

from lass_plugin.experiments.sweeps.variants import DENSE, check_once
from lass_plugin.neurons.allocation import Rule

NEURONS = "neurons"

THRESHOLDS = tuple(number / 10 for number in range(11))
"""0 to 1 (Xie 2021, Fig. 4)."""

GENERAL = (0.8, 0.9, 0.95)
"""Xie 2021, Table 3."""

_Value = TypeVar("_Value", str, float)


@dataclass(frozen=True)
class NeuronVariant:
    """One row of the table: an allocation and the model trained under it."""

    rule: Rule | None = None
    """None for the dense baseline."""

    @property
    def kind(self) -> str:
        return DENSE if self.rule is None else NEURONS

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
class Axes:
    """What is varied; each in the order of the table."""

    criteria: tuple[str, ...] = (Rule.criterion,)
    general: tuple[float, ...] = GENERAL
    thresholds: tuple[float, ...] = THRESHOLDS
    by: tuple[str, ...] = (Rule.by,)
    average: str = Rule.average

    def check(self) -> None:
        """Refuse a value that is out of range or given twice.

        Raises:
            LassError: names the option.
        """
        for option, values in {
            "--criterion": self.criteria,
            "--general": [f"{value:g}" for value in self.general],
            "--thresholds": [f"{value:g}" for value in self.thresholds],
            "--by": self.by,
        }.items():
            check_once(option, values)
        for rule in self.grid():
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

    def lines(self) -> list[Rule]:
        """One thing varied at a time, as in the paper; k for every criterion."""
        centre = self.centre
        rules = [
            replace(centre, criterion=criterion, threshold=threshold)
            for criterion, threshold in product(self.criteria, self.thresholds)
        ]
        rules += [replace(centre, general=general) for general in self.general]
        rules += [replace(centre, by=by) for by in self.by]
        return list(dict.fromkeys(rules))

    def grid(self) -> list[Rule]:
        """Everything with everything."""
        every = product(self.criteria, self.by, self.general, self.thresholds)
        return [
            Rule(general, threshold, by, criterion, self.average)
            for criterion, by, general, threshold in every
        ]


def list_variants(axes: Axes, grid: bool = False) -> list[NeuronVariant]:
    """All variants, the dense baseline first."""
    rules = axes.grid() if grid else axes.lines()
    return [NeuronVariant(), *map(NeuronVariant, rules)]


def _default(value: _Value, among: Sequence[_Value]) -> _Value:
    return value if value in among else among[0]
