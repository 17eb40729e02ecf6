"""The file of a recipe: what it may say, and sentences for what it may not."""

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lass_plugin.errors import LassError
from lass_plugin.experiments.recipes.words import NAME, nearest
from lass_plugin.files import read_text

KEYS = ("about", "variables", "stages")
STAGE_KEYS = (
    "run",
    "with",
    "for",
    "when",
    "needs",
    "results",
    "output",
    "show",
    "log",
    "record",
    "own_record",
    "alone",
    "disk",
)
MUST_BE_GIVEN = "???"
"""Value of a variable without a default."""


@dataclass(frozen=True)
class WrittenStage:
    """A stage as the recipe writes it; its texts have variables in them."""

    name: str
    run: str
    lists: Mapping[str, Any]
    """Variable -> values that multiply the stage."""
    values: Mapping[str, Any]
    """Variables of the stage alone."""
    when: str | None
    needs: tuple[str, ...]
    results: tuple[str, ...]
    output: str | None
    log: str | None
    record: str | None
    disk: str | None
    show: bool
    own_record: bool
    alone: bool


@dataclass(frozen=True)
class Recipe:
    """What a file of YAML says."""

    path: Path
    variables: Mapping[str, Any]
    """Name -> a text or a list of texts."""
    stages: tuple[WrittenStage, ...]
    about: str = ""
    """What it is, in a line."""


def read_recipe(path: Path) -> Recipe:
    """The recipe in *path*.

    Raises:
        LassError: it cannot be read, or says something that no recipe can say.
    """
    content = _parsed(path)
    if not isinstance(content, dict):
        raise LassError(f"{path} is no recipe; it needs variables: and stages:")
    _known(content, KEYS, str(path))
    variables = content.get("variables") or {}
    stages = content.get("stages") or {}
    if not isinstance(stages, dict):
        raise LassError(f"{path}: stages must be names with keys below them")
    if not stages:
        raise LassError(f"{path} has no stages")
    _check_variables(str(path), variables)
    written = tuple(_stage(path, name, value) for name, value in stages.items())
    about = _text(str(path), "about", content) or ""
    return Recipe(path, variables, written, about)


def _stage(path: Path, name: str, value: Any) -> WrittenStage:
    where = f"{path}: stage {name}"
    if not isinstance(value, dict):
        raise LassError(f"{where} must be keys with values, such as run:")
    _known(value, STAGE_KEYS, where)
    if not value.get("run"):
        raise LassError(f"{where} has no run:, the command")
    lists = value.get("for") or {}
    if not isinstance(lists, dict):
        raise LassError(f"{where}: for: must be variables with lists of their values")
    for variable, several in lists.items():
        if not re.fullmatch(NAME, variable):
            raise LassError(f"{where}: a variable cannot be called {variable!r}")
        if not isinstance(several, str | list):
            raise LassError(f"{where}: {variable} in for: must be a list")
    values = value.get("with") or {}
    _check_variables(where, values)
    texts = {key: _text(where, key, value) for key in ("output", "log", "record")}
    return WrittenStage(
        name=name,
        run=" ".join(_texts(where, "run", value)),
        lists=lists,
        values=values,
        when=_text(where, "when", value),
        needs=_texts(where, "needs", value),
        results=_texts(where, "results", value),
        disk=_text(where, "disk", value),
        show=_switch(where, "show", value),
        own_record=_switch(where, "own_record", value),
        alone=_switch(where, "alone", value),
        **texts,
    )


def _check_variables(where: str, variables: Any) -> None:
    if not isinstance(variables, dict):
        raise LassError(f"{where}: variables must be names with values")
    for name, value in variables.items():
        if not re.fullmatch(NAME, name):
            raise LassError(
                f"{where}: a variable cannot be called {name!r}; take small letters, "
                "digits and _"
            )
        if not _is_texts(value) and not isinstance(value, str):
            raise LassError(f"{where}: {name} must be a text or a list of texts")


def _text(where: str, key: str, value: Mapping[str, Any]) -> str | None:
    text = value.get(key)
    if text is not None and not isinstance(text, str):
        raise LassError(f"{where}: {key} must be a text")
    return text or None


def _texts(where: str, key: str, value: Mapping[str, Any]) -> tuple[str, ...]:
    given = value.get(key) or []
    given = [given] if isinstance(given, str) else given
    if not _is_texts(given):
        raise LassError(f"{where}: {key} must be a text or a list of texts")
    return tuple(given)


def _switch(where: str, key: str, value: Mapping[str, Any]) -> bool:
    text = value.get(key, "false")
    if text not in ("true", "false"):
        raise LassError(f"{where}: {key} must be true or false, not {text!r}")
    return bool(text == "true")


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _known(value: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in value:
        if key not in known:
            raise LassError(f"{where} has the unknown key {key}; {nearest(key, known)}")


class _Loader(yaml.BaseLoader):
    """Reads every value as the text that it is, and no key twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if not isinstance(name, str):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a text", key.start_mark
                )
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{name} is there twice", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep=True)


def _parsed(path: Path) -> Any:
    text = read_text(path, "a recipe")
    try:
        return yaml.load(text, Loader=_Loader)  # which makes texts and nothing else
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it is no YAML"
        raise LassError(f"{path}{where}: {problem}") from error
    except (RecursionError, ValueError) as error:
        raise LassError(f"{path} is no recipe: {error}") from error
