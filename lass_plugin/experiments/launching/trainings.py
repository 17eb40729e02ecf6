"""Trainings of one command: what is done is kept, the others run to their end."""

import sys
from pathlib import Path
from typing import Any, Callable, Iterable, Sequence

from lass_plugin.errors import LassError
from lass_plugin.experiments import content
from lass_plugin.experiments.launching.commands import arguments_of, train_command
from lass_plugin.experiments.launching.console import Console
from lass_plugin.experiments.launching.jobs import Job
from lass_plugin.experiments.launching.queue import count_pairs, run_jobs
from lass_plugin.experiments.stage import Stage
from lass_plugin.languages import Pair
from lass_plugin.places.devices import Device
from lass_plugin.records.json_record import read_json

DONE = "done.json"
"""Left beside a finished training by earlier versions: its length."""


def make_job(
    folder: Path,
    data: Path,
    pairs: Sequence[Pair],
    device: Device,
    words: Sequence[str],
    inherited: Sequence[str] = (),
    updates: int = 0,
    epochs: int = 0,
    split: str = "train",
    **identity: Any,
) -> Job:
    """A training in *folder*, which is its name.

    Args:
        data: the data folder.
        pairs: that it trains.
        words: flags of fairseq-train that make it this one and no other; files that
            they name count by what they hold.
        inherited: further flags, which follow from what is in the identity.
        updates: its length, unless it is counted in *epochs*.
        split: of the data, which it trains on.
        identity: further parts of its identity.
    """
    options = {"epochs": epochs} if epochs else {"updates": updates}
    made_with = content.of_words(words, [folder], _of_checkpoint)
    made_with["inputs"]["data"] = content.of_data([data], pairs, [split])
    stage = Stage(
        folder,
        f"training {folder.name}",
        {"options": {**options, "pairs": [*map(str, pairs)]}, **made_with, **identity},
    )
    flags, on_cpu = [*words, *inherited], device.gpu is None
    arguments = arguments_of(folder, [data], pairs, flags, on_cpu, updates, epochs)
    job = Job(folder.name, stage, train_command(arguments), updates, epochs)
    if job.checkpoint.is_file():
        if (folder / DONE).is_file():
            known = read_json(folder / DONE, "the record of a finished training")
            stage.adopt({"options": known}, [job.checkpoint])
        stage.adopt({})
    return job


def _of_checkpoint(path: Path) -> str:
    return (content.of_weights if path.suffix == ".pt" else content.of_file)(path)


def train(label: str, jobs: Sequence[Job], devices: Sequence[Device]) -> None:
    """Run what is not done of *jobs*; the first that fails ends the others.

    Raises:
        LassError: as :func:`run_trainings`.
    """
    waiting = unfinished(jobs)
    if waiting:
        run_trainings(waiting, devices, Console(), "trainings", stop_on_error=True)
    else:
        print(f"{label}: done before", file=sys.stderr)


def unfinished(jobs: Iterable[Job]) -> list[Job]:
    """The *jobs* that are not done; the others are noted as done.

    Raises:
        LassError: a folder holds another training; then nothing is noted.
    """
    done = {job: job.is_done() for job in jobs}
    for job in done:
        if done[job]:
            job.finish()
    return [job for job in done if not done[job]]


def run_trainings(
    jobs: Sequence[Job],
    devices: Sequence[Device],
    listener: Console,
    what: str,
    take: Callable[[Job], str] = lambda job: "done",
    total: int | None = None,
    stop_on_error: bool = False,
    unit: str | None = None,
) -> None:
    """Run *jobs*, which are not done yet, and note each that reaches its end.

    Args:
        what: they are, for messages: ``searches``.
        take: makes of a finished training what is wanted of it; returns what to say.
        total: number of all pairs, those done before included.
        unit: what is counted in the status; None for *what*.

    Raises:
        LassError: some failed (the others have been finished); names each.
    """
    total = count_pairs(jobs) if total is None else total
    done = total - count_pairs(jobs)

    def finish(job: Job) -> str:
        nonlocal done
        job.finish()
        said = take(job)
        done += job.pairs
        return said

    run_jobs(jobs, devices, listener, finish, total, stop_on_error, unit or what)
    failed = [job for job in jobs if job.failure is not None]
    if failed:
        lines = [
            f"{count_pairs(failed)} of {total} {what} failed, {done} are done; mend "
            "what is wrong and run the same command again, which goes on from here"
        ]
        lines += [f"  {job.key}: {job.failure} (log: {job.log})" for job in failed]
        raise LassError("\n".join(lines))
