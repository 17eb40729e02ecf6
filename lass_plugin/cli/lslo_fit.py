"""Fit low-rank modules of individual ranks to a base, from first to last.

    lass lslo fit DATA --base pretrained.pt --pairs de-en,en-de,oc-en,en-oc \\
        --out fit/ --budget-rank 4 -- --lr 0.003 --max-tokens 4096 --fp16

1  weight learning        fit/learned, fit/placement         (left out with --placement)
2  subspace estimation    fit/estimation, fit/estimate
3  ranks under a budget   fit/plan.json
4  training of that plan  fit/final

The options of the model and of its language tokens are the base's; what follows -- goes
to fairseq-train. All GPUs that are visible train together. A run that is killed goes on
when it is started again, and steps that are done are kept.
"""

import argparse
from pathlib import Path

from lass_plugin.cli.search import PassingOn

HELP = "weight learning, estimation, ranks and training in one command"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass lslo fit``."""
    parser.usage = "lass lslo fit DATA --base BASE.pt --pairs SRC-TGT,… --out DIR "
    parser.usage += "(--budget N | --budget-rank R) [options] [-- fairseq-train flags]"
    add = parser.add_argument
    add("data", metavar="DATA", type=Path, help="folder of binarized data")
    add("--base", metavar="FILE", type=Path, required=True, help="the frozen model")
    add("--pairs", metavar="SRC-TGT,…", required=True, help="directions to train")
    add("--out", metavar="DIR", type=Path, required=True, help="folder of all results")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--budget", metavar="N", help="parameters at most: 15.3M")
    budget.add_argument(
        "--budget-rank", type=int, metavar="R", help="as many as rank R for all has"
    )
    add("--by", choices=("module", "language"), default="module")
    add(
        "--rank",
        type=int,
        default=8,
        help="of all modules in weight learning and estimation (default: 8)",
    )
    add("--matrices", metavar="LIST", help="as --lslo-matrices")
    add("--placement", metavar="RULE", help="this placement instead of learning one")
    add(
        "--ratio",
        type=float,
        default=0.7,
        help="share pruned in the estimation (default: 0.7)",
    )
    add("--start", type=int, default=2, help="E, epochs (default: 2)")
    add("--length", type=int, default=8, help="k, epochs (default: 8)")
    add("--epochs", type=int, default=15, help="T of each training (default: 15)")
    add("--cpu", action="store_true", help="train on the CPU")
    parser.parse_known_args = PassingOn(parser)  # type: ignore


def run(arguments: argparse.Namespace) -> int:
    """Run the steps; say where the results are."""
    import logging
    import warnings

    logging.disable(logging.WARNING)  # fairseq's, about its own optional parts
    warnings.simplefilter("ignore")
    from lass_plugin.cli import lslo_estimate, lslo_placement, lslo_ranks
    from lass_plugin.experiments.low_rank_fit import FitSettings, Trainings
    from lass_plugin.languages import parse_pairs

    out: Path = arguments.out
    settings = FitSettings(
        arguments.data,
        arguments.base,
        out,
        tuple(parse_pairs(arguments.pairs)),
        arguments.epochs,
        arguments.cpu,
        tuple(arguments.flags),
    )
    trainings = Trainings(settings)
    common = ["--lslo-ranks", str(arguments.rank)]
    if arguments.matrices:
        common += ["--lslo-matrices", arguments.matrices]
    placement = arguments.placement
    if placement is None:
        learned = trainings.run(
            "learned", "weight learning", *common, "--lslo-placement", "learn"
        )
        _mode(lslo_placement, learned, "--out", out / "placement")
        placement = str((out / "placement" / "placement.json").resolve())
    common += ["--lslo-placement", placement]
    estimated = trainings.run(
        "estimation",
        "estimation",
        *common,
        *("--lslo-pruning", "layer", "--lslo-pruning-ratio", str(arguments.ratio)),
        *("--lslo-pruning-start", str(arguments.start)),
        *("--lslo-pruning-length", str(arguments.length)),
    )
    _mode(lslo_estimate, estimated, "--out", out / "estimate")
    budget = ("--budget", arguments.budget)
    if arguments.budget is None:
        budget = ("--budget-rank", arguments.budget_rank)
    plan = out / "plan.json"
    words = (out / "estimate", *budget, "--by", arguments.by, "--out", plan)
    _mode(lslo_ranks, *words)
    final = trainings.run("final", "training", "--lslo-plan", str(plan.resolve()))
    print(
        f"\n{final}\ntranslate: fairseq-generate {arguments.data} --user-dir "
        f"lass_plugin --task translation_subnetwork --path {final} "
        f"-s {settings.pairs[0].source} -t {settings.pairs[0].target}"
    )
    return 0


def _mode(module, *words: object) -> None:
    """Another mode of ``lass lslo``, as its command would run it."""
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    module.run(parser.parse_args([str(word) for word in words]))
