"""A run of a recipe: what is done is kept, the rest runs, each stage in its turn."""

import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lass_plugin.data.progress import duration
from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.console import Console
from lass_plugin.experiments.launching.queue import run_jobs
from lass_plugin.experiments.recipes.called import Called, called, keep
from lass_plugin.experiments.recipes.jobs import StageJob
from lass_plugin.experiments.recipes.lines import shell_lines, status_lines, tally
from lass_plugin.experiments.recipes.reading import MUST_BE_GIVEN, Recipe, read_recipe
from lass_plugin.experiments.recipes.settings import RunSettings
from lass_plugin.experiments.recipes.stages import (
    STAGES,
    RecipeStage,
    selected,
    stages_of,
)
from lass_plugin.experiments.recipes.standing import Found, Standing, look
from lass_plugin.experiments.recipes.words import Scope, nearest
from lass_plugin.experiments.stage import RECORD, Stage, read_record
from lass_plugin.files import check_space
from lass_plugin.locks import FolderLock
from lass_plugin.places.devices import Device, check_devices, find_devices, on_cpu

BUILT_IN = (
    "out",
    "here",
    "stage",
    "user_dir",
    "jobs",
    "threads",
    "cpu",
    "hydra_cpu",
    "bf16",
)
"""Variables that every recipe has."""

MANY = 1000
"""More than there are places for, or jobs that a cluster gets at a time."""


def run_recipe(settings: RunSettings) -> int:
    """Run the recipe, or say what it would run; returns the status of the command.

    Raises:
        LassError: the recipe, a variable or a folder is at fault, which is said before
            anything runs; or stages have failed.
    """
    settings.check()
    check_devices(settings)
    recipe = read_recipe(settings.recipe)
    out = settings.out or Path("runs") / settings.recipe.stem
    places = _places(settings)
    scope = _scope(recipe, settings, out, places)
    stages = stages_of(recipe, scope, out)
    _check_recipe(recipe, out)
    call = called(recipe, out, settings.values, stages, places)
    if settings.only:
        stages = selected(stages, settings.only)
    found = look(stages)
    refused = [each for each in found.values() if each.standing is Standing.REFUSED]
    if settings.status or settings.dry_run:
        if settings.dry_run:
            print(shell_lines(stages, found, places))
        else:
            print(status_lines(stages, found))
        print(f"{len(stages)} stages: {tally(found)}", file=sys.stderr)
        return 1 if refused else 0
    if refused:
        raise LassError("\n".join(each.why for each in refused))
    _run(recipe, settings, out, stages, found, places, call)
    return 0


def _run(
    recipe: Recipe,
    settings: RunSettings,
    out: Path,
    stages: Sequence[RecipeStage],
    found: Mapping[str, Found],
    places: Sequence[Device],
    call: Called,
) -> None:
    """Run what is not kept.

    Raises:
        LassError: something is lacking, or stages have failed.
    """
    began = time.monotonic()
    to_do = [s for s in stages if found[s.name].standing is not Standing.KEPT]
    _check_files(to_do, stages)
    if needed := sum(stage.disk for stage in to_do):
        check_space(
            needed, out, "the stages that are left need", "or take another --out"
        )
    jobs = _jobs(settings, out, to_do)
    by_name = {job.key: job for job in jobs}
    needs = {
        job: [by_name[name] for name in job.planned.needs if name in by_name]
        for job in jobs
    }

    def finish(job: StageJob) -> str:
        job.finish()
        return f"done in {duration(job.seconds)}"

    console = Console()
    with FolderLock(out / STAGES, f"recipe {recipe.path.name}"):
        _record(recipe, out).begin()
        keep(call, out, begins=bool(to_do))
        if kept := len(stages) - len(to_do):
            console.event(f"{kept} of {len(stages)} stages are kept")
        run_jobs(jobs, places, console, finish, len(stages), unit="stages", needs=needs)
    failed = {job.key for job in jobs if job.failure is not None}
    for stage in stages:
        if stage.name in failed:
            continue  # what it printed is of an earlier run
        if stage.show and stage.output and stage.output.is_file():
            print(stage.output.read_text(encoding="utf-8", errors="replace"), end="")
    _check_failures(jobs, len(stages))
    print(
        f"{recipe.path.name}: {len(stages)} stages done in {out}, "
        f"{len(to_do)} of them now, in {duration(time.monotonic() - began)}",
        file=sys.stderr,
    )


def _check_failures(jobs: Sequence[StageJob], total: int) -> None:
    """Name each stage that has failed, and why.

    Raises:
        LassError: there is one.
    """
    failed = [job for job in jobs if job.failure is not None]
    if not failed:
        return
    lines = [
        f"{len(failed)} of {total} stages failed, {total - len(failed)} are done; mend "
        "what is wrong and run the same command again, which goes on from here"
    ]
    for job in failed:
        log = f" (log: {job.log})" if job.ran else ""
        lines.append(f"  {job.key}: {job.failure}{log}")
    raise LassError("\n".join(lines))


def _jobs(
    settings: RunSettings, out: Path, to_do: Sequence[RecipeStage]
) -> list[StageJob]:
    if settings.cluster is None:
        return [StageJob.of(stage) for stage in to_do]
    from lass_plugin.experiments.recipes.cluster import cluster_jobs

    return cluster_jobs(settings, out, to_do)


def _places(settings: RunSettings) -> list[Device]:
    """What stages run on: devices here, or so many jobs of a cluster."""
    if settings.cluster is None:
        return find_devices(settings, MANY)
    return [Device(None, settings.cores or 1)] * (settings.jobs or MANY)


def _scope(
    recipe: Recipe, settings: RunSettings, out: Path, places: Sequence[Device]
) -> Scope:
    """The variables of the recipe, those of the command line, and the built-in ones.

    Raises:
        LassError: one is unknown or lacks its value.
    """
    variables: dict[str, Any] = dict(recipe.variables)
    if taken := [name for name in variables if name in BUILT_IN]:
        raise LassError(
            f"{recipe.path}: {taken[0]} has a value already, as have "
            f"{', '.join(BUILT_IN)}; take another name"
        )
    for given in settings.values:
        name, equals, value = given.partition("=")
        if not equals:
            raise LassError(f"--set {given} must be NAME=VALUE")
        if name not in variables:
            raise LassError(
                f"--set {name}: {recipe.path} has no such variable; "
                f"{nearest(name, [*variables])}"
            )
        value = _literal(value)
        variables[name] = _listed(value) if isinstance(variables[name], list) else value
    if lacking := [name for name, v in variables.items() if v == MUST_BE_GIVEN]:
        raise LassError(
            f"{recipe.path} needs values: add "
            + " ".join(f"--set {name}=…" for name in lacking)
        )
    on_the_cpu = on_cpu(settings) if settings.cluster is None else not settings.gpus
    built_in: dict[str, Any] = {
        "out": _literal(str(out)),
        "here": _literal(str(recipe.path.parent)),
        "user_dir": _literal(_user_dir()),
        "jobs": str(len(places) if settings.cluster is None else max(1, settings.gpus)),
        "threads": str(places[0].threads),
        "cpu": ["--cpu"] if on_the_cpu else [],
        "hydra_cpu": ["common.cpu=true"] if on_the_cpu else [],
        "bf16": lambda: ["--bf16-autocast"] if _gains_by_bfloat16() else [],
    }
    return Scope({**variables, **built_in})


def _listed(value: str) -> list[str]:
    """The values of a list: words with blanks between them, or else with commas."""
    if re.search(r"\s", value) or value.startswith("-"):
        return [value]
    return [each for each in value.split(",") if each]


def _literal(text: str) -> str:
    return text.replace("$", "$$")


def _user_dir() -> str:
    from lass_plugin.experiments.launching.commands import USER_DIR

    return str(USER_DIR)


def _gains_by_bfloat16() -> bool:
    import torch

    from lass_plugin.training.precision import processor_has_bfloat16

    return torch.cuda.is_available() or processor_has_bfloat16()


def _check_files(to_do: Sequence[RecipeStage], stages: Sequence[RecipeStage]) -> None:
    """Refuse stages whose files are not there and that no other stage makes."""
    for stage in to_do:
        for path in stage.files:
            if not path.exists():
                raise LassError(
                    f"stage {stage.name} needs {path}, which is not there and which no "
                    "stage makes"
                )


def _record(recipe: Recipe, out: Path) -> Stage:
    """The record of the recipe that the folder belongs to: the commands it writes."""
    commands = {stage.name: stage.run for stage in recipe.stages}
    return Stage(out / STAGES, "recipe", {"stages": commands}, name=f"recipe.{RECORD}")


def _check_recipe(recipe: Recipe, out: Path) -> None:
    """Refuse the folder of another recipe: one that has no command in common with this.

    One that was edited has some; its stages are compared one by one.
    """
    record = _record(recipe, out)
    before = read_record(record.path)
    if before is None:
        return
    known = before["identity"].get("stages", {})
    if not known.items() & record.identity["stages"].items():
        raise LassError(
            f"{out} holds a run of another recipe, with the stages "
            f"{', '.join(known)}; choose another --out"
        )
