"""The trainings between a base and low-rank modules of individual ranks.

Weight learning (§4.1), estimation (§4.2), and the training of the plan that comes out
of them. Each is kept: a run that is killed goes on, a finished one is not done again.
"""

from pathlib import Path

from lass_plugin.experiments import content
from lass_plugin.experiments.launching.base import Base, check_data
from lass_plugin.experiments.launching.commands import logging_of
from lass_plugin.experiments.launching.flags import TASK, TRAINED, FlagBuilder, Purpose
from lass_plugin.experiments.launching.trainings import make_job, train
from lass_plugin.experiments.low_rank_fit_settings import FitSettings
from lass_plugin.experiments.stage import Stage
from lass_plugin.places.devices import single_device
from lass_plugin.records.plain_settings import identity

LSLO = Purpose(
    "translation_lslo",
    (*TASK, "sampling_method", "sampling_temperature"),
    kept="each step goes on from the last checkpoint",
    base="use --base before --",
    max_epoch="use --epochs",
    max_update="use --epochs",
    lslo_plan="it is what this command makes",
    lslo_ranks="use --rank for the steps before, --budget-rank or --budget",
    lslo_matrices="use --matrices",
    lslo_placement="use --placement",
    lslo_pruning="it belongs to the estimation",
    lslo_pruning_ratio="use --ratio",
    lslo_pruning_start="use --start",
    lslo_pruning_length="use --length",
)
"""What ``lass lslo fit`` sets itself, and what to do instead."""

LOG_UPDATES = 1000

MADE = ("learned", "placement", "estimation", "estimate", "plan.json", "final")
"""What the steps make."""


class Trainings:
    """The trainings of one fit.

    Raises:
        LassError: flags that fairseq does not take, or that are set by the command.
    """

    def __init__(self, settings: FitSettings):
        self._settings = settings
        self._device = single_device(settings.cpu, every=True)
        base = Base.read(settings.base)
        on_cpu = self._device.gpu is None
        self._builder = FlagBuilder(base, settings.flags, None, on_cpu, LSLO)
        self._split = self._builder.chosen(*TRAINED)
        self._flags = ["--disable-validation", "--no-epoch-checkpoints"]
        if "," in (self._device.gpu or ""):
            self._flags += ["--ddp-backend", "legacy_ddp"]
        self._flags += self._builder.flags()
        check_data([settings.data], [self._split], settings.pairs)
        self.stage = self._stage()

    def _stage(self) -> Stage:
        """All steps together: the ranks of one budget, and what leads to them."""
        settings = self._settings
        options = identity(settings)
        if settings.placement and Path(settings.placement).is_file():
            options["placement"] = content.of_file(Path(settings.placement))
        other = f"'lass lslo ranks {settings.out / 'estimate'}' plans other budgets"
        stage = Stage(
            settings.out,
            "fit",
            {
                "command": "lass lslo fit",
                "options": options,
                "flags": self._builder.identity(),
                "inputs": content.of_data(
                    [settings.data], settings.pairs, [self._split]
                ),
                "base": content.of_weights(settings.base),
            },
            hints={f"options.{name}": other for name in ("budget", "budget-rank")},
        )
        if any((settings.out / name).exists() for name in MADE):
            stage.adopt({})
        return stage

    def run(self, name: str, what: str, *flags: str) -> Path:
        """Train with *flags* in the folder *name*, unless that is done.

        Args:
            what: for people.

        Returns:
            The last checkpoint.
        """
        settings = self._settings
        own = ["--task", LSLO.task, "--base", str(settings.base.resolve())]
        job = make_job(
            settings.out / name,
            settings.data,
            settings.pairs,
            self._device,
            [*own, *flags],
            [*logging_of(LOG_UPDATES), *self._flags],
            epochs=settings.epochs,
            split=self._split,
            flags=self._builder.identity(),
        )
        train(what, [job], [self._device])
        return job.checkpoint
