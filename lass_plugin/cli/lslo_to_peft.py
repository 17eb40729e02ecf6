"""Write the low-rank modules of one direction as a LoRA adapter of the library peft.

    lass lslo to-peft lslo/checkpoint_best.pt --pair de-en --out adapter/

The folder gets adapter_config.json and adapter_model.safetensors for the class
M2M100ForConditionalGeneration of the library transformers; the base must have been
converted to it (transformers has a script for checkpoints of fairseq's M2M-100). In the
lower encoder layers the adapter has the modules of the source language, elsewhere those
of the target language, as the placement says.
"""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.languages import Pair
from lass_plugin.settings import Settings, argument, option, required

HELP = "write one direction as a LoRA adapter of peft"


@dataclass(frozen=True, kw_only=True)
class ToPeftSettings(Settings):
    """What is written, and where."""

    checkpoint: Path = argument("checkpoint of low-rank modules", metavar="CHECKPOINT")
    pair: Pair = required("the direction to write", metavar="SRC-TGT")
    out: Path = required("folder to write", metavar="DIR")
    base_name: str | None = option(
        None,
        "what transformers calls the base, such as facebook/m2m100_418M "
        "(default: left open)",
        metavar="NAME",
    )


SETTINGS = ToPeftSettings


def run(settings: ToPeftSettings) -> int:
    """Write the folder, and say what is in it."""
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.methods.lowrank.peft import to_peft

    modules = to_peft(
        Checkpoint.read(settings.checkpoint),
        settings.pair,
        settings.out,
        settings.base_name,
    )
    ranks = ", ".join(map(str, sorted({module.rank for module in modules})))
    print(f"{settings.pair}: {len(modules)} matrices, ranks {ranks} -> {settings.out}")
    return 0
