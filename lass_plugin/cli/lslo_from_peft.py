"""Make a checkpoint of low-rank modules from a LoRA adapter of the library peft.

    lass lslo from-peft adapter/ --pair de-en --base base.pt --out de-en.pt

The adapter is one of M2M100ForConditionalGeneration, and the base the same model as a
checkpoint of fairseq. What low-rank modules cannot do (DoRA, trained biases, embeddings
or whole modules, initializations that change the base) is refused by name. The result
translates with 'lass evaluate', 'lass translate', 'lass export' and fairseq-generate.
"""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.files import ends_in
from lass_plugin.languages import Pair
from lass_plugin.settings import Settings, argument, option, required

HELP = "make a checkpoint from a LoRA adapter of peft"


@dataclass(frozen=True, kw_only=True)
class FromPeftSettings(Settings):
    """What is read, and the checkpoint that it becomes."""

    folder: Path = argument("folder that peft saved an adapter to", metavar="DIR")
    pair: Pair = required("the direction that it is of", metavar="SRC-TGT")
    base: Path = required(
        "checkpoint of fairseq with the weights of the adapter's base", metavar="FILE"
    )
    out: Path = required("checkpoint to write", metavar="FILE", check=ends_in(".pt"))
    placement: str | None = option(
        None,
        "whose module a layer's becomes: source, target, first:N, first:P%%, or a "
        "file (default: first:75%%); the direction gets the same in any case",
        metavar="RULE",
    )


SETTINGS = FromPeftSettings


def run(settings: FromPeftSettings) -> int:
    """Write the checkpoint."""
    from lass_plugin.checkpoints.torch_files import save_tensors
    from lass_plugin.methods.lowrank.peft import from_peft
    from lass_plugin.methods.lowrank.planning.placement import DEFAULT

    rule = settings.placement or DEFAULT
    result = from_peft(settings.folder, settings.pair, settings.base, rule)
    save_tensors(settings.out, result)
    count = len(result["task_state"]["lslo"]["plan"]["matrices"])
    print(f"{settings.pair}: modules beside {count} matrices -> {settings.out}")
    return 0
