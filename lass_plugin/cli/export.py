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

from lass_plugin.cli.compact import (
    add_multiple,
    check_checkpoint_name,
    multiple_of,
    print_cut,
)

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
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.checkpoints.stock import (
        stock_command,
    )
    from lass_plugin.checkpoints.torch_files import save_tensors
    from lass_plugin.errors import LassError
    from lass_plugin.languages import Pair
    from lass_plugin.methods.method import ExportOptions
    from lass_plugin.methods.registry import exporting_method, method_of
    from lass_plugin.methods.subnetworks.compaction import compacted_pair

    pair, path = Pair.parse(arguments.pair), arguments.checkpoint
    check_checkpoint_name(arguments.out)
    names = ExportOptions.__dataclass_fields__
    options = ExportOptions(**{name: getattr(arguments, name) for name in names})
    checkpoint = Checkpoint.read(path)
    method = method_of(checkpoint.task_state, str(path))
    if options.base and not method.takes_base:
        raise LassError(
            f"--base has no effect, because {path} has no low-rank modules; leave it "
            "out"
        )
    method = exporting_method(method, path, options.masks)
    result, what = method.export(checkpoint, pair, options)
    if options.compact:
        whole = result
        multiple = multiple_of(arguments)
        result, cut, difference = compacted_pair(Checkpoint(path, whole), multiple)
        print_cut(whole, result, cut, difference)
    elif options.multiple is not None:
        raise LassError("--multiple has no effect without --compact; leave it out")
    save_tensors(arguments.out, result)
    print(f"{pair}: {what} -> {arguments.out}")
    command = stock_command(checkpoint, result, arguments.out)
    print(f"translate with stock fairseq:\n{command}")
    return 0
