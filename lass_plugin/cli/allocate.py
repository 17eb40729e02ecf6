"""Give each pair a ratio of its own under one budget, and write the masks.

    lass allocate DATA --base base/checkpoint_best.pt --searches search \\
        --budget 0.6 --out own

The validation loss of every pair is measured under its mask at each ratio of a grid, on
the base's weights, without training. Of each pair's points the lower convex envelope is
taken; then weights are removed where a share of them costs the least loss, step by
step, until the mean ratio over the pairs is the budget. The masks are an ordinary mask
set in DIR/masks, for joint training with --masks; DIR/allocation.json, .csv, .png and
.svg show the losses and the choice.

A one-shot search gives exact masks at every ratio; for a gradual one, which trained
under another ratio, --recut accepts masks that are cut from its scores nevertheless.
'lass sweep --own-ratios' trains such masks beside those of one ratio for all pairs.
"""

import argparse

from lass_plugin.cli.sweep import add_sources

HELP = "give each pair its own ratio under a budget"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass allocate``."""
    add_sources(parser)
    add = parser.add_argument
    add(
        "--budget",
        metavar="RATIO",
        type=float,
        required=True,
        help="mean ratio over the pairs",
    )
    add(
        "--ratios",
        metavar="R,…",
        default="0.1:0.9",
        help="ratios to measure the losses at (default 0.1:0.9)",
    )
    add(
        "--method",
        metavar="M",
        help="such as magnitude-oneshot (default: the one of the searches)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Choose the ratios, write the masks, and print a line for each pair."""
    import logging
    import warnings

    logging.disable(logging.WARNING)  # fairseq's, about its own optional parts
    warnings.simplefilter("ignore")
    from lass_plugin.cli.extract import checkpoint_files
    from lass_plugin.experiments.sweeps.run import SweepSettings, allocate_masks
    from lass_plugin.experiments.sweeps.variants import Method, parse_ratios
    from lass_plugin.languages import parse_pairs
    from lass_plugin.records.text_tables import print_table
    from lass_plugin.schedules import check_ratio

    check_ratio(arguments.budget, "--budget")
    settings = SweepSettings(
        data=arguments.data,
        base=arguments.base,
        searches=tuple(checkpoint_files(arguments.searches)),
        out=arguments.out,
        pairs=tuple(parse_pairs(arguments.pairs)) if arguments.pairs else (),
        methods=(Method.parse(arguments.method),) if arguments.method else (),
        ratios=parse_ratios("--ratios", arguments.ratios),
        own_ratios=(arguments.budget,),
        recut=arguments.recut,
        valid_split=arguments.valid_split or "valid",
        cpu=arguments.cpu,
    )
    allocation, written = allocate_masks(settings)
    rows = [["pair", "ratio", "loss"]]
    for key, ratio in allocation.ratios.items():
        rows.append([key, f"{ratio:.4f}", f"{allocation.losses[key]:.4f}"])
    rows.append(["mean", f"{allocation.mean_ratio:.4f}", f"{allocation.mean_loss:.4f}"])
    print_table(rows)
    if allocation.single is not None:
        print(f"with one ratio for all, {allocation.budget:g}: {allocation.single:.4f}")
    print("loss: bits a token on the validation data, before any joint training")
    for path in written:
        print(path)
    return 0
