"""Write one pair's sub-network as a plain checkpoint of stock fairseq.

    lass export joint/checkpoint_best.pt --pair de-en --out de-en.pt

The mask is multiplied into the weights; what the file needs is fairseq, its dictionary,
and not this package. The command that translates with it is printed at the end.

With --compact the file is smaller and translation faster: hidden units of feed-forward
layers that cannot contribute are cut out, on each side down to the most that one of its
layers uses. Heads and other neurons of attention, and outputs of a layer, stay as zeros
('lass compact --help' says why, and writes one checkpoint for several pairs).
"""

import argparse
from pathlib import Path

from lass_plugin.cli.compact import (
    add_multiple,
    check_checkpoint_name,
    masks_for,
    multiple_of,
    print_cut,
)

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
    parser.add_argument(
        "--compact",
        action="store_true",
        help="cut out the hidden units that cannot contribute",
    )
    add_multiple(parser)


def run(arguments: argparse.Namespace) -> int:
    """Export, and print the command that translates with the result."""
    from lass_plugin.checkpoints import read_checkpoint
    from lass_plugin.errors import LassError
    from lass_plugin.languages import Pair
    from lass_plugin.masks.compaction import compacted_pair
    from lass_plugin.masks.export import (
        data_folder,
        exported,
        save_exported,
        stock_command,
    )
    from lass_plugin.masks.neurons import are_neurons

    path, key = arguments.checkpoint, str(Pair.parse(arguments.pair))
    check_checkpoint_name(arguments.out)
    if arguments.multiple is not None and not arguments.compact:
        raise LassError("--multiple has no effect without --compact; leave it out")
    multiple = multiple_of(arguments)
    checkpoint = read_checkpoint(path)
    mask = masks_for(checkpoint, path, arguments.masks)[key]
    result = exported(checkpoint, mask, path, arguments.half)
    if arguments.compact:
        whole = result
        result, cut, difference = compacted_pair(whole, path, multiple)
        print_cut(whole, result, cut, difference)
    save_exported(arguments.out, result)
    units = "neurons" if are_neurons(mask.shapes) else "weights"
    print(f"{key}: {mask.kept():,} of {mask.units:,} {units} kept -> {arguments.out}")
    command = stock_command(result, arguments.out, data_folder(checkpoint))
    print(f"translate with stock fairseq:\n{command}")
    return 0
