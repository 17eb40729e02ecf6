"""Joint training of every variant, a run of fairseq-train each, and the scores."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence

import torch

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.data.data_folder import text_form_of, text_steps_of
from lass_plugin.errors import LassError
from lass_plugin.evaluation import report_file
from lass_plugin.evaluation.comparison import Report
from lass_plugin.evaluation.evaluation import evaluate
from lass_plugin.evaluation.systems import System
from lass_plugin.experiments import content
from lass_plugin.experiments.launching import commands
from lass_plugin.experiments.launching.base import Base, check_data, check_model
from lass_plugin.experiments.launching.console import Console
from lass_plugin.experiments.launching.flags import TASK, TRAINED, FlagBuilder, Purpose
from lass_plugin.experiments.launching.jobs import LAST, Job
from lass_plugin.experiments.launching.trainings import run_trainings, unfinished
from lass_plugin.experiments.stage import Stage, State
from lass_plugin.experiments.sweeps.settings import ComparisonSettings
from lass_plugin.experiments.sweeps.variants import DENSE, V, Variant
from lass_plugin.files import check_space, read_json, stamp
from lass_plugin.languages import parse_pairs
from lass_plugin.masks import DEFAULT_TARGETS, MaskSet, fingerprint
from lass_plugin.masks.file import digest
from lass_plugin.masks.fingerprint import short_name
from lass_plugin.places import devices
from lass_plugin.records.plain_settings import record

JOINT = Purpose(
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
    """The joint trainings of a sweep, and what their models score.

    Args:
        pairs: all directions, trained together.

    Raises:
        LassError: flags that fairseq does not take, or that a sweep sets itself; or
            something is missing, such as data.
    """

    def __init__(self, settings: ComparisonSettings, base: Base, pairs: Sequence[str]):
        self.settings = settings
        self.updates = settings.updates or 0
        self.best = settings.checkpoint == "best"
        self.base = base
        self.pairs = list(pairs)
        self.on_cpu = devices.on_cpu(settings)
        self.choice = settings.scored.choice(gpu=not self.on_cpu)
        self.choice.check(parse_pairs(self.pairs))
        builder = FlagBuilder(base, settings.flags, self.updates, self.on_cpu, JOINT)
        self._builder, self._flags = builder, builder.flags()
        devices.check_devices(settings)
        folders, directions = settings.folders, parse_pairs(self.pairs)
        options = builder.parsed(self._arguments(DENSE))
        check_data(folders, [options.train_subset], directions)
        if self.best:
            check_data(folders[:1], options.valid_subset.split(","), directions)
        if self.on_cpu or torch.cuda.is_available():
            check_model(options, base, settings.data)

    def _arguments(self, name: str) -> list[str]:
        """All that follows ``fairseq-train --user-dir …``, for the variant *name*."""
        settings, base = self.settings, str(self.settings.base.resolve())
        words = ["--task", JOINT.task, "--finetune-from-model", base]
        if name != DENSE:
            words += ["--masks", str(settings.masks_of(name).resolve())]
        words += commands.saving(self.updates) + commands.logging_of(self.updates)
        best = ["--best-checkpoint-metric", "pair_loss"]
        words += best if self.best else ["--disable-validation"]
        folder, words = settings.training_of(name), words + self._flags
        return commands.arguments_of(
            folder, settings.folders, self.pairs, words, self.on_cpu, self.updates
        )

    # -- running -----------------------------------------------------------------

    def jobs(self, masks: Mapping[V, MaskSet | None]) -> list[Job]:
        """The training of every variant, whether it is done or not.

        Args:
            masks: variant -> its masks, None for the dense baseline.

        Raises:
            LassError: another training is in the folder of one.
        """
        jobs = []
        for variant, each in masks.items():
            name, folder = variant.name, self.settings.training_of(variant.name)
            stage = Stage(folder, f"joint training of {name}", self._identity(each))
            command = commands.train_command(self._arguments(name))
            results = (LAST, self._checkpoint(name).name)
            job = Job(name, stage, command, self.updates, results=results)
            if stage.record is None and job.checkpoint.exists():
                stage.adopt(self._identity_in(stage.folder / RECORD))
            jobs.append(job)
        for job in jobs:
            job.is_done()  # refuses another training
        return jobs

    def run(self, jobs: Sequence[Job]) -> None:
        """Train every variant; finished ones are kept, interrupted ones go on.

        Raises:
            LassError: another training is in a folder (before anything is started), or
                trainings failed (the others have been finished).
        """
        settings, listener, waiting = self.settings, Console(), unfinished(jobs)
        if len(waiting) < len(jobs):
            done = f"{len(jobs) - len(waiting)} of {len(jobs)}"
            listener.event(f"{done} joint trainings finished before")
        if not waiting:
            return
        places = devices.find_devices(settings, len(waiting))
        # three checkpoints for each that runs
        checkpoints = len(waiting) + 2 * min(len(places), len(waiting))
        needed = 3 * self.base.weight_bytes * (1 + self.best) * checkpoints
        advice = "choose another --out, or compare fewer variants"
        check_space(needed, settings.out, "the joint trainings need", advice)

        def tidy(job: Job) -> str:
            commands.remove_superseded(job.folder, settings.flags, self.best)
            return "done"

        total, stop = len(jobs), settings.stop_on_error
        run_trainings(waiting, places, listener, "joint trainings", tidy, total, stop)

    def _checkpoint(self, name: str) -> Path:
        """The checkpoint of a variant that is evaluated."""
        folder = self.settings.training_of(name)
        return folder / f"checkpoint_{self.settings.checkpoint}.pt"

    def _identity(self, masks: MaskSet | None) -> dict[str, Any]:
        """What makes a training this one and no other."""
        settings = self.settings
        options = {"pairs": self.pairs, "updates": self.updates}
        splits = [self._builder.chosen(*TRAINED)]
        if self.best:
            splits += self._builder.chosen("valid_subset", "valid").split(",")
        return {
            "options": {**options, "checkpoint": settings.checkpoint},
            "flags": self._builder.identity(),
            "inputs": content.of_data(settings.folders, self.pairs, splits),
            "base": content.of_weights(settings.base),
            "masks": None if masks is None else content.MARK + digest(masks),
        }

    def _identity_in(self, path: Path) -> dict[str, Any]:
        """What the record of an earlier version says of a training."""
        try:
            before = read_json(path)
            masks, flags = before["masks"], before["flags"]
            options = {name: before[name] for name in ("updates", "checkpoint")}
            known = {
                "options": {**options, "pairs": before["pairs"].split(",")},
                "masks": None if masks is None else content.MARK + masks,
            }
            if flags != list(self.settings.flags):
                known["flags"] = " ".join(flags)
            base = short_name(fingerprint(self.base.sites(DEFAULT_TARGETS)))
            if before["base"] != base:
                known["base"] = "another"
            return known
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise LassError(
                f"{path.parent} holds a checkpoint that this sweep did not make; "
                "choose another --out, or move it away"
            ) from None

    def losses(self, variants: Iterable[Variant]) -> dict[str, float]:
        """Name of a variant -> the validation loss of its best checkpoint.

        Bits a token, mean of the pairs; nothing where the last ones are evaluated.
        """
        if not self.best:
            return {}
        read = {v.name: Checkpoint.read(self._checkpoint(v.name)) for v in variants}
        return {k: found.best for k, found in read.items() if found.best is not None}

    # -- scoring -----------------------------------------------------------------

    def scores(self, variants: Iterable[Variant]) -> Report:
        """Translate and score every variant, the dense baseline first.

        Skipped where the same checkpoints have been scored in the same way.
        """
        settings, data = self.settings, self.settings.folders[0]
        out, split = settings.out / "scores", settings.split
        decoding = replace(settings.translation, cpu=settings.cpu)
        systems = [System(v.name, self._checkpoint(v.name)) for v in variants]
        options = {"pairs": self.pairs, "split": split, "decoding": record(decoding)}
        options |= settings.scored.stated() | _form_of(data)
        identity = {
            "command": "scores of a sweep",
            "options": options,
            "inputs": content.of_data([data], self.pairs, [split]),
            "references": content.of_folder(data, [f"raw/{split}.*"]),
            "systems": {s.name: stamp(s.checkpoint) for s in systems},
        }
        stage = Stage(out, "scores", identity)
        try:
            if stage.state() is State.DONE:
                return report_file.read(out / "scores.json")
        except LassError:
            pass  # of other variants, or not whole
        stage.begin()
        pairs = parse_pairs(self.pairs)
        how = (pairs, split, out, decoding)
        places = devices.devices_to_translate(settings)
        result = evaluate(data, systems, *how, choice=self.choice, devices=places)
        stage.finish([out / "scores.json"])
        return result.report


def _form_of(data: Path) -> dict[str, Any]:
    """What a data folder says of the form of its text, for the identity of scores."""
    steps, form = text_steps_of(data), text_form_of(data)
    casing = {"casing": steps.digest} if steps.casing else {}
    return {"text_form": form, **casing} if form or casing else {}
