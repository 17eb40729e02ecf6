"""Average checkpoints: the mean of their weights, to translate with or to begin from.

    lass average joint/checkpoint_best.pt joint/checkpoint_last.pt --out average.pt

Masks, low-rank modules, dictionaries and language tokens must be the same in all of
them and are carried on; fairseq's own script would add up the packed masks of pruned
modules, too. Begin from the base or the joint model with --finetune-from-model.
"""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.settings import Settings, argument, required

HELP = "the mean of several checkpoints, which must belong together"


@dataclass(frozen=True, kw_only=True)
class AverageSettings(Settings):
    """Which checkpoints are averaged, and where the mean goes."""

    checkpoints: tuple[Path, ...] = argument(
        "checkpoints of one model", metavar="CHECKPOINT", nargs="+"
    )
    out: Path = required("file for their mean", metavar="FILE")

    def check(self) -> None:
        super().check()
        if len(self.checkpoints) < 2:
            raise LassError("there is one CHECKPOINT only; give two or more to average")


SETTINGS = AverageSettings


def run(settings: AverageSettings) -> int:
    """Average, and say of how many updates they are."""
    from lass_plugin.checkpoints.averaging import averaged
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.checkpoints.torch_files import save_tensors

    checkpoints = [Checkpoint.read_whole(path) for path in settings.checkpoints]
    save_tensors(settings.out, averaged(checkpoints))
    updates = ", ".join(str(checkpoint.updates) for checkpoint in checkpoints)
    print(
        f"mean of {len(checkpoints)} checkpoints ({updates} updates) -> {settings.out}"
    )
    return 0
