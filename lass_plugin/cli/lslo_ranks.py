"""Plan individual ranks under a budget of parameters, from an estimate of demands.

    lass lslo estimate ise/checkpoint_last.pt --out demands/
    lass lslo ranks demands/ --budget-rank 4 --matrices fc1,fc2 --out plan.json
    fairseq-train … --task translation_lslo --lslo-plan plan.json

Beyond the paper, which gives each resource type a rank by hand (2;2;8). Every module
gets a rank in proportion to the rank that what was kept of its B would fill (kept /
outputs), so that all ranks together cost at most --budget parameters. The matrices
differ in what a rank costs (outputs + inputs: fc1 and fc2 2.5 times as much as q in a
usual transformer); that counts against the budget and does not change the proportions:
of two modules of which the same share was kept, each gets the same rank. Ranks are
rounded down, and what is left of the budget goes to the largest remainders that fit.

With --by language each language has one rank beside all matrices, by the mean over
them; that needs languages that competed, so an estimate after --lslo-pruning layer.
Languages without modules in the estimate stay without.

The plan has the placement, alpha, dropout and seed of the estimate's training.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Mapping

from lass_plugin.methods.lowrank.planning.budget import BudgetSettings
from lass_plugin.settings import Settings, argument, including, option, required

if TYPE_CHECKING:
    from lass_plugin.anatomy.matrices import Matrix
    from lass_plugin.methods.lowrank.planning.plan import LowRankPlan

HELP = "individual ranks under a budget, as a plan, from an estimate"


@dataclass(frozen=True, kw_only=True)
class RanksSettings(Settings):
    """What is read, and what the plan may cost."""

    estimate: Path = argument(
        "estimate.json of 'lass lslo estimate', or its folder", metavar="ESTIMATE"
    )
    cost: BudgetSettings = including(BudgetSettings)
    out: Path = required("file to write", metavar="PLAN.json")
    least: int = option(0, "lowest rank (default: %(default)s)", metavar="R")
    most: int | None = option(None, "highest rank (default: what fits)", metavar="R")
    matrices: tuple[str, ...] | None = option(
        None,
        "those to put modules beside, such as fc1,fc2 (default: all estimated)",
        metavar="LIST",
        parse="lass_plugin.anatomy.matrices:parse_kinds",
    )
    placement: str | None = option(
        None,
        "as --lslo-placement: source, target, first:N, first:P%% or a file (default: "
        "that of the estimate)",
        metavar="RULE",
    )


SETTINGS = RanksSettings


def run(settings: RanksSettings) -> int:
    """Print the ranks; write the plan."""
    from lass_plugin.methods.lowrank.estimation.demands import read_estimate
    from lass_plugin.methods.lowrank.planning.placement import parse_placement
    from lass_plugin.methods.lowrank.planning.plan import count_parameters, write_plan
    from lass_plugin.methods.lowrank.planning.planned_ranks import (
        chosen_matrices,
        placed_otherwise,
        plan_ranks,
        uniform_cost,
    )

    found = read_estimate(settings.estimate)
    matrices = chosen_matrices(found, settings.matrices)
    budget, by = settings.cost.budget, settings.cost.by
    if budget is None:
        budget = uniform_cost(found, matrices, settings.cost.budget_rank or 0)
    placement = found.plan.placement
    if settings.placement is not None:
        placement = parse_placement(settings.placement, placement.layers)
    plan = plan_ranks(
        found,
        matrices,
        budget,
        placement,
        by=by,
        least=settings.least,
        most=settings.most,
    )
    spent = count_parameters(plan, matrices)
    square = count_parameters(plan, matrices, square=True)
    _print_ranks(plan, matrices)
    print(
        f"\n{spent:,} of {budget:,} parameters, {budget - spent:,} left "
        f"({square:,} if every matrix counts as square)"
    )
    others = placed_otherwise(found, plan.placement)
    if others:
        print(f"note: estimated under another index: {', '.join(others)}")
    if found.unpruned:
        print(
            "note: not pruned in the estimate, so ranked as if all of their B were in "
            f"demand: {', '.join(found.unpruned)}"
        )
    write_plan(
        settings.out,
        plan,
        f"ranks by {by} under {budget} parameters, from the demands in "
        f"{found.checkpoint}",
    )
    print(settings.out)
    return 0


def _print_ranks(plan: "LowRankPlan", matrices: "Mapping[str, Matrix]") -> None:
    """A row a language: its parameters, and the mean rank beside each kind."""
    from lass_plugin.records.text_tables import print_table

    columns = dict.fromkeys((m.side, m.kind) for m in matrices.values())
    rows = [["mean rank", *(f"{side[:3]} {kind}" for side, kind in columns)]]
    rows[0] += ["all", "parameters"]
    for language in plan.languages:
        means = []
        for column in columns:
            names = [n for n, m in matrices.items() if (m.side, m.kind) == column]
            means.append(sum(plan.ranks[n][language] for n in names) / len(names))
        ranks = {name: plan.ranks[name][language] for name in matrices}
        spent = sum(rank * matrices[name].units for name, rank in ranks.items())
        overall = sum(ranks.values()) / len(ranks)
        texts = [f"{value:.2f}" for value in [*means, overall]]
        rows.append([language, *texts, f"{spent:,}"])
    print_table(rows)
