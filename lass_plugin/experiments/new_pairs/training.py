"""Training of the new pairs, a run for each way, and the checkpoints along it."""

import re
from pathlib import Path

from lass_plugin.checkpoints.checkpoint import read_checkpoint
from lass_plugin.checkpoints.torch_files import save_tensors
from lass_plugin.experiments.launching.base import Base
from lass_plugin.experiments.launching.commands import NEVER, logging_of
from lass_plugin.experiments.launching.devices import (
    Slot,
    cores,
    on_cpu,
    visible_devices,
)
from lass_plugin.experiments.launching.flags import SEARCH, FlagBuilder, Purpose
from lass_plugin.experiments.launching.side_by_side import Training, train
from lass_plugin.experiments.new_pairs.settings import DENSE, WAYS, ExtendSettings
from lass_plugin.files import check_space

TASK = "translation_subnetwork"

RESERVED = {
    **SEARCH.reserved,
    "masks": "they come from the search",
    "extend": "it is the extended checkpoint",
    "hold": "use --ways",
    "save_interval_updates": "use --points",
    "keep_interval_updates": "all checkpoints are scored",
    "save_interval": "use --points",
    "no_epoch_checkpoints": "use --points",
}

PURPOSE = Purpose(TASK, reserved=RESERVED)


def training_of(settings: ExtendSettings, way: str) -> Training:
    """The run of fairseq-train for one way.

    Raises:
        LassError: a flag is wrong, or is set by ``lass extend``.
    """
    start = settings.start_of(way)
    flags = ["--task", TASK, "--lang-pairs", ",".join(map(str, settings.pairs))]
    flags += ["--finetune-from-model", str(start.resolve())]
    flags += ["--extend", str(start.resolve())]
    if way != DENSE:
        flags += ["--masks", str(settings.masks.resolve())]
    if WAYS[way]:
        flags += ["--hold", ",".join(WAYS[way])]
    flags += ["--save-interval-updates", str(settings.interval)]
    flags += ["--save-interval", NEVER, "--no-epoch-checkpoints"]
    flags += ["--disable-validation", *logging_of(settings.updates)]
    folder = settings.out / "checkpoints" / way
    return Training(
        way, folder, settings.updates, (*flags, *inherited_flags(settings, start))
    )


def inherited_flags(settings: ExtendSettings, checkpoint: Path) -> list[str]:
    """The options of *checkpoint*, and those that the user gives.

    Raises:
        LassError: a flag is wrong, or is set by ``lass extend``.
    """
    on_the_cpu = on_cpu(settings.search())
    base = Base.read(checkpoint)
    return FlagBuilder(
        base, settings.flags, settings.updates, on_the_cpu, PURPOSE
    ).flags()


def train_ways(settings: ExtendSettings) -> dict[str, dict[int, Path]]:
    """Train every way, one after another; returns the checkpoints, see :func:`steps`.

    Raises:
        LassError: a training failed; says why and where its log is.
    """
    trainings = [training_of(settings, way) for way in settings.all_ways]
    _check_space(settings, [each for each in trainings if not each.is_done])
    device = None
    if not on_cpu(settings.search()):
        device = visible_devices()[0]
    slot = Slot(device, settings.threads or cores())
    found = {}
    for training in trainings:
        train(f"training ({training.name})", [training], settings.data_out, [slot])
        found[training.name] = steps(training)
        for path in found[training.name].values():
            if path != training.checkpoint:
                _forget_optimizer(path)
    return found


def steps(training: Training) -> dict[int, Path]:
    """Updates done -> checkpoint, in order; the last is the end of the training."""
    found = {}
    for path in training.folder.glob("checkpoint_*_*.pt"):
        if matched := re.fullmatch(r"checkpoint_\d+_(\d+)\.pt", path.name):
            found[int(matched[1])] = path
    found.setdefault(training.updates, training.checkpoint)
    return dict(sorted(found.items()))


def _forget_optimizer(path: Path) -> None:
    """Rewrite a checkpoint without the optimizer's state, two thirds of it."""
    checkpoint = read_checkpoint(path)
    if checkpoint.get("last_optimizer_state") is not None:
        save_tensors(path, {**checkpoint, "last_optimizer_state": None})


def _check_space(settings: ExtendSettings, waiting: list[Training]) -> None:
    """Refuse to start on too full a disk: a running way keeps optimizer states too."""
    if not waiting:
        return
    weights = Base.read(settings.start_of(settings.ways[0])).bytes()
    points = settings.updates // settings.interval
    needed = weights * (2 * points + len(waiting) * (points + 3))
    check_space(needed, settings.out, "the trainings need", "or lower --points")
