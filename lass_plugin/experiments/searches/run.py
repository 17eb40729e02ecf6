"""Run all searches of one call, or print their commands; take the masks."""

import shlex
from typing import Iterable, Sequence

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.torch_files import save_tensors
from lass_plugin.experiments.launching.commands import remove_superseded
from lass_plugin.experiments.launching.console import Console
from lass_plugin.experiments.launching.jobs import Job
from lass_plugin.experiments.launching.trainings import run_trainings, unfinished
from lass_plugin.experiments.searches import results
from lass_plugin.experiments.searches.results import SearchResult
from lass_plugin.experiments.searches.searches import Searches
from lass_plugin.experiments.searches.settings import SCORES_ONLY, SearchSettings
from lass_plugin.languages import Pair
from lass_plugin.methods.search.cut_down import cut_down, is_cut_down
from lass_plugin.methods.search.plan import SearchPlan
from lass_plugin.places.devices import Device, check_devices, find_devices


def run_searches(settings: SearchSettings) -> list[SearchResult]:
    """Search the sub-network of every pair and write its mask.

    Finished pairs are not trained again, interrupted ones go on where they were; events
    and progress are told on stderr.

    Returns:
        One result for each pair, in the order of the settings.

    Raises:
        LassError: something is missing (before anything is started), or searches
            failed (the others have been finished).
    """
    settings.check()
    check_devices(settings)
    listener, searches = Console(), Searches(settings)
    jobs = searches.jobs()
    waiting = unfinished(jobs)
    searched = [pair for job in waiting for pair in jobs[job]]
    done: dict[Pair, SearchResult] = {}
    if waiting:
        devices = find_devices(settings, len(waiting))
        searches.check(searched)
        searches.check_space(len(searched), len(devices))

    def take(job: Job) -> list[SearchResult]:
        checkpoint, before = Checkpoint.read(job.checkpoint), searches.base.seconds
        for pair in jobs[job]:
            done[pair] = results.write_mask(settings, pair, checkpoint, before)
        if settings.keep == SCORES_ONLY and not is_cut_down(checkpoint):
            save_tensors(job.checkpoint, cut_down(checkpoint))
        return [done[pair] for pair in jobs[job]]

    for job in jobs:
        if job not in waiting:
            for result in take(job):
                listener.event(f"{result.key}: finished before, mask {result.mask}")
    if not waiting:
        return [done[pair] for pair in settings.pairs]
    plan = searches.plan_and_course(jobs[waiting[0]])[0]
    listener.event(_heading(settings, plan, searched, devices))
    for line in _without_repeats(searches, [jobs[job] for job in waiting]):
        listener.event(line)

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
    searches = Searches(settings)
    searches.check(settings.pairs)
    environment = find_devices(settings, 1)[0].settings()
    if not searches.on_cpu:
        del environment["CUDA_VISIBLE_DEVICES"]  # the scheduler's to say
    start = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
    commands = [searches.command(*group) for group in searches.groups]
    listener = Console()  # stderr, so that the lines of shell stay alone on stdout
    for line in _without_repeats(searches, searches.groups):
        listener.event(line)
    return [" ".join([*start, shlex.join(command)]) for command in commands]


def _without_repeats(
    searches: Searches, groups: Iterable[tuple[Pair, ...]]
) -> list[str]:
    """What is chosen for *groups*; said of the first only where all are alike."""
    said: dict[tuple[str, ...], list[str]] = {}
    for group in groups:
        lines = searches.described(group)
        alike = tuple(line.replace(str(group[0]), "") for line in lines)
        said.setdefault(alike, lines)
    return [line for lines in said.values() for line in lines]


def _heading(
    settings: SearchSettings,
    plan: SearchPlan,
    waiting: Sequence[Pair],
    devices: Sequence[Device],
) -> str:
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
