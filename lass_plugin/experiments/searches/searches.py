"""All searches from one call: check, run, take the masks."""

from typing import Any, Sequence

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.experiments import content
from lass_plugin.experiments.launching.base import Base
from lass_plugin.experiments.launching.commands import remove_superseded
from lass_plugin.experiments.launching.console import Console, Listener
from lass_plugin.experiments.launching.devices import (
    Device,
    check_devices,
    find_devices,
    on_cpu,
)
from lass_plugin.experiments.launching.jobs import Job
from lass_plugin.experiments.launching.trainings import run_trainings, unfinished
from lass_plugin.experiments.searches import results
from lass_plugin.experiments.searches.commands import SearchCommands, printed
from lass_plugin.experiments.searches.results import SearchResult
from lass_plugin.experiments.searches.settings import (
    TOGETHER,
    SearchSettings,
)
from lass_plugin.experiments.stage import Stage
from lass_plugin.languages import Pair
from lass_plugin.masks import Fingerprint, fingerprint
from lass_plugin.records.plain_settings import identity


def run_searches(
    settings: SearchSettings, listener: Listener | None = None
) -> list[SearchResult]:
    """Search the sub-network of every pair and write its mask.

    Finished pairs are not trained again, interrupted ones go on where they were.

    Args:
        listener: is told of events and progress; None for stderr.

    Returns:
        One result for each pair, in the order of the settings.

    Raises:
        LassError: something is missing (before anything is started), or searches
            failed (the others have been finished).
    """
    listener = Console() if listener is None else listener
    settings.check()
    check_devices(settings)
    base = Base.read(settings.base)
    commands = SearchCommands(settings, base, on_cpu(settings))
    origin = fingerprint(base.sites(settings.targets))
    jobs = {
        _job(settings, commands, group, origin): group for group in _groups(settings)
    }
    waiting = unfinished(jobs)
    searched = [pair for job in waiting for pair in jobs[job]]
    done: dict[Pair, SearchResult] = {}
    if waiting:
        devices = find_devices(settings, len(waiting))
        commands.check(searched)
        commands.check_space(len(searched), len(devices))

    def take(job: Job) -> list[SearchResult]:
        checkpoint = Checkpoint.read(job.checkpoint)
        for pair in jobs[job]:
            done[pair] = results.write_mask(settings, pair, checkpoint, base.seconds)
        return [done[pair] for pair in jobs[job]]

    for job in jobs:
        if job not in waiting:
            for result in take(job):
                listener.event(f"{result.key}: finished before, mask {result.mask}")
    if not waiting:
        return [done[pair] for pair in settings.pairs]
    listener.event(_heading(settings, searched, devices))

    def finish(job: Job) -> str:
        taken = take(job)
        for result in taken:
            if result.unfinished:
                listener.event(f"warning: {result.unfinished}")
        remove_superseded(job.folder, settings.flags)
        masks = f"mask {taken[0].mask}"
        if len(taken) > 1:
            masks = f"masks of {len(taken)} pairs in {settings.masks_folder}"
        return f"done in {results.duration(job.seconds)}, {masks}"

    run_trainings(
        waiting,
        devices,
        listener,
        "searches",
        finish,
        total=len(settings.pairs),
        stop_on_error=settings.stop_on_error,
        unit="pairs",
    )
    return [done[pair] for pair in settings.pairs]


def search_commands(settings: SearchSettings) -> list[str]:
    """The command of every training, quoted for a shell; nothing is started.

    The same call of :func:`run_searches` afterwards takes the masks.
    """
    settings.check()
    base = Base.read(settings.base)
    commands = SearchCommands(settings, base, on_cpu(settings))
    commands.check(settings.pairs)
    environment = find_devices(settings, 1)[0].settings()
    if not commands.on_cpu:
        del environment["CUDA_VISIBLE_DEVICES"]  # the scheduler's to say
    return [
        printed(commands.command(*group), environment) for group in _groups(settings)
    ]


def _groups(settings: SearchSettings) -> list[tuple[Pair, ...]]:
    """The pairs of each training."""
    return [settings.pairs] if settings.together else [(p,) for p in settings.pairs]


def _job(
    settings: SearchSettings,
    commands: SearchCommands,
    group: Sequence[Pair],
    origin: Fingerprint,
) -> Job:
    """The training that searches the pairs of *group*.

    Args:
        origin: of the base, for searches of earlier versions.

    Raises:
        LassError: its folder holds something else.
    """
    found = [results.find(settings, pair) for pair in group][0]
    had = found.updates if found else 0
    stage = Stage(
        settings.folder_of(group[0]),
        f"search of {', '.join(map(str, group))}",
        identity_of(settings, commands, group),
        continues={"options.updates": lambda before, now: had <= now},
        hints={"options.ratio": "'lass extract' takes a mask at any ratio"},
    )
    if found is not None:
        stage.adopt(results.identity_in(found, origin))
    return Job(
        TOGETHER if settings.together else str(group[0]),
        stage,
        commands.command(*group),
        settings.updates,
        pairs=len(group),
        settled=results.has_settled,
    )


def identity_of(
    settings: SearchSettings, commands: SearchCommands, group: Sequence[Pair]
) -> dict[str, Any]:
    """What makes the search of *group* this one and no other."""
    options = identity(settings) | results.options_of(settings.plan_of(group[0]))
    options["pairs"] = list(map(str, group))
    return {
        "command": "lass search",
        "options": options,
        "flags": commands.builder.identity(),
        "inputs": content.of_data(settings.folders, group, [commands.split]),
        "base": content.of_weights(settings.base),
    }


def _heading(
    settings: SearchSettings, waiting: Sequence[Pair], devices: Sequence[Device]
) -> str:
    plan = settings.plan_of(waiting[0])
    schedule = plan.schedule
    if schedule == "gradual":
        schedule += f" (T1 {plan.start}, T2 {plan.ramp})"
    gpus = sorted({device.gpu for device in devices if device.gpu})
    place = f"GPU {', '.join(gpus)}" if gpus else "CPU"
    how = f"{len(devices)} at a time, {devices[0].threads} threads each"
    if settings.together:
        how = f"in one training, {devices[0].threads} threads"
    return (
        f"{len(waiting)} of {len(settings.pairs)} pairs to search: {plan.criterion}, "
        f"{schedule}, ratio {plan.ratio:g}, {settings.updates} updates; {how}, {place}"
    )
