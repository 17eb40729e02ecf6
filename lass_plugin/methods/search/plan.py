"""What a search does: its criterion, its schedule, and what cannot be carried out."""

import math
from dataclasses import MISSING, asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Mapping

from lass_plugin.errors import LassError
from lass_plugin.methods.search.settling import StoppingRule
from lass_plugin.records.fields import filled
from lass_plugin.schedules import check_ratio, cubic, three_stages

if TYPE_CHECKING:
    from lass_plugin.scores import Score

SCHEDULES = ("oneshot", "gradual")

OPTIONS = {
    "criterion": "pruning_criterion",
    "schedule": "pruning_schedule",
    "ratio": "pruning_ratio",
    "start": "pruning_start",
    "ramp": "pruning_ramp",
    "interval": "pruning_interval",
    "targets": "mask_targets",
    "move_pruned": "move_pruned",
    "stop_settled": "stop_when_settled",
    "stop_growth": "stop_when_growth_below",
    "stop_patience": "stop_patience",
}
"""Part of a plan -> the option of ``--task translation_subnetwork_search`` for it."""


def stages_of(updates: int, start: int | None, ramp: int | None) -> tuple[int, int]:
    """T1 and T2 of a gradual search of *updates* updates of its pair.

    Args:
        start: T1 where it is given, else :func:`.three_stages` says.
        ramp: T2 likewise; one that is derived ends with the search.
    """
    first, second = three_stages(updates)
    if start is None:
        start = first if ramp is None else max(0, min(first, updates - ramp))
    if ramp is None:
        ramp = max(1, min(second, updates - start))
    return start, ramp


@dataclass(frozen=True)
class SearchPlan:
    """What a search does; saved with it, so that it goes on as it began.

    The four systems of He 2023 (§4.3) are criterion × schedule; magnitude with oneshot
    is LaSS (Lin 2021).
    """

    key: str
    criterion: str = "magnitude"
    schedule: str = "oneshot"
    ratio: float = 0.5
    """R_p, share of each matrix that is removed in the end."""
    start: int = 0
    """T1, updates before the ramp (gradual)."""
    ramp: int = 0
    """T2, updates of the ramp (gradual); then the ratio is held."""
    interval: int = 10
    """The mask is selected anew every so many updates (gradual)."""
    targets: tuple[str, ...] = ("attention", "feed-forward")
    move_pruned: bool = False
    """Whether weights that are masked out are updated too (straight-through)."""
    stop_settled: float = 0.0
    """End once the mask agrees with itself so well (:mod:`.settling`); 0: never."""
    stop_growth: float = 0.0
    """End once doubling the updates gains less agreement than this; 0: never."""
    stop_patience: int = 0
    """End once the loss under the mask has not fallen so many times; 0: never."""

    @property
    def score(self) -> "Score":
        from lass_plugin.scores import SCORES

        return SCORES.get(self.criterion, "--pruning-criterion")

    @property
    def stopping(self) -> StoppingRule:
        return StoppingRule(self.stop_settled, self.stop_growth, self.stop_patience)

    def check(self, max_update: int) -> None:
        """Refuse a plan that cannot be carried out in *max_update* updates (0: open).

        Raises:
            LassError: names the option at fault.
        """
        check_ratio(self.ratio, "--pruning-ratio")
        _ = self.stopping  # says what is wrong with it
        self.score.check_searched()
        if self.schedule not in SCHEDULES:
            raise LassError(
                f"unknown --pruning-schedule '{self.schedule}'; choose from "
                f"{', '.join(SCHEDULES)}"
            )
        if min(self.start, self.ramp) < 0 or self.interval < 1:
            raise LassError(
                "--pruning-start and --pruning-ramp must be 0 or more, and "
                "--pruning-interval 1 or more"
            )
        if self.schedule == "oneshot":
            for name in ("start", "ramp", "interval", "move_pruned"):
                if getattr(self, name) != getattr(SearchPlan, name):
                    raise LassError(
                        f"--{OPTIONS[name].replace('_', '-')} has no effect with "
                        "--pruning-schedule oneshot; leave it out or choose gradual"
                    )
        elif not self.ramp:
            raise LassError(
                "--pruning-schedule gradual needs --pruning-ramp (T2 of Eq. 4), or "
                "--max-update, of which it takes nine twentieths"
            )
        if max_update and self.start + self.ramp > max_update:
            raise LassError(
                f"the schedule is longer than the run: --pruning-start {self.start} + "
                f"--pruning-ramp {self.ramp} is more than --max-update {max_update}"
            )

    def check_together(self, shares: Mapping[str, float], max_update: int) -> None:
        """Refuse one training for several pairs that would not give each its mask.

        T1 and T2 count the updates of the pair.

        Args:
            shares: pair -> share of the updates of the training that are its own.
            max_update: updates of the training, all pairs together (0: open).

        Raises:
            LassError: names the option at fault.
        """
        if not self.score.accumulates:
            raise LassError(
                "one training of several pairs has one set of weights, so that "
                f"--pruning-criterion {self.criterion} would give all its pairs the "
                "same mask; take a score of gradients, or search each pair in a "
                "training of its own"
            )
        end = self.start + self.ramp
        least, share = min(shares.items(), key=lambda pair: pair[1])
        if max_update and share * max_update < end:
            raise LassError(
                f"--pruning-start {self.start} + --pruning-ramp {self.ramp} count the "
                f"updates of each pair, and {least} gets about {share * max_update:.0f}"
                f" of --max-update {max_update}; train for {math.ceil(end / share)} or "
                "shorten the schedule (how often a pair is drawn is for "
                "--sampling-method to say)"
            )

    def ratio_at(self, updates: int) -> float:
        """Share removed while training after *updates* updates (He 2023, Eq. 4)."""
        if self.schedule == "oneshot":
            return 0.0
        return cubic(updates, self.ratio, self.start, self.ramp)

    def is_exact_at(self, ratio: float, targets: tuple[str, ...]) -> bool:
        """Whether a search for *ratio* and *targets* would have the same scores there.

        Nothing is removed during a one-shot search, so its scores do not depend on
        them. A gradual search trains under its mask, so they do.
        """
        if self.schedule == "oneshot":
            return set(targets) <= set(self.targets)
        return (ratio, targets) == (self.ratio, self.targets)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "targets": list(self.targets)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "SearchPlan":
        later = {
            field.name: field.default
            for field in fields(cls)
            if field.default is not MISSING and field.name not in values
        }  # what a search of an earlier release did not have
        unknown = values.keys() - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"its plan has {', '.join(map(repr, sorted(unknown)))}")
        found: SearchPlan = filled(cls, {**values, **later}, "plan")
        return found

    def unfinished(self, updates: int) -> str:
        """What to tell of a gradual search that has not reached its ratio, else ''."""
        end = self.start + self.ramp
        if self.schedule != "gradual" or updates >= end:
            return ""
        return (
            f"the gradual search of {self.key} stopped after {updates} of the {end} "
            f"updates of its schedule, at ratio {self.ratio_at(updates):.3f} instead "
            f"of {self.ratio:g}; the model was never trained under the mask that is "
            "taken, so let the search go on"
        )
