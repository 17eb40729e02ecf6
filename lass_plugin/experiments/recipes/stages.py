"""The stages of a recipe: variables put in, multiplied by their lists, in order."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.experiments.content import OUTPUTS, ways_to_name, within
from lass_plugin.experiments.recipes.hydra import PROGRAM as HYDRA
from lass_plugin.experiments.recipes.hydra import as_options
from lass_plugin.experiments.recipes.reading import Recipe, WrittenStage
from lass_plugin.experiments.recipes.words import Scope, items, nearest
from lass_plugin.experiments.stage import RECORD

TRAINING = ("fairseq-train", HYDRA)
STAGES = "stages"
"""Folder of the records of stages that have none elsewhere."""

NOTHING = ("", "0")
"""Values of ``when`` that leave a stage out."""

_LONGEST = 4096
"""Letters of a word that may be a path; a program in a word is longer, or no path."""

_SIZES = {"M": 1e6, "G": 1e9, "T": 1e12}


@dataclass(frozen=True)
class RecipeStage:
    """One command of a run, and what it reads, writes and waits for."""

    name: str
    command: tuple[str, ...]
    results: tuple[Path, ...]
    """Files, or folders that stand for all their files."""
    needs: tuple[str, ...]
    """Names of the stages that must be done before."""
    files: tuple[Path, ...]
    """Files that must be there and that no stage makes."""
    output: Path | None
    log: Path
    record: Path
    disk: float
    """Bytes."""
    show: bool
    own_record: bool
    alone: bool

    @property
    def written(self) -> list[Path]:
        """Places that it writes to."""
        folder = [self.record.parent] if self.record.name == RECORD else []
        output = [self.output] if self.output else []
        return [*self.results, *output, *folder, self.record, self.log]

    @property
    def made(self) -> list[Path]:
        """What it is done with: the results, what it prints among them."""
        return [*self.results, *([self.output] if self.output else [])]

    @property
    def left(self) -> list[Path]:
        """What says that it was begun: what it makes, and the checkpoint that fairseq
        goes on from, whatever command wrote it."""
        folder = None
        if self.command[0] in TRAINING:
            folder = _option(as_options(self.command), "--save-dir")
        last = [Path(folder) / "checkpoint_last.pt"] if folder else []
        return list(dict.fromkeys([*self.made, *last]))


@dataclass(frozen=True)
class _Draft:
    """A stage before it is known what it needs."""

    stage: RecipeStage
    wanted: tuple[str, ...]
    """Stages or files, as the recipe says."""


def stages_of(recipe: Recipe, scope: Scope, out: Path) -> list[RecipeStage]:
    """All stages, each behind those that it needs.

    Raises:
        LassError: a name is there twice or unknown, stages need each other, a variable
            is not defined; names the stage.
    """
    drafts: dict[str, _Draft] = {}
    left_out: list[str] = []
    for written in recipe.stages:
        for inner in _multiplied(recipe, written, scope):
            with _naming(recipe, written.name):
                name = inner.text(written.name)
                if not re.fullmatch(r"[\w.@+-]+", name):
                    raise LassError(
                        f"a stage cannot be called {name!r}; take letters, digits, "
                        "- . _ @ and +"
                    )
                if name in drafts or name in left_out:
                    raise LassError(
                        f"there are two stages of the name {name}; put the variables "
                        "of for: into the name"
                    )
                if written.when and inner.text(written.when).strip() in NOTHING:
                    left_out.append(name)
                    continue
                drafts[name] = _draft(written, name, inner, out)
    if not drafts:
        raise LassError(f"{recipe.path} leaves out all of its stages")
    _check_places(recipe, drafts)
    made = {n: [path.resolve() for path in d.stage.made] for n, d in drafts.items()}
    makers = Makers(made)
    bound = [_bound(recipe, each, makers, left_out) for each in drafts.values()]
    return _ordered(recipe, bound)


def selected(stages: Sequence[RecipeStage], wanted: Sequence[str]) -> list[RecipeStage]:
    """The stages that are *wanted*, and all that these need.

    Raises:
        LassError: no stage is called so.
    """
    by_name = {stage.name: stage for stage in stages}
    chosen: set[str] = set()
    for pattern in wanted:
        chosen.update(matching(pattern, list(by_name), f"--only {pattern}"))
    found: set[str] = set()
    while chosen:
        name = chosen.pop()
        found.add(name)
        chosen.update(each for each in by_name[name].needs if each not in found)
    return [stage for stage in stages if stage.name in found]


def matching(pattern: str, names: Sequence[str], what: str) -> list[str]:
    """The *names* that *pattern* stands for.

    Raises:
        LassError: it stands for none.
    """
    found = [name for name in names if fnmatchcase(name, pattern)]
    if not found:
        raise LassError(f"{what}: there is no such stage; {nearest(pattern, names)}")
    return found


class _naming:
    """Names the stage in whatever is wrong with it."""

    def __init__(self, recipe: Recipe, name: str):
        self._where = f"{recipe.path}: stage {name}"

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, LassError) and not error.message.startswith(self._where):
            raise LassError(f"{self._where}: {error.message}") from error


def _multiplied(recipe: Recipe, written: WrittenStage, scope: Scope) -> Iterator[Scope]:
    """One scope for each combination of the values of the stage's lists."""
    rows: list[list[dict[str, Any]]] = []
    with _naming(recipe, written.name):
        for variable, several in written.lists.items():
            rows.append(_rows(variable, several, scope))
    for combination in itertools.product(*rows):
        merged: dict[str, Any] = {}
        for row in combination:
            merged.update(row)
        yield scope.within({**merged, **written.values})


def _rows(variable: str, several: Any, scope: Scope) -> list[dict[str, str]]:
    """What each value of a list defines: one variable, or those of a row."""
    if isinstance(several, str):
        words = scope.words(several)
        parts = items(words[0]) if len(words) == 1 else words
        return [{variable: part.replace("$", "$$")} for part in parts]
    rows = []
    for value in several:
        if isinstance(value, str):
            rows.append({variable: value})
        elif isinstance(value, dict) and all(map(_is_text, value.values())):
            rows.append(dict(value))
        else:
            raise LassError(f"{variable} in for: must have texts, or rows of texts")
    return rows


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _draft(written: WrittenStage, name: str, scope: Scope, out: Path) -> _Draft:
    scope = scope.within({"stage": name.replace("$", "$$")})

    def place(text: str | None) -> Path | None:
        return Path(scope.text(text)) if text else None

    command = tuple(scope.words(written.run))
    if not command or not command[0]:
        raise LassError("run: is empty")
    folder = _option(as_options(command), *OUTPUTS[:2])
    output = place(written.output)
    named = [each for part in written.results for each in scope.words(part)]
    results = tuple(map(Path, named))
    record, log = out / STAGES / f"{name}.{RECORD}", out / STAGES / f"{name}.log"
    if command[0] in TRAINING and folder:
        record, log = Path(folder) / RECORD, Path(folder) / "log"
        results = results or (Path(folder) / "checkpoint_last.pt",)
    if not results and folder:
        results = (Path(folder),)
    if not results and not output:
        raise LassError("it has no results: and no output:, so nothing is kept")
    if written.show and not output:
        raise LassError("show: shows the output:, of which there is none")
    stage = RecipeStage(
        name=name,
        command=command,
        results=results,
        needs=(),
        files=(),
        output=output,
        log=place(written.log) or log,
        record=place(written.record) or record,
        disk=_bytes(scope.text(written.disk)) if written.disk else 0,
        show=written.show,
        own_record=written.own_record,
        alone=written.alone,
    )
    return _Draft(stage, tuple(scope.text(each) for each in written.needs))


def _option(command: Sequence[str], *names: str) -> str | None:
    """The value of the first of these options that the command has."""
    for option, value in itertools.pairwise(command):
        if option in names:
            return value
    return None


def _bytes(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MGT])B?", text.strip())
    if not found:
        raise LassError(f"disk: must be a size such as 500M or 20G, not {text!r}")
    return float(found[1]) * _SIZES[found[2]]


def _check_places(recipe: Recipe, drafts: Mapping[str, _Draft]) -> None:
    """Refuse two stages that write the same file or have the same record."""
    owners: dict[Path, str] = {}
    for name, draft in drafts.items():
        stage = draft.stage
        for path in {*stage.made, stage.record, stage.log}:
            other = owners.setdefault(path.resolve(), name)
            if other != name:
                raise LassError(f"{recipe.path}: {other} and {name} both write {path}")


class Makers:
    """Stages by the places that they make; thousands of words are looked up.

    Args:
        made: name of a stage -> resolved places.
    """

    def __init__(self, made: Mapping[str, Sequence[Path]]):
        self.names = list(made)
        self._at: dict[Path, set[str]] = {}
        self._below: dict[Path, set[str]] = {}
        for name, places in made.items():
            for place in places:
                self._at.setdefault(place, set()).add(name)
                for folder in place.parents:
                    self._below.setdefault(folder, set()).add(name)

    def of(self, place: Path) -> set[str]:
        """Names of those that make *place*, something in it or a folder around it.

        ``{pair}`` in it stands for anything.
        """
        found = set(self._below.get(place, ()))
        pattern = re.sub(r"\{\w+\}", "*", str(place))
        for at, names in self._at.items() if pattern != str(place) else ():
            if fnmatchcase(str(at), pattern):
                found |= names
        for each in (place, *place.parents):
            found |= self._at.get(each, set())
        return found


def _bound(
    recipe: Recipe, draft: _Draft, makers: Makers, left_out: Sequence[str]
) -> RecipeStage:
    """The stage with what it needs: what the recipe says, and what its words name."""
    stage = draft.stage
    needs: dict[str, None] = {}
    files = []
    names = makers.names
    with _naming(recipe, stage.name):
        for wanted in draft.wanted:
            found = [name for name in names if fnmatchcase(name, wanted)]
            found = found or [*makers.of(Path(wanted).resolve()) - {stage.name}]
            if found:
                needs.update(dict.fromkeys(found))
            elif any(fnmatchcase(name, wanted) for name in left_out):
                continue
            elif "/" in wanted or Path(wanted).exists():
                files.append(Path(wanted))
            else:
                raise LassError(
                    f"needs: there is no stage and no file {wanted}; "
                    f"{nearest(wanted, names)}"
                )
    for place in _named_places(stage):
        needs.update(dict.fromkeys(makers.of(place) - {stage.name}))
    needed = tuple(name for name in names if name in needs)
    return replace(stage, needs=needed, files=tuple(files))


def _named_places(stage: RecipeStage) -> Iterator[Path]:
    """Resolved places that words of the command may name, but for those it writes."""
    written = [path.resolve() for path in stage.written]
    before = ""
    for word in stage.command[1:]:
        option, before = before, word if word.startswith("--") else ""
        if option in OUTPUTS:
            continue
        for part in itertools.chain.from_iterable(ways_to_name(word)):
            if part in ("", ".", "..") or len(part) > _LONGEST:
                continue
            place = Path(part).resolve()
            if not any(within(place, own) for own in written):
                yield place


def _ordered(recipe: Recipe, stages: Sequence[RecipeStage]) -> list[RecipeStage]:
    """*stages* in their order, but each behind those that it needs."""
    by_name = {stage.name: stage for stage in stages}
    order: dict[str, RecipeStage] = {}
    busy: list[str] = []

    def visit(name: str) -> None:
        if name in order:
            return
        if name in busy:
            way = " → ".join([*busy[busy.index(name) :], name])
            raise LassError(f"{recipe.path}: stages need each other: {way}")
        busy.append(name)
        for need in by_name[name].needs:
            visit(need)
        busy.pop()
        order[name] = by_name[name]

    for stage in stages:
        visit(stage.name)
    return list(order.values())
