"""The recipes of configs/recipes as stages, and what their trainings are told."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from conftest import ROOT

from lass_plugin.experiments.recipes.hydra import config_of
from lass_plugin.experiments.recipes.reading import MUST_BE_GIVEN, read_recipe
from lass_plugin.experiments.recipes.run import BUILT_IN
from lass_plugin.experiments.recipes.stages import stages_of
from lass_plugin.experiments.recipes.words import Scope

RECIPES = sorted((ROOT / "configs" / "recipes").glob("*.yaml"))
GIVEN = {
    "pairs": "de-en,en-de,nl-en",
    "searched": "de-en",
    "types": "H=en,de;V=nl",
    "compared": "OUT",
    "new_text": "NEW",
    "new_pairs": "it-en",
    "zero_shot": "1",
    "sizes": "de=5",
    "sample": "100",
    "erase": "de-en",
}
BUILT = {name: name for name in BUILT_IN} | {"jobs": "2", "threads": "1"}
BUILT |= {"cpu": ["--cpu"], "bf16": ["--bf16-autocast"], "out": "OUT"}
BUILT |= {"hydra_cpu": ["common.cpu=true"], "here": str(ROOT / "configs" / "recipes")}
FURTHER = {  # what papers have and a first run leaves out
    "he2023": {
        "ratios": ["0.1", "0.2"],
        "parts": ["attention", "feed-forward"],
        "speed": "3",
    },
    "lin2021_wmt": {"sweep_updates": "10", "opus": "OPUS", "tested": "fr-zh"},
    "xie2021": {"iwslt17": "IWSLT", "europarl": "EUROPARL"},
    "cao2024": {"epochs": ["1", "2"], "epoch_files": "false"},
}


@cache
def stages(path: Path):
    recipe = read_recipe(path)
    lacking = (MUST_BE_GIVEN, "", "0")
    given = {
        name: GIVEN.get(name, "given" if value == MUST_BE_GIVEN else value)
        for name, value in recipe.variables.items()
        if value in lacking
    }
    given |= FURTHER.get(path.stem, {})
    return stages_of(recipe, Scope({**recipe.variables, **given, **BUILT}), Path("OUT"))


@cache
def read_config(path: Path) -> dict:
    return yaml.safe_load(path.read_text("utf-8"))


def told(command: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """The configuration that *command* begins, with what stands beside it."""
    found = {
        group: dict(values) for group, values in read_config(config_of(command)).items()
    }
    for word in command[5:]:
        key, _, value = word.partition("=")
        group, _, name = key.partition(".")
        found[group][name] = yaml.safe_load(value)
    return found
