"""What a run was called with, beside its stages: so that it can be read without them.

``OUT/stages/run.json`` has the recipe's name and what it is about, the values of
``--set``, every stage with its whole command, and the versions that it ran with. The
records of the stages decide what is kept; this one decides nothing.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lass_plugin.experiments.recipes.lines import environment_of
from lass_plugin.experiments.recipes.reading import Recipe
from lass_plugin.experiments.recipes.stages import STAGES, RecipeStage
from lass_plugin.places.devices import Device
from lass_plugin.records.fields import filled
from lass_plugin.records.json_record import RecordFormat
from lass_plugin.records.versions import versions_here

NAME = "run.json"
CALLED = RecordFormat(
    "lass_plugin run",
    "the record of a run of 'lass run'",
    advice="run the same command again, which writes it anew",
)


@dataclass(frozen=True)
class CalledStage:
    """A stage of the run: its command and its places, as text."""

    name: str
    command: list[str]
    made: list[str]
    """Files and folders that it makes."""
    output: str | None
    record: str
    environment: list[str]
    """``NAME=VALUE``, set before the command."""


@dataclass(frozen=True)
class Called:
    """A call of ``lass run``."""

    recipe: str
    about: str
    out: str
    values: list[str]
    """``NAME=VALUE``, as given with ``--set``."""
    date: str
    """When stages were last begun: ``2026-03-01 14:05 UTC``; empty, as *versions* are,
    where that was by an earlier release, which did not say so."""
    versions: dict[str, str]
    stages: list[CalledStage]


def called(
    recipe: Recipe,
    out: Path,
    values: Sequence[str],
    stages: Sequence[RecipeStage],
    places: Sequence[Device],
) -> Called:
    """The call that is being made now.

    Args:
        stages: all of them, those that are not to be run now too.
        places: what they run on.
    """
    return Called(
        recipe=str(recipe.path),
        about=recipe.about,
        out=str(out),
        values=list(values),
        date=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        versions=versions_here(),
        stages=[
            CalledStage(
                name=stage.name,
                command=list(stage.command),
                made=[*map(str, stage.made)],
                output=str(stage.output) if stage.output else None,
                record=str(stage.record),
                environment=environment_of(stage, places),
            )
            for stage in stages
        ],
    )


def keep(call: Called, out: Path, begins: bool) -> None:
    """Write *call* down; where nothing *begins* and there is a record, that stays."""
    path = out / STAGES / NAME
    if not begins:
        if path.is_file():
            return
        call = replace(call, date="", versions={})
    CALLED.write(path, asdict(call), rows=True)


def read_called(out: Path) -> Called | None:
    """The call that made the folder *out*; None of one by an earlier release.

    Raises:
        LassError: its record is damaged or of a later version.
    """
    path = out / STAGES / NAME
    if not path.is_file():
        return None
    with CALLED.reading(path) as record:
        found: Called = filled(Called, record, "run")
        return found
