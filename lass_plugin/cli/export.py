"""Write one pair's sub-network as a plain checkpoint of stock fairseq.

    lass export joint/checkpoint_best.pt --pair de-en --out de-en.pt

The mask is multiplied into the weights; what the file needs is fairseq, its dictionary,
and not this package. The command that translates with it is printed at the end.
"""

import argparse
from pathlib import Path

HELP = "write one pair as a checkpoint of stock fairseq"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass export``."""
    parser.add_argument(
        "checkpoint", metavar="CHECKPOINT", type=Path, help="jointly trained checkpoint"
    )
    parser.add_argument(
        "--pair", metavar="SRC-TGT", required=True, help="the pair to export"
    )
    parser.add_argument(
        "--out", metavar="FILE", type=Path, required=True, help="checkpoint to write"
    )
    parser.add_argument(
        "--masks",
        metavar="PATH",
        type=Path,
        help="take the mask from here instead (default: the checkpoint's own)",
    )
    parser.add_argument(
        "--half", action="store_true", help="store the weights in half precision"
    )


def run(arguments: argparse.Namespace) -> int:
    """Export, and print the command that translates with the result."""
    from lass_plugin.checkpoints import carried_masks, masks_at, read_checkpoint
    from lass_plugin.errors import LassError
    from lass_plugin.languages import Pair
    from lass_plugin.masks.export import (
        data_folder,
        exported,
        save_exported,
        stock_command,
    )

    path, key = arguments.checkpoint, str(Pair.parse(arguments.pair))
    if arguments.out.suffix != ".pt":
        raise LassError(f"--out {arguments.out} must be a file that ends in .pt")
    checkpoint = read_checkpoint(path)
    masks = (
        carried_masks(checkpoint, path)
        if arguments.masks is None
        else masks_at([arguments.masks])
    )
    if masks is None:
        raise LassError(
            f"{path} carries no masks; give a jointly trained checkpoint, or the mask "
            "with --masks"
        )
    mask = masks[key]
    result = exported(checkpoint, mask, path, arguments.half)
    save_exported(arguments.out, result)
    print(f"{key}: {mask.kept():,} of {mask.units:,} weights kept -> {arguments.out}")
    command = stock_command(result, arguments.out, data_folder(checkpoint))
    print(f"translate with stock fairseq:\n{command}")
    return 0
