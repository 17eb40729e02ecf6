"""Give an encoder a module of each language in every layer: X-MOD (Pfeiffer 2022).

    lass encoder modules encoder/model.pt --languages de,en,sw --out xmod.pt
    fairseq-train … --arch xmod_from_encoder --finetune-from-model xmod.pt

Modules begin as nothing, so outputs are those of the encoder at first. They stand
before the last layer norm of a layer, which is not used twice as in X-MOD itself
(xmod_languages), else outputs would change at once.
"""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.languages import parse_languages
from lass_plugin.settings import Settings, argument, option, required

HELP = "an encoder with a module of each language: X-MOD"


@dataclass(frozen=True, kw_only=True)
class ModulesSettings(Settings):
    """Which encoder gets modules of which languages."""

    checkpoint: Path = argument("of an encoder", metavar="CHECKPOINT")
    languages: tuple[str, ...] = required(
        "languages of the training", metavar="LANG,…", parse=parse_languages
    )
    out: Path = required("file for the encoder with modules", metavar="FILE")
    seed: int = option(1, "what the modules are drawn from", metavar="N")


SETTINGS = ModulesSettings
QUIET = True


def run(settings: ModulesSettings) -> int:
    """Write it, and say how many parameters were added."""
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.checkpoints.encoders.modules import ARCHITECTURE, with_modules
    from lass_plugin.checkpoints.torch_files import save_tensors

    checkpoint = Checkpoint.read_whole(settings.checkpoint)
    made = with_modules(checkpoint, settings.languages, settings.seed)
    save_tensors(settings.out, made)
    new = [name for name in made["model"] if ".adapter_modules." in name]
    count = sum(made["model"][name].numel() for name in new)
    print(f"{settings.out}: {count:,} parameters added (--arch {ARCHITECTURE})")
    return 0
