"""Joint training of every variant: one run of fairseq-train each, several at a time."""

import json
import os
from pathlib import Path
from typing import Any, Mapping, Sequence

import torch

from lass_plugin import files
from lass_plugin.checkpoints.checkpoint import read_checkpoint
from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.base import Base
from lass_plugin.experiments.launching.checks import check_data, check_model
from lass_plugin.experiments.launching.commands import (
    logging_of,
    remove_superseded,
    saving,
    train_command,
)
from lass_plugin.experiments.launching.console import Console, Listener
from lass_plugin.experiments.launching.devices import check_devices, find_slots, on_cpu
from lass_plugin.experiments.launching.flags import TASK, FlagBuilder, Purpose
from lass_plugin.experiments.launching.jobs import Job
from lass_plugin.experiments.launching.runner import run_jobs
from lass_plugin.experiments.sweeps.settings import ComparisonSettings
from lass_plugin.experiments.sweeps.variants import DENSE, V, Variant
from lass_plugin.files import check_space
from lass_plugin.languages import parse_pairs
from lass_plugin.masks import DEFAULT_TARGETS, MaskSet, fingerprint
from lass_plugin.masks.fingerprint import short_name
from lass_plugin.masks.state import digest

JOINT = Purpose(
    "translation_subnetwork",
    (*TASK, "sampling_method", "sampling_temperature"),
    {
        "task": "it is always translation_subnetwork",
        "user_dir": "it is always this package",
        "data": "give the data folder first",
        "lang_pairs": "use --pairs",
        "save_dir": "use --out",
        "finetune_from_model": "use --base",
        "restore_file": "use --base; a training goes on by itself where it was",
        "max_update": "use --updates",
        "masks": "each variant has its own",
        "mixed_batches": "a batch must belong to one sub-network",
        "cpu": "use --cpu before --",
        "no_save": "every variant is evaluated by its checkpoint",
        "no_last_checkpoints": "every variant is evaluated by its checkpoint",
        "disable_validation": "use --checkpoint last, which does not validate",
        "best_checkpoint_metric": "it is always pair_loss",
    },
)

RECORD = "training.json"


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
        data = os.pathsep.join(str(folder.resolve()) for folder in settings.folders)
        arguments = [data, "--task", JOINT.task, "--lang-pairs", ",".join(self.pairs)]
        arguments += ["--finetune-from-model", str(settings.base.resolve())]
        arguments += ["--save-dir", str(settings.training_of(name).resolve())]
        arguments += ["--max-update", str(self.updates)]
        if name != DENSE:
            arguments += ["--masks", str(settings.masks_of(name).resolve())]
        arguments += ["--cpu"] * self.on_cpu
        arguments += saving(self.updates) + logging_of(self.updates)
        if settings.checkpoint == "best":
            arguments += ["--best-checkpoint-metric", "pair_loss"]
        else:
            arguments.append("--disable-validation")
        return arguments + self._flags

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
        for folder in self.settings.folders or [Path("")]:
            if not folder.is_dir():
                raise LassError(f"the data folder {folder} does not exist")
        options = self._builder.parsed(self.arguments())
        for pair in parse_pairs(self.pairs):
            for folder in self.settings.folders:
                check_data(folder, options.train_subset, pair)
            if self.settings.checkpoint == "best":
                for split in options.valid_subset.split(","):
                    check_data(self.settings.folders[0], split, pair)
        if self.on_cpu or torch.cuda.is_available():
            check_model(options, self.base, self.settings.data)

    def check_space(self, trainings: int, jobs: int) -> None:
        """Refuse to start on too full a disk: three checkpoints for each that runs."""
        one = 3 * self.base.bytes() * (1 + (self.settings.checkpoint == "best"))
        needed = one * (trainings + 2 * min(jobs, trainings))
        advice = "choose another --out, or compare fewer variants"
        check_space(needed, self.settings.out, "the joint trainings need", advice)

    # -- running -----------------------------------------------------------------

    def unfinished(self, masks: Mapping[V, MaskSet | None]) -> list[V]:
        """The variants that are still to be trained.

        Args:
            masks: variant -> its masks, None for the dense baseline.

        Raises:
            LassError: another training is in the folder of one.
        """
        return [v for v in masks if not self._is_done(v, self._record(masks[v]))]

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
        waiting = self.unfinished(masks)
        done = len(masks) - len(waiting)
        if done:
            listener.event(f"{done} of {len(masks)} joint trainings finished before")
        if not waiting:
            return
        slots = find_slots(self.settings, len(waiting))
        self.check_space(len(waiting), len(slots))
        jobs = []
        for variant in waiting:
            folder = self.settings.training_of(variant.name)
            files.write_json(folder / RECORD, self._record(masks[variant]))
            command = train_command(*self.arguments(variant.name))
            job = Job(variant.name, command, folder, self.updates, "joint training")
            jobs.append(job)
        by_name = {variant.name: variant for variant in waiting}

        def finish(job: Job) -> str:
            updates = _updates(job.folder / "checkpoint_last.pt")
            if updates < self.updates:
                raise LassError(
                    f"it ended after {updates} of {self.updates} updates; an "
                    "option such as --stop-time-hours or --max-epoch has stopped it"
                )
            self._tidy(by_name[job.key])
            return "done"

        run_jobs(
            jobs,
            slots,
            listener,
            finish,
            total=len(masks),
            stop_on_error=self.settings.stop_on_error,
            unit="joint trainings",
        )
        failed = [job for job in jobs if job.failure is not None]
        if failed:
            lines = [f"  {job.key}: {job.failure} (log: {job.log})" for job in failed]
            head = (
                f"{len(failed)} of {len(masks)} joint trainings failed; mend what is "
                "wrong and run the same command again, which goes on from here"
            )
            raise LassError("\n".join([head, *lines]))

    def _record(self, masks: MaskSet | None) -> dict[str, Any]:
        """What makes a training this one and no other."""
        return {
            "base": self._base_name,
            "pairs": ",".join(self.pairs),
            "updates": self.updates,
            "checkpoint": self.settings.checkpoint,
            "masks": None if masks is None else digest(masks),
            "flags": list(self.settings.flags),
        }

    def _is_done(self, variant: Variant, record: Mapping[str, Any]) -> bool:
        """Whether it is finished.

        Raises:
            LassError: the folder holds a training with other options.
        """
        folder = self.settings.training_of(variant.name)
        path, last = folder / RECORD, folder / "checkpoint_last.pt"
        if not last.exists():
            return False
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise LassError(
                f"{folder} holds a checkpoint that this sweep did not make; choose "
                "another --out, or move it away"
            ) from None
        for name, value in record.items():
            if not isinstance(before, dict) or before.get(name) != value:
                option = "flags after --" if name == "flags" else name
                raise LassError(
                    f"the joint training in {folder} was begun with other {option}; "
                    "go on with the same options or choose another --out"
                )
        return _updates(last) >= self.updates and self.checkpoint(variant).is_file()

    def _tidy(self, variant: Variant) -> None:
        """Remove what the checkpoint that is evaluated supersedes."""
        settings = self.settings
        best = settings.checkpoint == "best"
        remove_superseded(settings.training_of(variant.name), settings.flags, best)


def _updates(path: Path) -> int:
    """Updates that the training of a checkpoint has had."""
    if not path.exists():
        return 0
    history = read_checkpoint(path).get("optimizer_history") or [{}]
    return int(history[-1].get("num_updates", 0))
