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

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Mapping

if TYPE_CHECKING:
    from lass_plugin.anatomy.matrices import Matrix
    from lass_plugin.methods.lowrank.estimation.demands import Estimate
    from lass_plugin.methods.lowrank.planning.placement import Placement
    from lass_plugin.methods.lowrank.planning.plan import Plan

HELP = "individual ranks under a budget, as a plan, from an estimate"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass lslo ranks``."""
    parser.add_argument(
        "estimate",
        metavar="ESTIMATE",
        type=Path,
        help="estimate.json of 'lass lslo estimate', or its folder",
    )
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument(
        "--budget", metavar="N", help="parameters of all modules at most: 500000, 15.3M"
    )
    budget.add_argument(
        "--budget-rank",
        type=int,
        metavar="R",
        help="as many parameters as rank R for all languages of the estimate beside "
        "the same matrices",
    )
    parser.add_argument(
        "--out", metavar="PLAN.json", type=Path, required=True, help="file to write"
    )
    parser.add_argument(
        "--by",
        choices=("module", "language"),
        default="module",
        help="a rank for each language and matrix, or one for each language "
        "(default: module)",
    )
    parser.add_argument(
        "--least", type=int, default=0, metavar="R", help="lowest rank (default: 0)"
    )
    parser.add_argument(
        "--most", type=int, metavar="R", help="highest rank (default: what fits)"
    )
    parser.add_argument(
        "--matrices",
        metavar="LIST",
        help="those to put modules beside, such as fc1,fc2 (default: all estimated)",
    )
    parser.add_argument(
        "--placement",
        metavar="RULE",
        help="as --lslo-placement: source, target, first:N, first:P%% or a file "
        "(default: that of the estimate)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the ranks; write the plan."""
    from lass_plugin.anatomy.matrices import parse_kinds
    from lass_plugin.methods.lowrank.estimation.demands import read
    from lass_plugin.methods.lowrank.planning.plan import count_parameters, write_plan
    from lass_plugin.methods.lowrank.planning.planned_ranks import (
        chosen_matrices,
        placed_otherwise,
        plan_ranks,
    )

    found, _ = read(arguments.estimate)
    kinds = parse_kinds(arguments.matrices) if arguments.matrices else None
    matrices = chosen_matrices(found, kinds)
    budget = _budget(found, matrices, arguments)
    placement = _placement(found, arguments.placement)
    plan = plan_ranks(
        found,
        matrices,
        budget,
        placement,
        by=arguments.by,
        least=arguments.least,
        most=arguments.most,
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
    write_plan(
        arguments.out,
        plan,
        f"ranks by {arguments.by} under {budget} parameters, from the demands in "
        f"{found.checkpoint}",
    )
    print(arguments.out)
    return 0


def _budget(
    found: "Estimate", matrices: "Mapping[str, Matrix]", arguments: argparse.Namespace
) -> int:
    from lass_plugin.data.amounts import parse_count
    from lass_plugin.errors import LassError
    from lass_plugin.methods.lowrank.planning.planned_ranks import uniform_cost

    if arguments.budget is None:
        if arguments.budget_rank < 1:
            raise LassError(
                f"--budget-rank {arguments.budget_rank} is no rank; give 1 or more"
            )
        return uniform_cost(found, matrices, arguments.budget_rank)
    try:
        return parse_count(arguments.budget)
    except LassError as error:
        raise LassError(
            f"--budget '{arguments.budget}' is not a number of parameters; write "
            "500000, 500K or 15.3M"
        ) from error


def _placement(found: "Estimate", text: str | None) -> "Placement | None":
    from lass_plugin.anatomy.matrices import SIDES
    from lass_plugin.methods.lowrank.planning.placement import parse_placement

    if text is None:
        return None
    given = found.plan.placement
    return parse_placement(text, {side: len(getattr(given, side)) for side in SIDES})


def _print_ranks(plan: "Plan", matrices: "Mapping[str, Matrix]") -> None:
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
