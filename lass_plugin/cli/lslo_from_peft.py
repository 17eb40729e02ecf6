"""Make a checkpoint of low-rank modules from a LoRA adapter of the library peft.

    lass lslo from-peft adapter/ --pair de-en --base base.pt --out de-en.pt

The adapter is one of M2M100ForConditionalGeneration, and the base the same model as a
checkpoint of fairseq. What low-rank modules cannot do (DoRA, trained biases, embeddings
or whole modules, initializations that change the base) is refused by name. The result
translates with 'lass evaluate', 'lass translate', 'lass export' and fairseq-generate.
"""

import argparse
from pathlib import Path

from lass_plugin.cli.compact import check_checkpoint_name

HELP = "make a checkpoint from a LoRA adapter of peft"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass lslo from-peft``."""
    parser.add_argument(
        "folder", metavar="DIR", type=Path, help="folder that peft saved an adapter to"
    )
    parser.add_argument(
        "--pair", metavar="SRC-TGT", required=True, help="the direction that it is of"
    )
    parser.add_argument(
        "--base",
        metavar="FILE",
        type=Path,
        required=True,
        help="checkpoint of fairseq with the weights of the adapter's base",
    )
    parser.add_argument(
        "--out", metavar="FILE", type=Path, required=True, help="checkpoint to write"
    )
    parser.add_argument(
        "--placement",
        metavar="RULE",
        help="whose module a layer's becomes: source, target, first:N, first:P%%, or a "
        "file (default: first:75%%); the direction gets the same in any case",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the checkpoint."""
    from lass_plugin.checkpoints.torch_files import save_tensors
    from lass_plugin.languages import Pair
    from lass_plugin.methods.lowrank.exchange.peft import from_peft
    from lass_plugin.methods.lowrank.planning.placement import DEFAULT

    pair = Pair.parse(arguments.pair)
    check_checkpoint_name(arguments.out)
    result = from_peft(
        *(arguments.folder, pair, arguments.base),
        arguments.placement or DEFAULT,
    )
    save_tensors(arguments.out, result)
    count = len(result["task_state"]["lslo"]["plan"]["matrices"])
    print(f"{pair}: modules beside {count} matrices -> {arguments.out}")
    return 0
