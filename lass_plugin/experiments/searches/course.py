"""How a search trains: at what rate, how long that warms up, what is clipped, and why.

A value is the user's where one is given; else that of the search so far, which goes on
as it began; else it follows from the base and from the length of the search: the base's
peak rate is reached where pruning begins (He 2023, App. C.1: warm-up and T1 are both
4,000 of 80,000 updates), and gradients are clipped, because scores need it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lass_plugin.experiments.launching.base import Base
from lass_plugin.experiments.launching.flags import FlagBuilder
from lass_plugin.methods.search.advice import Training, departures
from lass_plugin.methods.search.plan import SearchPlan
from lass_plugin.schedules import three_stages

CLIP = 1.0
"""Where the base was trained without clipping, and scores sum gradients."""


@dataclass(frozen=True)
class Course:
    """How one training of a search goes; reasons are for people."""

    scheduler: str
    rates: tuple[float, ...]
    """``--lr``: one, or one an epoch."""
    rate_why: str
    warmup: int | None
    """``--warmup-updates`` of the training; None for a scheduler without it."""
    warmup_why: str
    clip: float
    clip_why: str
    flags: tuple[str, ...]
    """Of fairseq-train, for all that the user has not given."""

    def described(self, plan: SearchPlan, updates: int) -> str:
        """The course and the stages of *plan* in one line.

        Args:
            updates: of each pair.
        """
        rates = ",".join(f"{rate:g}" for rate in self.rates)
        said = f"rate {rates} ({self.rate_why}), {self.scheduler}"
        if self.warmup is not None:
            said += f", warm-up {self.warmup} ({self.warmup_why})"
        if plan.schedule == "gradual":
            rest = updates - plan.start - plan.ramp
            shares = [f"{n / updates:.0%}" for n in (plan.start, plan.ramp, rest)]
            said += (
                f"; T1 {plan.start}, T2 {plan.ramp}, third stage {rest} of a pair's "
                f"{updates} updates ({', '.join(shares)})"
            )
        return f"{said}; clip norm {self.clip:g} ({self.clip_why})"

    def departures(
        self, plan: SearchPlan, updates: int, pairs: int, peak: float | None
    ):
        """What to warn of; see :func:`.advice.departures`.

        Args:
            updates: of each pair.
            pairs: in the training.
            peak: the base's rate at its peak.
        """
        warmup = None if self.warmup is None else self.warmup / pairs
        rate = max(self.rates, default=None)
        training = Training(updates, rate, peak, warmup, self.clip)
        return departures(plan, training)


def peak_rate(base: Base) -> float | None:
    """The highest rate of the training that *base* is of; None if it does not say."""
    return max(_rates(base), default=None)


def course_of(
    builder: FlagBuilder,
    plan: SearchPlan,
    updates: int,
    pairs: int = 1,
    begun: Base | None = None,
) -> Course:
    """The course of one training.

    Args:
        builder: knows the base and the flags of the user.
        updates: of the training, all pairs together.
        begun: the last checkpoint of this very search, if there is one.
    """
    base, flags = builder.base, []
    source, whose = (base, "the base's") if begun is None else (begun, "as begun")
    scheduler = source.name_of("lr_scheduler") or "fixed"
    if given := builder.chosen("lr_scheduler", None):
        scheduler = str(given)
    elif begun is None and "warmup_updates" not in builder.options_of(scheduler):
        scheduler = "inverse_sqrt"  # one that brings the rate to its peak and keeps on
    if not given and scheduler != base.name_of("lr_scheduler"):
        flags += ["--lr-scheduler", scheduler]

    rates, rate_why = _numbers(builder.chosen("lr", ())), "as given"
    if not rates:
        rates, rate_why = _rates(source), whose
        peak = peak_rate(base)
        if begun is None and peak is not None:
            rates, rate_why = (peak,), "the base's peak"
        if rates:
            flags += ["--lr", ",".join(map(repr, rates))]

    warmup, warmup_why = None, ""
    if "warmup_updates" in builder.options_of(scheduler):
        known = None
        if begun is not None and begun.name_of("lr_scheduler") == scheduler:
            known = begun.sections["lr_scheduler"].get("warmup_updates")
        if (chosen := builder.chosen("warmup_updates", None)) is not None:
            warmup, warmup_why = int(chosen), "as given"
        elif known is not None:
            warmup, warmup_why = int(known), whose
        elif plan.schedule == "gradual" and plan.start:
            warmup, warmup_why = plan.start * pairs, "until pruning begins"
        else:
            warmup, warmup_why = max(1, three_stages(updates)[0]), "5 % of the updates"
        if chosen is None:
            flags += ["--warmup-updates", str(warmup)]

    clip, clip_why = builder.chosen("clip_norm", None), "as given"
    if clip is None:
        clip = float(source.sections["optimization"].get("clip_norm") or 0.0)
        clip_why = whose
        if begun is None and not clip and plan.score.accumulates:
            clip, clip_why = CLIP, "scores need it, the base had none"
        flags += ["--clip-norm", repr(clip)]
    return Course(
        scheduler,
        rates,
        rate_why,
        warmup,
        warmup_why,
        float(clip),
        clip_why,
        tuple(flags),
    )


def _rates(base: Base) -> tuple[float, ...]:
    found = base.sections["optimization"].get("lr")
    return _numbers(base.sections["lr_scheduler"].get("lr") if found is None else found)


def _numbers(value: Any) -> tuple[float, ...]:
    """A number, or several, as fairseq keeps rates."""
    if value is None:
        return ()
    several = isinstance(value, Iterable) and not isinstance(value, str)
    return tuple(map(float, value)) if several else (float(value),)
