"""Write one pair's part of a model as a plain checkpoint of stock fairseq.

    lass export joint/checkpoint_best.pt --pair de-en --out de-en.pt
    lass export lslo/checkpoint_best.pt --pair de-en --base base.pt --out de-en.pt

The mask is multiplied into the weights, or the low-rank modules of the pair are added
to those of the base (--base where it is no longer where it was in training). What the
file needs is fairseq, its dictionary, and not this package. The command that translates
with it is printed at the end.

With --compact the file is smaller and translation faster: hidden units of feed-forward
layers that cannot contribute are cut out, on each side down to the most that one of its
layers uses. Heads and other neurons of attention, and outputs of a layer, stay as zeros
('lass compact --help' says why, and writes one checkpoint for several pairs).
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping

from lass_plugin.cli.compact import (
    add_multiple,
    check_checkpoint_name,
    masks_for,
    multiple_of,
    print_cut,
)

if TYPE_CHECKING:
    from lass_plugin.languages import Pair

HELP = "write one pair as a checkpoint of stock fairseq"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass export``."""
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        type=Path,
        help="jointly trained checkpoint, or one of low-rank modules",
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
        "--base",
        metavar="FILE",
        type=Path,
        help="the base that low-rank modules stand in (default: where it was in "
        "training)",
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
    from lass_plugin.checkpoints.checkpoint import read_checkpoint
    from lass_plugin.checkpoints.stock import (
        data_folder,
        save_exported,
        stock_command,
    )
    from lass_plugin.errors import LassError
    from lass_plugin.languages import Pair
    from lass_plugin.methods.lowrank.entry import ENTRY

    pair = Pair.parse(arguments.pair)
    check_checkpoint_name(arguments.out)
    checkpoint = read_checkpoint(arguments.checkpoint)
    if ENTRY in (checkpoint.get("task_state") or {}):
        result, what = _with_low_rank_modules(arguments, checkpoint, pair)
    elif arguments.base:
        raise LassError(
            f"--base has no effect, because {arguments.checkpoint} has no low-rank "
            "modules; leave it out"
        )
    else:
        result, what = _under_mask(arguments, checkpoint, pair)
    save_exported(arguments.out, result)
    print(f"{pair}: {what} -> {arguments.out}")
    command = stock_command(result, arguments.out, data_folder(checkpoint))
    print(f"translate with stock fairseq:\n{command}")
    return 0


def _under_mask(
    arguments: argparse.Namespace, checkpoint: Mapping[str, Any], pair: "Pair"
) -> tuple[dict[str, Any], str]:
    """The checkpoint to write, and what it keeps in words."""
    from lass_plugin.errors import LassError
    from lass_plugin.masks.neurons import are_neurons
    from lass_plugin.methods.subnetworks.compaction import compacted_pair
    from lass_plugin.methods.subnetworks.export import exported

    path = arguments.checkpoint
    if arguments.multiple is not None and not arguments.compact:
        raise LassError("--multiple has no effect without --compact; leave it out")
    multiple = multiple_of(arguments)
    mask = masks_for(checkpoint, path, arguments.masks)[str(pair)]
    result = exported(checkpoint, mask, path, arguments.half)
    if arguments.compact:
        whole = result
        result, cut, difference = compacted_pair(whole, path, multiple)
        print_cut(whole, result, cut, difference)
    units = "neurons" if are_neurons(mask.shapes) else "weights"
    return result, f"{mask.kept():,} of {mask.units:,} {units} kept"


def _with_low_rank_modules(
    arguments: argparse.Namespace, checkpoint: Mapping[str, Any], pair: "Pair"
) -> tuple[dict[str, Any], str]:
    """The checkpoint to write, and what was merged in words."""
    from lass_plugin.errors import LassError
    from lass_plugin.methods.lowrank.exchange.export import exported
    from lass_plugin.methods.lowrank.stored import low_rank_of

    path = arguments.checkpoint
    for option in ("masks", "compact", "multiple"):
        if getattr(arguments, option) not in (None, False):
            raise LassError(
                f"--{option} has no effect on {path}, which has low-rank modules and "
                "no masks; leave it out"
            )
    result = exported(checkpoint, pair, path, arguments.base, arguments.half)
    count = len(low_rank_of(checkpoint, path, pair).modules)
    return result, f"{count} low-rank modules merged"
