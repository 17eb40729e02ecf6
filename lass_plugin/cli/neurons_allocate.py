"""Divide the neurons into general ones and those of single pairs, and write masks.

    lass neurons allocate importance/ --general 0.9 --threshold 0.7 --out masks/

The ρ (--general) most important neurons of each site are general; every other one
belongs to the pairs for which it is at least k (--threshold) times as important as for
the pair that needs it most (Eq. 9). With --budget each pair gets its own k instead, so
that it costs at most that share of the parameters or FLOPs of these weights.

With --cumulative 0.95 each pair has of each site the fewest neurons whose scores reach
that share of the sum of all; by --criterion activation these are the specialised
neurons of Tan 2024. General are then the neurons that all pairs have.

The folder of --out gets one mask file for each pair, allocation.json with the numbers,
and a copy of the importance under importance/, so that other ρ and k need no new pass:
'lass neurons allocate masks/importance …'.
"""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.neurons.settings import Rule
from lass_plugin.settings import (
    Settings,
    argument,
    including,
    needless,
    option,
    required,
)

HELP = "divide the neurons into general and specific ones; write masks"
QUIET = True


@dataclass(frozen=True, kw_only=True)
class AllocationSettings(Settings):
    """Which neurons are divided by which rule, and where the masks go."""

    importance: Path = argument(
        "what 'lass neurons importance' made", metavar="IMPORTANCE"
    )
    out: Path = required("folder for the masks", metavar="DIR")
    rule: Rule = including(Rule)
    budget: float | None = option(
        None,
        "of the weights that these neurons own, for each pair (instead of --threshold)",
        metavar="SHARE",
    )
    budget_of: str = option(
        "parameters",
        "what the budget counts (default: %(default)s)",
        choices=("parameters", "flops"),
    )
    checkpoint: Path | None = option(
        None, "the model, whose shapes a budget needs to be known", metavar="PT"
    )

    def check(self) -> None:
        super().check()
        if self.budget is None:
            needless(self, ("budget_of", "checkpoint"), "without --budget")
        elif self.rule.cumulative is not None:
            raise LassError(
                "--budget and --cumulative exclude each other; leave one of them out"
            )
        elif self.rule.threshold != Rule.threshold:
            raise LassError(
                "--threshold and --budget exclude each other; leave one of them out"
            )
        elif self.checkpoint is None:
            raise LassError("--budget needs --checkpoint, the model it is kept for")


SETTINGS = AllocationSettings


def run(settings: AllocationSettings) -> int:
    """Write the masks; print how many neurons each pair has."""
    from lass_plugin.neurons.allocation import allocate, write_allocation
    from lass_plugin.neurons.budget import Budget, costs_of
    from lass_plugin.neurons.importance import load_importance
    from lass_plugin.records.text_tables import print_table

    budget = None
    importance = load_importance(settings.importance)
    if settings.budget is not None and settings.checkpoint is not None:
        costs = costs_of(importance, settings.checkpoint)
        budget = Budget(settings.budget, settings.budget_of, costs)
    allocation = allocate(importance, settings.rule, budget)
    write_allocation(settings.out, allocation, importance)
    general = sum(int(kept.sum()) for kept in allocation.general.values())
    total = sum(importance.neurons.values())
    rows = [["pair", "its own", "takes part"] + ["k"] * bool(budget)]
    for pair, k in allocation.thresholds.items():
        own = allocation.count_specific(pair)
        row = [pair, f"{own:,}", f"{(general + own) / total:.1%}"]
        rows.append([*row, f"{k:.4f}"] if budget else row)
    print(f"{general:,} of {total:,} neurons are general")
    print_table(rows)
    print(f"written to {settings.out}")
    return 0
