"""Make an encoder of every second layer of another, the student of a distillation.

    lass encoder halve xlmr/model.pt --out student.pt
    lass encoder halve xlmr/model.pt --out student.pt --layers 0,2,4,7,9,11

Layers count from 0; by default they are 0, 2, 4 … (Sanh 2019; Li 2022 has this
baseline). Train it with --finetune-from-model and --encoder-layers, and with
--criterion masked_lm_distillation --teacher xlmr/model.pt.
"""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.settings import Settings, argument, option, required

HELP = "every second layer of an encoder, the student of a distillation"


@dataclass(frozen=True, kw_only=True)
class HalveSettings(Settings):
    """Which layers of which encoder are kept."""

    checkpoint: Path = argument("of an encoder", metavar="CHECKPOINT")
    out: Path = required("file for the smaller encoder", metavar="FILE")
    layers: tuple[int, ...] = option(
        (), "layers to keep, from 0 (default: 0,2,4 …)", metavar="N,…"
    )


SETTINGS = HalveSettings
QUIET = True


def run(settings: HalveSettings) -> int:
    """Write it, and say how many layers it has."""
    from lass_plugin.anatomy.places import count_layers
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.checkpoints.encoders.layers import with_layers
    from lass_plugin.checkpoints.torch_files import save_tensors

    checkpoint = Checkpoint.read_whole(settings.checkpoint)
    made = with_layers(checkpoint, settings.layers)
    save_tensors(settings.out, made)
    layers = count_layers(made["model"])["encoder"]
    print(f"{settings.out}: {layers} layers (train it with --encoder-layers {layers})")
    return 0
