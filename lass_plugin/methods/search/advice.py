"""What is known to work in a search by gradient, and where one departs from it.

The figures are of the quick start's base (eight directions, ratio .4): validation loss
in bits a token under the search's own mask, and BLEU after joint training. They are no
law for other data; they say what to look at first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lass_plugin.methods.search.plan import SearchPlan

SHORTEST = {"gradient": 600, "sensitivity": 150, "fisher": 150}
"""Score -> updates of a pair: the shortest gradual search whose masks were seen to beat
random ones by BLEU after joint training (docs/search.md); of ``fisher``, whose terms
have no signs either, it is not known and taken to be as of ``sensitivity``."""

THIRD_STAGE = 0.4
"""Least share of the updates after the ramp (He 2023: .5)."""


@dataclass(frozen=True)
class Training:
    """What of a training decides whether its search can work; None is not known."""

    updates: int
    """Of each pair."""
    rate: float | None = None
    """At its peak."""
    peak: float | None = None
    """Of the base's training."""
    warmup: float | None = None
    """Updates of each pair until the rate is at its peak."""
    clip: float | None = None
    """Norm to which gradients are clipped, 0 for none."""


def departures(plan: SearchPlan, training: Training) -> list[str]:
    """Where a search departs from what is known to work, one sentence each.

    Empty for scores that are made of the weights alone.
    """
    if not plan.score.accumulates:
        return []
    found = [_clip(training), _rate(training)]
    if plan.schedule == "gradual":
        found += [_warmup(plan, training), _third_stage(plan, training)]
        found.append(_length(plan, training))
    return [f"search of {plan.key}: {each}" for each in found if each]


def _clip(training: Training) -> str:
    if training.clip is None or training.clip > 0.0:
        return ""
    return (
        "without clipping (--clip-norm 0) the few largest gradients decide the scores "
        "and the mask freezes; --clip-norm 1 is known to work"
    )


def _rate(training: Training) -> str:
    rate, peak = training.rate, training.peak
    if not rate or not peak or 0.5 <= rate / peak <= 2.0:
        return ""
    return (
        f"the rate {rate:g} is {rate / peak:.2g} times the base's peak of {peak:g}; "
        "the peak itself is known to work (at a third of it the weights could not "
        "follow the pruning: 6.2 bits a token under the mask, not 5.2)"
    )


def _warmup(plan: SearchPlan, training: Training) -> str:
    if training.warmup is None or training.warmup <= max(1, plan.start):
        return ""
    return (
        f"the rate is at its peak after {training.warmup:g} updates, but pruning "
        f"begins after {plan.start}; it is known to work with --warmup-updates that "
        "end where pruning begins"
    )


def _third_stage(plan: SearchPlan, training: Training) -> str:
    left = training.updates - plan.start - plan.ramp
    if not training.updates or left >= THIRD_STAGE * training.updates:
        return ""
    return (
        f"only {max(0, left)} of {training.updates} updates come after the ramp, where "
        "the model mends (from 9 to 11 bits a token under the mask down to 6.2); half "
        "of them is known to work"
    )


def _length(plan: SearchPlan, training: Training) -> str:
    least = SHORTEST.get(plan.criterion, 0)
    if not 0 < training.updates < least:
        return ""
    return (
        f"{training.updates} updates are few: {least} are the least whose masks "
        "were seen to beat random ones by BLEU after joint training; compare the "
        "losses that the search reports with those of its controls"
    )


def chosen(plan: SearchPlan, pairs: int, cfg: Mapping[str, Any]) -> list[str]:
    """What a training of the search goes by, and what to warn of; for its log.

    Args:
        pairs: in the training.
        cfg: fairseq's whole configuration.
    """
    total = int(cfg["optimization"]["max_update"] or 0)
    rates = list(cfg["optimization"]["lr"] or [])
    scheduler = cfg.get("lr_scheduler") or {}
    warmup = scheduler.get("warmup_updates")
    training = Training(
        updates=total // pairs,
        rate=max(map(float, rates), default=None),
        warmup=None if warmup is None else warmup / pairs,
        clip=float(cfg["optimization"]["clip_norm"]),
    )
    said = f"search: {plan.criterion}, {plan.schedule}, ratio {plan.ratio:g}"
    if plan.schedule == "gradual":
        rest = training.updates - plan.start - plan.ramp
        stages = f"; of a pair's updates T1 {plan.start}, T2 {plan.ramp}"
        said += stages + (f", third stage {rest}" if total else "")
    said += f"; rate {','.join(map(str, rates))}, warm-up {warmup}"
    warned = [f"warning: {each}" for each in departures(plan, training)]
    return [f"{said}, clip norm {training.clip:g}", *warned]
