"""What a sweep is to compare, on what, and where: the options of its command."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lass_plugin.errors import LassError
from lass_plugin.evaluation.settings import Decoding, MetricSettings
from lass_plugin.experiments.launching.settings import RunningSettings, StartSettings
from lass_plugin.experiments.sweeps.variants import DENSE, check_once, parse_numbers
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.neurons.settings import Rule, average_option
from lass_plugin.schedules import check_ratio
from lass_plugin.settings import (
    OneOf,
    Settings,
    count,
    flag_of,
    including,
    needless,
    option,
    required,
    switch,
)

if TYPE_CHECKING:
    from lass_plugin.experiments.sweeps.weight_variants import SearchKind

RATIOS = tuple(number / 10 for number in range(1, 10))
"""0.1 to 0.9, as in He 2023, Fig. 1."""

THRESHOLDS = tuple(number / 10 for number in range(11))
"""0 to 1 (Xie 2021, Fig. 4)."""

GENERAL = (0.8, 0.9, 0.95)
"""Xie 2021, Table 3."""

COMPARED = "what is compared"
LENGTH = OneOf(required=True)
TRAINING = "joint training"

_Value = TypeVar("_Value", str, float)


def _ratios(
    flag: str, help: str, default: tuple[float, ...] = (), group: str | None = COMPARED
) -> Any:
    """Declare an option for ratios, none where its text is empty."""

    def parse(text: str) -> tuple[float, ...]:
        return parse_numbers(flag, text, "ratios") if text else ()

    return option(
        default, help, metavar="R,…", parse=parse, check=check_ratio, group=group
    )


def _check_within(flag: str, budget: float, ratios: tuple[float, ...]) -> None:
    """Refuse a mean that no choice among *ratios* can have."""
    if not ratios:
        raise LassError(f"{flag} needs a grid of ratios to choose from; give --ratios")
    if not min(ratios) <= budget <= max(ratios):
        raise LassError(
            f"{flag} {budget:g} is outside the ratios to choose from, {min(ratios):g} "
            f"to {max(ratios):g}; give --ratios that enclose it"
        )


@dataclass(frozen=True, kw_only=True)
class BaseSettings(StartSettings):
    """What every sweep begins from, and where its masks are."""

    valid_split: str = option(
        "valid", "split for the losses (default: %(default)s)", metavar="SPLIT"
    )

    def masks_of(self, variant: str) -> Path:
        return self.out / "masks" / variant


@dataclass(frozen=True, kw_only=True)
class ComparisonSettings(BaseSettings, RunningSettings):
    """What every sweep has: how its variants are trained and scored."""

    updates: int | None = count(None, "of each variant", group=LENGTH)
    losses_only: bool = switch(
        "no joint training: the validation loss under each mask", group=LENGTH
    )
    checkpoint: str = option(
        "last",
        "evaluate the last checkpoint, all after equal updates (default), or the best "
        "by the mean validation loss of the pairs",
        choices=("last", "best"),
        group=TRAINING,
    )
    split: str = option(
        "test", "split to translate (default: %(default)s)", group="translation"
    )
    translation: Decoding = including(Decoding, "beam", "lenpen", "limit")
    scored: MetricSettings = including(MetricSettings)

    measured_with = "--losses-only"
    """What losses are measured with."""

    def check(self) -> None:
        super().check()
        if not self.updates:
            of_training = ("checkpoint", "jobs", "devices", "threads", "stop_on_error")
            of_scores = ("split", "beam", "lenpen", "limit")
            of_metrics = ("tokenize", "metrics", "comet_model")
            every = of_training + of_scores + of_metrics
            needless(self, every, "with --losses-only")
            if self.flags:
                raise LassError(
                    "flags after -- have no effect with --losses-only; leave them out"
                )
        if not self.measures_losses:
            needless(self, "valid_split", f"without {self.measured_with}")

    @property
    def measures_losses(self) -> bool:
        """Whether the validation losses before joint training are wanted."""
        return not self.updates

    def training_of(self, variant: str) -> Path:
        return self.out / "joint" / variant

    def note(self) -> str:
        """A sentence for people on how the variants were made."""
        if not self.updates:
            return (
                "No joint training: the losses are of the base's weights under masks."
            )
        return (
            f"Every variant: the base trained jointly for {self.updates} updates; its "
            f"{self.checkpoint} checkpoint was evaluated."
        )


@dataclass(frozen=True, kw_only=True)
class SourceSettings(BaseSettings):
    """Which searches masks are cut from."""

    searches: tuple[Path, ...] = required(
        "folders of 'lass search', or checkpoints of searches", metavar="DIR", nargs="+"
    )
    pairs: tuple[Pair, ...] = option(
        (), "default: those of the searches", metavar="SRC-TGT,…", parse=parse_pairs
    )
    recut: bool = switch(
        "accept masks cut from a gradual search that trained under another ratio"
    )


@dataclass(frozen=True, kw_only=True)
class SweepSettings(SourceSettings, ComparisonSettings):
    """One sweep: variants of the masks of all pairs, cut from searches."""

    ratios: tuple[float, ...] = _ratios(
        "--ratios",
        "ratios, 0.1,0.5 or 0.1:0.9 or 0.1:0.9:0.2 (default 0.1:0.9)",
        RATIOS,
    )
    methods: "tuple[SearchKind, ...]" = option(
        (),
        "default: those of the searches",
        metavar="M,…",
        parse="lass_plugin.experiments.sweeps.weight_variants:parse_kinds",
        group=COMPARED,
    )
    ablation: tuple[float, ...] = _ratios(
        "--ablation", "mask attention and feed-forward alone, too"
    )
    own_ratios: tuple[float, ...] = _ratios(
        "--own-ratios", "mean ratios at which each pair has its own"
    )
    random: tuple[float, ...] = _ratios("--random", "random masks at these ratios")
    controls: tuple[str, ...] = option(
        (),
        "random masks with the overlap between pairs, the profile over |W|, or both of "
        "the masks of each method and ratio: overlap, profile, profile+overlap",
        metavar="WHAT,…",
        choices=("overlap", "profile", "profile+overlap"),
        group=COMPARED,
    )
    seed: int = option(
        1, "of the random masks (default: %(default)s)", metavar="N", group=COMPARED
    )

    measured_with = "--losses-only or --own-ratios"

    def check(self) -> None:
        super().check()
        for name in ("ratios", "ablation", "own_ratios", "random", "controls"):
            check_once(flag_of(self, name), getattr(self, name))
        if not self.random and not self.controls:
            needless(self, "seed", "without --random or --controls")
        for budget in self.own_ratios:
            _check_within("--own-ratios", budget, self.ratios)

    @property
    def measures_losses(self) -> bool:
        return super().measures_losses or bool(self.own_ratios)


@dataclass(frozen=True, kw_only=True)
class OwnRatioSettings(SourceSettings):
    """Masks with a ratio for each pair, under a budget."""

    budget: float = required(
        "mean ratio over the pairs", metavar="RATIO", check=check_ratio
    )
    ratios: tuple[float, ...] = _ratios(
        "--ratios",
        "ratios to measure the losses at (default 0.1:0.9)",
        RATIOS,
        group=None,
    )
    method: "SearchKind | None" = option(
        None,
        "such as magnitude-oneshot (default: the one of the searches)",
        metavar="M",
        parse="lass_plugin.experiments.sweeps.weight_variants:parse_kind",
    )

    def check(self) -> None:
        super().check()
        check_once("--ratios", self.ratios)
        _check_within("--budget", self.budget, self.ratios)

    @property
    def sweep(self) -> SweepSettings:
        """The sweep that measures the losses, in a folder of its own."""
        given = {one.name: getattr(self, one.name) for one in fields(SourceSettings)}
        given |= {"out": self.out / "grid", "own_ratios": (self.budget,)}
        methods = () if self.method is None else (self.method,)
        return SweepSettings(**given, ratios=self.ratios, methods=methods)


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
        """Name of its folders and of the system: ``taylor-pair-rho0.9-k0.7``, or
        ``activation-pair-share0.95``."""
        if self.rule is None:
            return DENSE
        rule = self.rule
        parts = [rule.criterion, rule.by, f"rho{rule.general:g}-k{rule.threshold:g}"]
        if rule.cumulative is not None:
            parts[-1] = f"share{rule.cumulative:g}"
        if rule.average != Rule.average:
            parts.append(f"{rule.average}s")
        return "-".join(parts)


@dataclass(frozen=True)
class Axes(Settings):
    """What is varied; each in the order of the table."""

    GROUP = COMPARED

    criteria: tuple[str, ...] = option(
        (Rule.criterion,),
        "taylor, absolute, taylor-sentence, activation (default: %(default)s)",
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
    cumulative: tuple[float, ...] = option(
        (),
        "cumulative shares, in place of ρ and k (Tan 2024)",
        metavar="SHARE,…",
        parse=partial(parse_numbers, "--cumulative", what="shares"),
    )
    grid: bool = switch("everything with everything")

    def check(self) -> None:
        super().check()
        for name in ("criteria", "general", "thresholds", "by", "cumulative"):
            check_once(flag_of(self, name), getattr(self, name))
        if self.cumulative:
            why = "with --cumulative, which takes their place"
            needless(self, ("general", "thresholds"), why)
        for rule in self.everything():
            rule.check()

    @property
    def centre(self) -> Rule:
        """What the others are at where one is varied.

        The default of :class:`Rule` where it is among what was asked for, else the
        first that was.
        """
        by = _default(Rule.by, self.by)
        criterion = _default(Rule.criterion, self.criteria)
        if self.cumulative:
            share = self.cumulative[0]
            return replace(self._shared(share), by=by, criterion=criterion)
        return Rule(
            _default(Rule.general, self.general),
            _default(Rule.threshold, self.thresholds),
            by,
            criterion,
            self.average,
        )

    def _shared(self, share: float) -> Rule:
        return Rule(average=self.average, cumulative=share)

    def one_at_a_time(self) -> list[Rule]:
        """One thing varied at a time, as in the paper; k for every criterion."""
        centre = self.centre
        if self.cumulative:
            rules = [
                replace(centre, criterion=criterion, cumulative=share)
                for criterion, share in product(self.criteria, self.cumulative)
            ]
            rules += [replace(centre, by=by) for by in self.by]
            return list(dict.fromkeys(rules))
        rules = [
            replace(centre, criterion=criterion, threshold=threshold)
            for criterion, threshold in product(self.criteria, self.thresholds)
        ]
        rules += [replace(centre, general=general) for general in self.general]
        rules += [replace(centre, by=by) for by in self.by]
        return list(dict.fromkeys(rules))

    def everything(self) -> list[Rule]:
        """Everything with everything."""
        if self.cumulative:
            return [
                replace(self._shared(share), criterion=criterion, by=by)
                for criterion, by, share in product(
                    self.criteria, self.by, self.cumulative
                )
            ]
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


@dataclass(frozen=True, kw_only=True)
class NeuronSweepSettings(ComparisonSettings):
    """One sweep over allocations of the neurons of one file of importance."""

    importance: Path = required(
        "what 'lass neurons importance' made of the base", metavar="IMPORTANCE"
    )
    axes: Axes = including(Axes)
