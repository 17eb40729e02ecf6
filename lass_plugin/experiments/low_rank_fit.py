"""The trainings between a base and low-rank modules of individual ranks.

Weight learning (§4.1), estimation (§4.2), and the training of the plan that comes out
of them. Each is kept: a run that is killed goes on, a finished one is not done again.
"""

from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.base import Base
from lass_plugin.experiments.launching.checks import check_data
from lass_plugin.experiments.launching.commands import logging_of
from lass_plugin.experiments.launching.devices import Slot, cores, visible_devices
from lass_plugin.experiments.launching.flags import TASK, FlagBuilder, Purpose
from lass_plugin.experiments.launching.side_by_side import Training, train
from lass_plugin.experiments.low_rank_fit_settings import FitSettings

LSLO = Purpose(
    "translation_lslo",
    (*TASK, "sampling_method", "sampling_temperature"),
    {
        "task": "it is always translation_lslo",
        "user_dir": "it is always this package",
        "data": "give the data folder first",
        "lang_pairs": "use --pairs",
        "save_dir": "use --out",
        "base": "use --base before --",
        "finetune_from_model": "use --base",
        "restore_file": "use --base; a training goes on by itself where it was",
        "max_epoch": "use --epochs",
        "max_update": "use --epochs",
        "lslo_plan": "it is what this command makes",
        "lslo_ranks": "use --rank for the steps before, --budget-rank or --budget",
        "lslo_matrices": "use --matrices",
        "lslo_placement": "use --placement",
        "lslo_pruning": "it belongs to the estimation",
        "lslo_pruning_ratio": "use --ratio",
        "lslo_pruning_start": "use --start",
        "lslo_pruning_length": "use --length",
        "cpu": "use --cpu before --",
        "no_save": "each step goes on from the last checkpoint",
        "no_last_checkpoints": "each step goes on from the last checkpoint",
    },
)
"""What ``lass lslo fit`` sets itself, and what to do instead."""

LOG_UPDATES = 1000


class Trainings:
    """The trainings of one fit.

    Raises:
        LassError: flags that fairseq does not take, or that are set by the command.
    """

    def __init__(self, settings: FitSettings):
        _check_data(settings)
        self._settings = settings
        devices = [] if settings.cpu else visible_devices()
        self._slot = Slot(",".join(devices) or None, cores())
        base = Base.read(settings.base)
        builder = FlagBuilder(base, settings.flags, None, not devices, LSLO)
        self._flags = ["--disable-validation", "--no-epoch-checkpoints"]
        if len(devices) > 1:
            self._flags += ["--ddp-backend", "legacy_ddp"]
        self._flags += builder.flags()

    def run(self, name: str, what: str, *flags: str) -> Path:
        """Train with *flags* in the folder *name*, unless that is done.

        Args:
            what: for people.

        Returns:
            The last checkpoint.
        """
        settings = self._settings
        pairs = ",".join(map(str, settings.pairs))
        own = ["--task", LSLO.task, "--lang-pairs", pairs]
        own += ["--base", str(settings.base.resolve()), *logging_of(LOG_UPDATES)]
        training = Training(
            name,
            settings.out / name,
            0,
            (*own, *flags, *self._flags),
            settings.epochs,
        )
        train(what, [training], settings.data, [self._slot])
        return training.checkpoint


def _check_data(settings: FitSettings) -> None:
    """Refuse what could not be trained."""
    if not settings.data.is_dir():
        raise LassError(f"the data folder {settings.data} does not exist")
    split, flags = "train", settings.flags
    if "--train-subset" in flags:
        split = flags[flags.index("--train-subset") + 1]
    for pair in settings.pairs:
        check_data(settings.data, split, pair)
