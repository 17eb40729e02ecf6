"""The commands that made a run: how far each is, and what trainings were told."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from lass_plugin.experiments.content import is_digest
from lass_plugin.experiments.recipes.called import Called, CalledStage, read_called
from lass_plugin.experiments.recipes.jobs import updates_of
from lass_plugin.experiments.recipes.stages import STAGES, TRAINING
from lass_plugin.experiments.recipes.standing import Standing
from lass_plugin.experiments.stage import RECORD, read_record
from lass_plugin.report_page.holdings import Holdings

Options = list[tuple[str, str]]
"""Options and their values, as the page shows them."""


@dataclass(frozen=True)
class MadeBy:
    """A stage of a recipe's run: its command, its standing, and what it has made."""

    called: CalledStage
    standing: Standing
    made: tuple[Path, ...]
    """Where it lies now."""

    @property
    def name(self) -> str:
        return self.called.name

    @property
    def done(self) -> bool:
        return self.standing is Standing.KEPT

    @property
    def command(self) -> list[str]:
        return self.called.command

    @property
    def program(self) -> str:
        """``lass evaluate``, ``fairseq-train``."""
        first, *rest = self.command
        named = first == "lass" and rest and not rest[0].startswith("-")
        return f"{first} {rest[0]}" if named else first


@dataclass(frozen=True)
class Training:
    """What a training was told."""

    name: str
    options: Options


@dataclass(frozen=True)
class Stages:
    """The stages of a run.

    *call* is None where ``lass run`` did not make it, or an earlier release did; then
    *records* have what is known.
    """

    call: Called | None
    of_recipe: tuple[MadeBy, ...]
    records: dict[Path, dict[str, Any]]
    """Those of stages, by their files."""

    @property
    def recipe(self) -> bool:
        """Whether it is the folder of a recipe."""
        return self.call is not None or any(
            path.name == f"recipe.{RECORD}" for path in self.records
        )

    def maker(self, path: Path) -> MadeBy | None:
        """The stage that made *path*: the one whose result is nearest to it."""
        makers = [
            (len(place.parts), number)
            for number, stage in enumerate(self.of_recipe)
            for place in stage.made
            if path == place or path.is_relative_to(place)
        ]
        return self.of_recipe[max(makers)[1]] if makers else None

    def line_of(self, path: Path) -> str:
        """The command that made *path*; empty where it is not known."""
        stage = self.maker(path)
        return " ".join(stage.command) if stage else ""

    def trainings(self) -> list[Training]:
        """What each training was told; those that were told the same are one."""
        if self.call is not None:
            return [
                Training(stage.name, options_of(stage.command))
                for stage in self.of_recipe
                if stage.command[0] in TRAINING or updates_of(stage.command)
            ]
        told = [
            (_options_in(record["identity"]), str(record["stage"]))
            for path, record in self.records.items()
            if path.name == RECORD and "recipe" not in record["identity"]
        ]
        found = []
        for options, several in groupby(told, key=lambda each: _without_pairs(each[0])):
            first, *others = [name for _, name in several]
            more = f" and {len(others)} more" if others else ""
            found.append(Training(f"{first}{more}", options))
        return found


def read_stages(holdings: Holdings) -> Stages:
    """The stages of a run, as its records say.

    Raises:
        LassError: one is damaged or of a later version.
    """
    folder = holdings.folder
    call = read_called(folder)
    records = {}
    for path in holdings.of_format("stage"):
        if (record := read_record(path)) is not None:
            records[path] = record
    of_recipe: tuple[MadeBy, ...] = ()
    if call is not None:
        out, base = Path(call.out), _base(folder, Path(call.out))
        of_recipe = tuple(
            _standing(each, lambda text: _place(text, folder, out, base), records)
            for each in call.stages
        )
    return Stages(call, of_recipe, records)


def _base(folder: Path, out: Path) -> Path:
    """Where the run was called, if *folder* still lies there; else where we are."""
    place = folder.resolve()
    called_here = not out.is_absolute() and place.parts[-len(out.parts) :] == out.parts
    return place.parents[len(out.parts) - 1] if called_here else Path()


def _place(text: str, folder: Path, out: Path, base: Path) -> Path:
    """Where lies now what the run called *text*."""
    path = Path(text)
    return folder / path.relative_to(out) if path.is_relative_to(out) else base / path


def _standing(
    stage: CalledStage,
    place: Callable[[str], Path],
    records: Mapping[Path, Mapping[str, Any]],
) -> MadeBy:
    """How far a stage is, by its record and by whether what it makes is there.

    What files hold is not compared, as ``lass run --status`` does: that takes long.
    """
    record = records.get(place(stage.record)) or read_record(place(stage.record))
    made = tuple(map(place, stage.made))
    standing = Standing.LEFT
    if record is not None:
        whole = record["results"] is not None and all(path.exists() for path in made)
        standing = Standing.KEPT if whole else Standing.CONTINUED
    return MadeBy(stage, standing, made)


def options_of(command: Sequence[str]) -> Options:
    """The options of a command with their values; what stands before them is first."""
    found: list[tuple[str, list[str]]] = [("", [])]
    for word in command:
        if word.startswith("--"):
            found.append((word, []))
        else:
            found[-1][1].append(word)
    return [(option, " ".join(values)) for option, values in found if option != "--"]


def _options_in(identity: Mapping[str, Any]) -> Options:
    """The options that the identity of a stage holds, without what files hold."""
    found = []
    if program := identity.get("program") or identity.get("command"):
        found.append(("", str(program)))
    for part in ("words", "options", "flags"):
        for name, value in identity.get(part, {}).items():
            if is_digest(value) or not name:
                continue
            option = name if name.startswith("--") else f"--{name.replace('_', '-')}"
            found.append((option, _shown(value)))
    return found


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    if value is True or value == "True":
        return ""
    if value == "=":
        return "(a file or folder)"
    return value if isinstance(value, str) else json.dumps(value)


def _without_pairs(options: Options) -> Options:
    return [each for each in options if each[0] != "--pairs"]


def earlier_stages(stages: Stages) -> tuple[list[str], list[str]]:
    """The stages of a run by an earlier release that are done, and those that are
    begun. Which others there are it did not write down."""
    done: list[str] = []
    begun: list[str] = []
    for path, record in stages.records.items():
        of_recipe = path.parent.name == STAGES or record["stage"].startswith("stage ")
        if of_recipe and path.name != f"recipe.{RECORD}":
            name = record["stage"].removeprefix("stage ")
            (begun if record["results"] is None else done).append(name)
    return done, begun
