"""Write the low-rank modules of one direction as a LoRA adapter of the library peft.

    lass lslo to-peft lslo/checkpoint_best.pt --pair de-en --out adapter/

The folder gets adapter_config.json and adapter_model.safetensors for the class
M2M100ForConditionalGeneration of the library transformers; the base must have been
converted to it (transformers has a script for checkpoints of fairseq's M2M-100). In the
lower encoder layers the adapter has the modules of the source language, elsewhere those
of the target language, as the placement says.
"""

import argparse
from pathlib import Path

HELP = "write one direction as a LoRA adapter of peft"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass lslo to-peft``."""
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        type=Path,
        help="checkpoint of low-rank modules",
    )
    parser.add_argument(
        "--pair", metavar="SRC-TGT", required=True, help="the direction to write"
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, required=True, help="folder to write"
    )
    parser.add_argument(
        "--base-name",
        metavar="NAME",
        help="what transformers calls the base, such as facebook/m2m100_418M "
        "(default: left open)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the folder, and say what is in it."""
    from lass_plugin.checkpoints.checkpoint import read_checkpoint
    from lass_plugin.languages import Pair
    from lass_plugin.methods.lowrank.exchange.peft import to_peft

    pair = Pair.parse(arguments.pair)
    modules = to_peft(
        read_checkpoint(arguments.checkpoint),
        pair,
        arguments.checkpoint,
        arguments.out,
        arguments.base_name,
    )
    ranks = sorted({module.rank for module in modules})
    print(
        f"{pair}: {len(modules)} matrices, ranks {', '.join(map(str, ranks))} -> "
        f"{arguments.out}"
    )
    return 0
