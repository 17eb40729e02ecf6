"""Take the placement out of a training that learned it.

    fairseq-train … --task translation_lslo --lslo-placement learn --save-dir learned
    lass lslo placement learned/checkpoint_last.pt --out placement/
    fairseq-train … --task translation_lslo --lslo-placement placement/placement.json

In weight learning every layer has modules of the source and of the target, and the
softmax of two learned numbers weighs them (Cao 2024, Eq. 5). Each layer gets the index
with the larger weight; where both are equal, source in the encoder and target in the
decoder, and it is said so. Layers are numbered as in the names of the weights, from 0.

--out DIR gets placement.json, weights.csv and the curves of Fig. 1, weights.png and
.svg.
"""

import argparse
from pathlib import Path

HELP = "which language chooses the modules of each layer, as weight learning found"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass lslo placement``."""
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        type=Path,
        help="of a training with --lslo-placement learn",
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, required=True, help="folder for the files"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the weights of every layer; write the placement."""
    from lass_plugin.methods.lowrank.planning.learned_placement import (
        choose,
        learned_weights,
        write_learned,
    )
    from lass_plugin.methods.lowrank.stored import read_low_rank
    from lass_plugin.records.text_tables import print_table

    where = str(arguments.checkpoint)
    checkpoint = read_low_rank(arguments.checkpoint)
    weights = learned_weights(checkpoint, where)
    placement, equal = choose(weights, checkpoint.entry.plan.placement)
    rows = [["layer", "source", "target", "index"]]
    for side, layers in weights.items():
        for number, found in enumerate(layers):
            values = [f"{value:.4f}" for value in found] if found else ["-", "-"]
            rows.append([f"{side} {number}", *values, placement.of(side, number)])
    print_table(rows)
    if equal:
        print(
            "note: equal weights, so source in the encoder and target in the decoder: "
            + ", ".join(equal)
        )
    print()
    for path in write_learned(arguments.out, placement, weights, where):
        print(path)
    return 0
