"""Joint training of every variant: one run of fairseq-train each, several at a time."""

import json
from pathlib import Path
from typing import Any, Mapping, Sequence

import torch

from lass_plugin.errors import LassError
from lass_plugin.experiments import content
from lass_plugin.experiments.launching.base import Base
from lass_plugin.experiments.launching.checks import check_data, check_model
from lass_plugin.experiments.launching.commands import (
    arguments_of,
    logging_of,
    remove_superseded,
    saving,
    train_command,
)
from lass_plugin.experiments.launching.console import Console, Listener
from lass_plugin.experiments.launching.devices import (
    check_devices,
    find_devices,
    on_cpu,
)
from lass_plugin.experiments.launching.flags import TASK, TRAINED, FlagBuilder, Purpose
from lass_plugin.experiments.launching.jobs import LAST, Job
from lass_plugin.experiments.launching.trainings import run_trainings, unfinished
from lass_plugin.experiments.stage import Stage
from lass_plugin.experiments.sweeps.settings import ComparisonSettings
from lass_plugin.experiments.sweeps.variants import DENSE, V, Variant
from lass_plugin.files import check_space
from lass_plugin.languages import parse_pairs
from lass_plugin.masks import DEFAULT_TARGETS, MaskSet, fingerprint
from lass_plugin.masks.file import digest
from lass_plugin.masks.fingerprint import short_name

JOINT = Purpose.of(
    "translation_subnetwork",
    (*TASK, "sampling_method", "sampling_temperature"),
    kept="every variant is evaluated by its checkpoint",
    masks="each variant has its own",
    mixed_batches="a batch must belong to one sub-network",
    disable_validation="use --checkpoint last, which does not validate",
    best_checkpoint_metric="it is always pair_loss",
)

RECORD = "training.json"
"""Of earlier versions."""


class JointTrainings:
    """The joint trainings of a sweep.

    Args:
        pairs: all directions, trained together.

    Raises:
        LassError: flags that fairseq does not take, or that a sweep sets itself.
    """

    def __init__(self, settings: ComparisonSettings, base: Base, pairs: Sequence[str]):
        self.settings = settings
        self.updates = settings.updates or 0
        self.base = base
        self.pairs = list(pairs)
        self.on_cpu = on_cpu(settings)
        self._builder = FlagBuilder(
            base, settings.flags, self.updates, self.on_cpu, JOINT
        )
        self._flags = self._builder.flags()
        self._base_name = short_name(fingerprint(base.sites(DEFAULT_TARGETS)))

    def arguments(self, name: str = DENSE) -> list[str]:
        """All that follows ``fairseq-train --user-dir …``, the data folder first.

        Args:
            name: of the variant.
        """
        settings = self.settings
        words = ["--task", JOINT.task]
        words += ["--finetune-from-model", str(settings.base.resolve())]
        if name != DENSE:
            words += ["--masks", str(settings.masks_of(name).resolve())]
        words += saving(self.updates) + logging_of(self.updates)
        if settings.checkpoint == "best":
            words += ["--best-checkpoint-metric", "pair_loss"]
        else:
            words.append("--disable-validation")
        return arguments_of(
            settings.training_of(name),
            settings.folders,
            self.pairs,
            words + self._flags,
            self.on_cpu,
            self.updates,
        )

    def checkpoint(self, variant: Variant) -> Path:
        """The checkpoint that is evaluated."""
        name = f"checkpoint_{self.settings.checkpoint}.pt"
        return self.settings.training_of(variant.name) / name

    def check(self) -> None:
        """Say what is missing before anything is started.

        Raises:
            LassError: names what is at fault.
        """
        check_devices(self.settings)
        folders, pairs = self.settings.folders, parse_pairs(self.pairs)
        options = self._builder.parsed(self.arguments())
        check_data(folders, [options.train_subset], pairs)
        if self.settings.checkpoint == "best":
            check_data(folders[:1], options.valid_subset.split(","), pairs)
        if self.on_cpu or torch.cuda.is_available():
            check_model(options, self.base, self.settings.data)

    def check_space(self, trainings: int, jobs: int) -> None:
        """Refuse to start on too full a disk: three checkpoints for each that runs."""
        one = 3 * self.base.weight_bytes * (1 + (self.settings.checkpoint == "best"))
        needed = one * (trainings + 2 * min(jobs, trainings))
        advice = "choose another --out, or compare fewer variants"
        check_space(needed, self.settings.out, "the joint trainings need", advice)

    # -- running -----------------------------------------------------------------

    def jobs(self, masks: Mapping[V, MaskSet | None]) -> dict[V, Job]:
        """The training of every variant, whether it is done or not.

        Args:
            masks: variant -> its masks, None for the dense baseline.

        Raises:
            LassError: something else is in the folder of one.
        """
        return {variant: self._job(variant, masks[variant]) for variant in masks}

    def unfinished(self, masks: Mapping[V, MaskSet | None]) -> list[V]:
        """The variants that are still to be trained.

        Args:
            masks: variant -> its masks, None for the dense baseline.

        Raises:
            LassError: another training is in the folder of one.
        """
        return [v for v, job in self.jobs(masks).items() if not job.is_done()]

    def run(
        self, masks: Mapping[V, MaskSet | None], listener: Listener | None = None
    ) -> None:
        """Train every variant; finished ones are kept, interrupted ones go on.

        Args:
            masks: variant -> its masks, None for the dense baseline.

        Raises:
            LassError: another training is in a folder (before anything is started), or
                trainings failed (the others have been finished).
        """
        listener = Console() if listener is None else listener
        jobs = list(self.jobs(masks).values())
        waiting = unfinished(jobs)
        if len(waiting) < len(jobs):
            done = f"{len(jobs) - len(waiting)} of {len(jobs)}"
            listener.event(f"{done} joint trainings finished before")
        if not waiting:
            return
        devices = find_devices(self.settings, len(waiting))
        self.check_space(len(waiting), len(devices))

        def tidy(job: Job) -> str:
            best = self.settings.checkpoint == "best"
            remove_superseded(job.folder, self.settings.flags, best)
            return "done"

        run_trainings(
            waiting,
            devices,
            listener,
            "joint trainings",
            tidy,
            total=len(jobs),
            stop_on_error=self.settings.stop_on_error,
        )

    def _job(self, variant: Variant, masks: MaskSet | None) -> Job:
        """The training of *variant*, whatever is there of it."""
        stage = Stage(
            self.settings.training_of(variant.name),
            f"joint training of {variant.name}",
            self._identity(masks),
        )
        results = (LAST, self.checkpoint(variant).name)
        command = train_command(self.arguments(variant.name))
        job = Job(variant.name, stage, command, self.updates, results=results)
        if stage.record is None and job.checkpoint.exists():
            stage.adopt(self._identity_in(stage.folder / RECORD))
        return job

    def _identity(self, masks: MaskSet | None) -> dict[str, Any]:
        """What makes a training this one and no other."""
        settings = self.settings
        splits = [self._builder.chosen(*TRAINED)]
        if settings.checkpoint == "best":
            splits += self._builder.chosen("valid_subset", "valid").split(",")
        return {
            "options": {
                "pairs": self.pairs,
                "updates": self.updates,
                "checkpoint": settings.checkpoint,
            },
            "flags": self._builder.identity(),
            "inputs": content.of_data(settings.folders, self.pairs, splits),
            "base": content.of_weights(settings.base),
            "masks": None if masks is None else content.MARK + digest(masks),
        }

    def _identity_in(self, path: Path) -> dict[str, Any]:
        """What the record of an earlier version says of a training."""
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
            masks, flags = before["masks"], before["flags"]
            options = {name: before[name] for name in ("updates", "checkpoint")}
            known = {
                "options": {**options, "pairs": before["pairs"].split(",")},
                "masks": None if masks is None else content.MARK + masks,
            }
            if flags != list(self.settings.flags):
                known["flags"] = " ".join(flags)
            if before["base"] != self._base_name:
                known["base"] = "another"
            return known
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise LassError(
                f"{path.parent} holds a checkpoint that this sweep did not make; "
                "choose another --out, or move it away"
            ) from None
