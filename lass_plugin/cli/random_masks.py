"""Make random masks: the baseline that searched masks have to beat.

For the pairs, matrices and base of masks that exist:

    lass random --like MASKS --ratio 0.5 --seed 1 --out DIR

or for a base model:

    lass random --checkpoint BASE.pt --pairs de-en,en-de --ratio 0.5 --seed 1 --out DIR

Exactly round(ratio · n) of the n weights of each matrix are removed. The choice depends
on the seed, the pair and the name of the matrix only.
"""

import argparse
from pathlib import Path

HELP = "make random masks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass random``."""
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument(
        "--like",
        metavar="MASKS",
        type=Path,
        help="folder of masks, mask file or joint checkpoint to imitate",
    )
    model.add_argument(
        "--checkpoint", metavar="FILE", type=Path, help="checkpoint of the base model"
    )
    parser.add_argument(
        "--pairs",
        metavar="SRC-TGT,…",
        help="pairs to make masks for (with --like, default: all of its pairs)",
    )
    parser.add_argument(
        "--targets",
        metavar="TARGET,…",
        help="matrices to mask, with --checkpoint (default: attention,feed-forward)",
    )
    parser.add_argument(
        "--ratio",
        metavar="SHARE",
        type=float,
        required=True,
        help="share of each matrix to remove",
    )
    parser.add_argument("--seed", metavar="N", type=int, required=True)
    parser.add_argument("--out", metavar="DIR", type=Path, required=True)


def run(arguments: argparse.Namespace) -> int:
    """Make the masks and print where they are."""
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.errors import LassError
    from lass_plugin.languages import parse_pairs
    from lass_plugin.masks import (
        DEFAULT_TARGETS,
        fingerprint,
        parse_targets,
        save_masks,
    )
    from lass_plugin.masks.places import masks_at
    from lass_plugin.masks.random import random_masks
    from lass_plugin.schedules import check_ratio

    check_ratio(arguments.ratio, "--ratio")
    pairs = None
    if arguments.pairs:
        pairs = [str(pair) for pair in parse_pairs(arguments.pairs)]
    if arguments.like:
        if arguments.targets:
            raise LassError(
                "--targets has no effect with --like, which takes the matrices of the "
                "masks it is given; leave it out or use --checkpoint"
            )
        models = masks_at([arguments.like])
        shapes, base = models.shapes, next(iter(models.values())).base
        pairs = pairs or list(models)
    else:
        if pairs is None:
            raise LassError("--checkpoint needs --pairs, the pairs to make masks for")
        targets = (
            parse_targets(arguments.targets) if arguments.targets else DEFAULT_TARGETS
        )
        sites = Checkpoint.read(arguments.checkpoint).sites(targets)
        shapes = {name: tuple(weight.shape) for name, weight in sites.items()}
        base = fingerprint(sites)
    masks = random_masks(pairs, shapes, arguments.ratio, arguments.seed, base)
    for mask, path in zip(
        masks.values(), save_masks(arguments.out, masks), strict=True
    ):
        print(f"{mask.key}: {mask.kept():,} of {mask.units:,} weights kept -> {path}")
    return 0
