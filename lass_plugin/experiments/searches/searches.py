"""All searches from one call: check, run, take the masks."""

from typing import Sequence

from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.base import Base
from lass_plugin.experiments.launching.commands import remove_superseded
from lass_plugin.experiments.launching.console import Console, Listener
from lass_plugin.experiments.launching.devices import check_devices, find_slots, on_cpu
from lass_plugin.experiments.launching.jobs import Job
from lass_plugin.experiments.launching.runner import run_jobs
from lass_plugin.experiments.searches import results
from lass_plugin.experiments.searches.commands import SearchCommands, printed
from lass_plugin.experiments.searches.results import SearchResult
from lass_plugin.experiments.searches.settings import TOGETHER, SearchSettings
from lass_plugin.languages import Pair
from lass_plugin.masks import Fingerprint, fingerprint


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
    done, waiting = _look(settings, base)
    if waiting:
        slots = find_slots(settings, 1 if settings.together else len(waiting))
        commands = SearchCommands(settings, base, on_cpu(settings))
        commands.check(waiting)
        commands.check_space(len(waiting), len(slots))
    for pair, result in done.items():
        listener.event(f"{pair}: finished before, mask {result.mask}")
    if not waiting:
        return [done[pair] for pair in settings.pairs]
    listener.event(_heading(settings, waiting, slots))
    groups = [tuple(waiting)] if settings.together else [(pair,) for pair in waiting]
    jobs = [
        Job(
            key=TOGETHER if settings.together else str(group[0]),
            command=commands.command(*group),
            folder=settings.folder_of(group[0]),
            updates=settings.updates,
            pairs=len(group),
        )
        for group in groups
    ]
    pairs = {job.key: group for job, group in zip(jobs, groups, strict=True)}
    origin = fingerprint(base.sites(settings.targets))

    def finish(job: Job) -> str:
        taken = [_take(settings, pair, base, origin) for pair in pairs[job.key]]
        for pair, result in zip(pairs[job.key], taken, strict=True):
            done[pair] = result
            if result.unfinished:
                listener.event(f"warning: {result.unfinished}")
        if len(taken) == 1:
            masks = f"mask {taken[0].mask}"
        else:
            masks = f"masks of {len(taken)} pairs in {settings.masks_folder}"
        return f"done in {results.duration(job.seconds)}, {masks}"

    run_jobs(
        jobs,
        slots,
        listener,
        finish,
        total=len(settings.pairs),
        stop_on_error=settings.stop_on_error,
    )
    failed = [job for job in jobs if job.failure is not None]
    if failed:
        raise LassError(_failures(failed, len(settings.pairs), len(done)))
    return [done[pair] for pair in settings.pairs]


def search_commands(settings: SearchSettings) -> list[str]:
    """The command of every training, quoted for a shell; nothing is started.

    The same call of :func:`run_searches` afterwards takes the masks.
    """
    settings.check()
    base = Base.read(settings.base)
    commands = SearchCommands(settings, base, on_cpu(settings))
    commands.check(settings.pairs)
    slot = find_slots(settings, 1)[0]
    environment = slot.settings()
    if not commands.on_cpu:
        del environment["CUDA_VISIBLE_DEVICES"]  # the scheduler's to say
    groups = [settings.pairs] if settings.together else [(p,) for p in settings.pairs]
    return [printed(commands.command(*group), environment) for group in groups]


def _look(
    settings: SearchSettings, base: Base
) -> tuple[dict[Pair, SearchResult], list[Pair]]:
    """What is finished, and the pairs that are to be started or to go on.

    All are checked before a mask of any is written.
    """
    origin = fingerprint(base.sites(settings.targets))
    finished, waiting = {}, []
    for pair in settings.pairs:
        found = results.find(settings, pair)
        if found is not None:
            results.check_same(settings, pair, found, origin)
        if found is not None and results.is_finished(settings, found):
            finished[pair] = found
        else:
            waiting.append(pair)
    done = {
        pair: results.write_mask(settings, pair, found, base.seconds)
        for pair, found in finished.items()
    }
    return done, waiting


def _take(
    settings: SearchSettings, pair: Pair, base: Base, origin: Fingerprint
) -> SearchResult:
    """The mask of a search whose process has just ended."""
    found = results.find(settings, pair)
    if found is None or not results.is_finished(settings, found):
        updates = 0 if found is None else found.updates
        raise LassError(
            f"it ended after {updates} of {settings.updates} updates; an option such "
            "as --stop-time-hours, --max-epoch or --patience has stopped it"
        )
    results.check_same(settings, pair, found, origin)
    result = results.write_mask(settings, pair, found, base.seconds)
    remove_superseded(settings.folder_of(pair), settings.flags)
    return result


def _heading(settings: SearchSettings, waiting: Sequence[Pair], slots: list) -> str:
    plan = settings.plan_of(waiting[0])
    schedule = plan.schedule
    if schedule == "gradual":
        schedule += f" (T1 {plan.start}, T2 {plan.ramp})"
    devices = sorted({slot.device for slot in slots if slot.device})
    place = f"GPU {', '.join(devices)}" if devices else "CPU"
    how = f"{len(slots)} at a time, {slots[0].threads} threads each"
    if settings.together:
        how = f"in one training, {slots[0].threads} threads"
    return (
        f"{len(waiting)} of {len(settings.pairs)} pairs to search: {plan.criterion}, "
        f"{schedule}, ratio {plan.ratio:g}, {settings.updates} updates; {how}, {place}"
    )


def _failures(failed: Sequence[Job], total: int, done: int) -> str:
    lines = [
        f"{sum(job.pairs for job in failed)} of {total} searches failed, {done} are "
        "done; mend what is "
        "wrong and run the same command again, which goes on from here"
    ]
    lines += [f"  {job.key}: {job.failure} (log: {job.log})" for job in failed]
    return "\n".join(lines)
