"""Divide the neurons into general ones and those of single pairs, and write masks.

    lass neurons allocate importance/ --general 0.9 --threshold 0.7 --out masks/

The ρ (--general) most important neurons of each site are general; every other one
belongs to the pairs for which it is at least k (--threshold) times as important as for
the pair that needs it most (Eq. 9). With --budget each pair gets its own k instead, so
that it costs at most that share of the parameters or FLOPs of these weights.

The folder of --out gets one mask file for each pair, allocation.json with the numbers,
and a copy of the importance under importance/, so that other ρ and k need no new pass:
'lass neurons allocate masks/importance …'.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from lass_plugin.neurons.allocation import Rule

HELP = "divide the neurons into general and specific ones; write masks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass neurons allocate``."""
    parser.add_argument(
        "importance",
        metavar="IMPORTANCE",
        type=Path,
        help="what 'lass neurons importance' made",
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, required=True, help="folder for the masks"
    )
    add_rule(parser)
    parser.add_argument(
        "--budget",
        type=float,
        metavar="SHARE",
        help="of the weights that these neurons own, for each pair (instead of "
        "--threshold)",
    )
    parser.add_argument(
        "--budget-of",
        choices=("parameters", "flops"),
        help="what the budget counts (default: parameters)",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="PT",
        type=Path,
        help="the model, whose shapes a budget needs to be known",
    )


def add_rule(parser: argparse.ArgumentParser) -> None:
    """Add what an allocation is made by."""
    add = parser.add_argument_group("rule").add_argument
    add(
        "--general",
        type=float,
        default=0.9,
        metavar="RHO",
        help="share of each site's neurons that are general (default: %(default)s)",
    )
    add(
        "--threshold",
        type=float,
        metavar="K",
        help="k of Eq. 9: 0 gives every neuron to all, 1 to one pair (default: 0.7)",
    )
    add(
        "--by",
        choices=("pair", "source", "target", "separate"),
        default="pair",
        help="allocate to pairs, sources, targets, or to sources in the encoder and "
        "targets in the decoder (default: %(default)s)",
    )
    add_score(add)


def add_score(add: Callable[..., object]) -> None:
    """Add what is taken for the importance of a neuron.

    Args:
        add: ``add_argument`` of a parser or a group.
    """
    add(
        "--criterion",
        choices=("taylor", "taylor-sentence", "absolute"),
        default="taylor",
        help="Eq. 7 at each position or over each sentence, or Eq. 8 "
        "(default: %(default)s)",
    )
    add(
        "--average",
        choices=("token", "sentence"),
        default="token",
        help="what the sums are divided by (default: %(default)s)",
    )


def rule_of(arguments: argparse.Namespace) -> "Rule":
    """The rule that the options of :func:`add_rule` give."""
    from lass_plugin.neurons.allocation import Rule

    return Rule(
        arguments.general,
        Rule.threshold if arguments.threshold is None else arguments.threshold,
        arguments.by,
        arguments.criterion,
        arguments.average,
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the masks; print how many neurons each pair has."""
    import logging
    import warnings

    logging.disable(logging.WARNING)  # fairseq's, about its own optional parts
    warnings.simplefilter("ignore")
    from lass_plugin.errors import LassError
    from lass_plugin.neurons.allocation import allocate, write_allocation
    from lass_plugin.neurons.budget import Budget, costs_of
    from lass_plugin.neurons.importance import load_importance
    from lass_plugin.records.text_tables import print_table

    budget = costs = None
    importance = load_importance(arguments.importance)
    if arguments.budget is None:
        for option in ("budget_of", "checkpoint"):
            if getattr(arguments, option):
                flag = option.replace("_", "-")
                raise LassError(
                    f"--{flag} has no effect without --budget; leave it out"
                )
    else:
        if arguments.threshold is not None:
            raise LassError(
                "--threshold and --budget exclude each other; leave one of them out"
            )
        if not arguments.checkpoint:
            raise LassError("--budget needs --checkpoint, the model it is kept for")
        budget = Budget(arguments.budget, arguments.budget_of or "parameters")
        costs = costs_of(importance, arguments.checkpoint)
    allocation = allocate(importance, rule_of(arguments), budget, costs)
    write_allocation(arguments.out, allocation, importance)
    general = sum(int(kept.sum()) for kept in allocation.general.values())
    total = sum(importance.neurons.values())
    rows = [["pair", "its own", "takes part"] + ["k"] * bool(budget)]
    for pair, k in allocation.thresholds.items():
        own = sum(
            int(allocation.specific(pair, site).sum()) for site in allocation.general
        )
        row = [pair, f"{own:,}", f"{(general + own) / total:.1%}"]
        rows.append([*row, f"{k:.4f}"] if budget else row)
    print(f"{general:,} of {total:,} neurons are general")
    print_table(rows)
    print(f"written to {arguments.out}")
    return 0
