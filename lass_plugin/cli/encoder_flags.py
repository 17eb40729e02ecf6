"""Print the options of fairseq-train that build an encoder of the shape of another.

    fairseq-train DATA --user-dir lass_plugin --task masked_lm_languages \\
        --finetune-from-model encoder/model.pt $(lass encoder flags encoder/model.pt) …

fairseq builds a model from options before it looks into a checkpoint. Dropout is not
among them. One with modules of languages is built by --arch xmod_from_encoder.
"""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.settings import Settings, argument

HELP = "the options of fairseq-train that build an encoder"


@dataclass(frozen=True, kw_only=True)
class FlagsSettings(Settings):
    """The encoder whose options are printed."""

    checkpoint: Path = argument("of an encoder", metavar="CHECKPOINT")


SETTINGS = FlagsSettings
QUIET = True


def run(settings: FlagsSettings) -> int:
    """Print them in one line."""
    from lass_plugin.anatomy.older_names import todays_names
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.checkpoints.encoders.modules import ARCHITECTURE, has_modules
    from lass_plugin.checkpoints.encoders.shape import shape_of
    from lass_plugin.errors import LassError

    checkpoint = Checkpoint.read_whole(settings.checkpoint)
    weights = todays_names(checkpoint.weights)
    try:
        flags = shape_of(weights, checkpoint.model_options).flags()
    except LassError as error:
        raise LassError(
            f"{settings.checkpoint}: {error.message}; of a smaller one 'lass gates "
            "export' prints the options"
        ) from error
    print(flags + f" --arch {ARCHITECTURE}" * has_modules(weights))
    return 0
