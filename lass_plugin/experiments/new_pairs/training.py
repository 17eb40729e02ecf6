"""Training of the new pairs, a run for each way, and the checkpoints along it."""

import re
from pathlib import Path

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.torch_files import save_tensors
from lass_plugin.experiments.launching.base import Base
from lass_plugin.experiments.launching.commands import NEVER, logging_of
from lass_plugin.experiments.launching.flags import FlagBuilder, Purpose
from lass_plugin.experiments.launching.jobs import Job
from lass_plugin.experiments.launching.trainings import make_job, train, unfinished
from lass_plugin.experiments.new_pairs.settings import DENSE, WAYS, ExtendSettings
from lass_plugin.files import check_space
from lass_plugin.places.devices import single_device

PURPOSE = Purpose(
    "translation_subnetwork",
    kept="every way is scored by its checkpoints",
    masks="they come from the search",
    extend="it is the extended checkpoint",
    hold="use --ways",
    save_interval_updates="use --points",
    keep_interval_updates="all checkpoints are scored",
    save_interval="use --points",
    no_epoch_checkpoints="use --points",
)


def training_of(settings: ExtendSettings, way: str) -> Job:
    """The run of fairseq-train for one way.

    Raises:
        LassError: a flag is wrong, or is set by ``lass extend``.
    """
    start = settings.start_of(way)
    builder = flags_of(settings, start)
    place = str(start.resolve())
    words = ["--task", PURPOSE.task, "--finetune-from-model", place, "--extend", place]
    if way != DENSE:
        words += ["--masks", str(settings.masks.resolve())]
    if WAYS[way]:
        words += ["--hold", ",".join(WAYS[way])]
    words += ["--save-interval-updates", str(settings.interval)]
    words += ["--save-interval", NEVER, "--no-epoch-checkpoints"]
    words += ["--disable-validation", *logging_of(settings.updates)]
    return make_job(
        settings.out / "checkpoints" / way,
        settings.data_out,
        settings.pairs,
        single_device(settings.cpu, settings.threads),
        words,
        builder.flags(),
        settings.updates,
        flags=builder.identity(),
    )


def flags_of(settings: ExtendSettings, checkpoint: Path) -> FlagBuilder:
    """The options of *checkpoint*, and those that the user gives.

    Raises:
        LassError: a flag is wrong, or is set by ``lass extend``.
    """
    base, on_cpu = Base.read(checkpoint), single_device(settings.cpu).gpu is None
    return FlagBuilder(base, settings.flags, settings.updates, on_cpu, PURPOSE)


def train_ways(settings: ExtendSettings) -> dict[str, dict[int, Path]]:
    """Train every way, one after another; returns the checkpoints, see :func:`steps`.

    Raises:
        LassError: a training failed; says why and where its log is.
    """
    jobs = [training_of(settings, way) for way in settings.all_ways]
    _check_space(settings, len(unfinished(jobs)))
    device = single_device(settings.cpu, settings.threads)
    found = {}
    for job in jobs:
        train(f"training ({job.key})", [job], [device])
        found[job.key] = steps(job)
        for path in found[job.key].values():
            if path != job.checkpoint:
                _forget_optimizer(path)
    return found


def steps(job: Job) -> dict[int, Path]:
    """Updates done -> checkpoint, in order; the last is the end of the training."""
    found = {}
    for path in job.folder.glob("checkpoint_*_*.pt"):
        if matched := re.fullmatch(r"checkpoint_\d+_(\d+)\.pt", path.name):
            found[int(matched[1])] = path
    found.setdefault(job.updates, job.checkpoint)
    return dict(sorted(found.items()))


def _forget_optimizer(path: Path) -> None:
    """Rewrite a checkpoint without the optimizer's state, two thirds of it."""
    checkpoint = Checkpoint.read(path).content
    if checkpoint.get("last_optimizer_state") is not None:
        save_tensors(path, {**checkpoint, "last_optimizer_state": None})


def _check_space(settings: ExtendSettings, waiting: int) -> None:
    """Refuse to start on too full a disk: a running way keeps optimizer states too."""
    if not waiting:
        return
    weights = Base.read(settings.start_of(settings.ways[0])).weight_bytes
    points = settings.updates // settings.interval
    needed = weights * (2 * points + waiting * (points + 3))
    check_space(needed, settings.out, "the trainings need", "or lower --points")
