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

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.settings import Settings, argument, required

HELP = "which language chooses the modules of each layer, as weight learning found"


@dataclass(frozen=True, kw_only=True)
class PlacementSettings(Settings):
    """What is read, and where the files go."""

    checkpoint: Path = argument(
        "of a training with --lslo-placement learn", metavar="CHECKPOINT"
    )
    out: Path = required("folder for the files", metavar="DIR")


SETTINGS = PlacementSettings


def run(settings: PlacementSettings) -> int:
    """Print the weights of every layer; write the placement."""
    from lass_plugin.methods.lowrank.planning.learned_placement import (
        choose,
        learned_weights,
        write_learned,
    )
    from lass_plugin.methods.lowrank.stored import read_low_rank
    from lass_plugin.records.text_tables import print_table

    where = str(settings.checkpoint)
    checkpoint = read_low_rank(settings.checkpoint)
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
    for path in write_learned(settings.out, placement, weights, where):
        print(path)
    return 0
