"""The recipes of configs/recipes, and the scripts that call them."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT
from fairseq import options

import lass_plugin.models.transformer_architectures
import lass_plugin.optim.strict_adam  # noqa: F401, registers
from lass_plugin.cli.main import build_parser, main
from lass_plugin.experiments.recipes.reading import MUST_BE_GIVEN, read_recipe
from lass_plugin.experiments.recipes.run import BUILT_IN
from lass_plugin.experiments.recipes.stages import stages_of
from lass_plugin.experiments.recipes.words import NAME, Scope
from lass_plugin.tasks import register_tasks

register_tasks()

RECIPES = sorted((ROOT / "configs" / "recipes").glob("*.yaml"))
EXAMPLE = re.search(
    r"```yaml\n(.*?)```", (ROOT / "docs" / "running.md").read_text("utf-8"), re.S
)
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


def stages(path: Path):
    recipe = read_recipe(path)
    lacking = (MUST_BE_GIVEN, "", "0")
    given = {
        name: GIVEN.get(name, "given" if value == MUST_BE_GIVEN else value)
        for name, value in recipe.variables.items()
        if value in lacking
    }
    return stages_of(recipe, Scope({**recipe.variables, **given, **BUILT}), Path("OUT"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_command_of_a_recipe_has_the_options_that_are_given(path):
    parser = build_parser()
    for stage in stages(path):
        program, *words = stage.command
        assert not any("${" in word for word in words), stage.name
        if program == "lass":
            parser.parse_args(words[: words.index("--")] if "--" in words else words)
        elif program == "fairseq-train":
            at = words.index("--user-dir")
            del words[at : at + 2]
            options.parse_args_and_arch(options.get_training_parser(), words)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_variable_of_a_recipe_is_used(path):
    recipe, text = read_recipe(path), path.read_text("utf-8")
    used = {
        name
        for inside in re.findall(r"\$\{([^}]*)\}", text)
        for name in re.findall(NAME, inside)
    }
    assert set(recipe.variables) <= used
    assert recipe.stages and path.name in (ROOT / "docs" / "running.md").read_text()


def test_the_example_of_the_page_is_a_recipe(tmp_path):
    path = tmp_path / "example.yaml"
    path.write_text(EXAMPLE[1], encoding="utf-8")
    found = {stage.name: stage for stage in stages(path)}
    assert len(found) == 1 + 3 + 6 + 1
    assert found["report"].needs == ("joint-0.2-1", "joint-0.4-1", "joint-0.6-1")
    assert found["joint-0.6-2"].needs == ("masks-0.6",)


CALLS = {
    "compare_searches": ("TEXT OUT de-en,en-de", "BASE=30 FLAGS=", "--max-update 30"),
    "compare_schedules": (
        "TEXT OUT de-en,en-de de-en",
        "LENGTHS='30 60' JOINT=50",
        "search-60/gradient-gradual-0.4",
    ),
    "compare_low_rank": (
        "TEXT OUT en,de,nl 'H=en,de;V=nl'",
        "ONLY='by-type fc-pruned' ABLATIONS=1 BASE_MODEL=M PLACEMENT=first:2",
        "--system by-type=OUT/by-type/checkpoint_last.pt "
        "--system fc-pruned=OUT/fc-pruned/checkpoint_last.pt --beam 5",
    ),
    "compare_together": (
        "OUT de-en,en-de",
        "TIMES='3 4' SEARCH=10",
        "together-40/masks",
    ),
    "compare_neurons": ("TEXT OUT de-en,en-de,nl-en", "SAMPLE=50", "--sample 50"),
    "study": ("OUT de-en,en-de", "ONLY='sweep cost' RATIOS=0.3", "--ratios 0.3"),
}


@pytest.mark.parametrize("script", CALLS)
def test_a_script_hands_on_the_variables_that_it_documents(
    script, tmp_path, monkeypatch, capsys
):
    words, variables, expected = CALLS[script]
    (tmp_path / "OUT" / "report").mkdir(parents=True)
    (tmp_path / "OUT" / "report" / "scores.json").write_text("{}")
    (tmp_path / "bin").mkdir()
    lass = tmp_path / "bin" / "lass"
    lass.write_text('#!/usr/bin/env bash\nprintf "%s\\0" "$@" >called\n')
    lass.chmod(0o755)
    environment = {
        k: v for k, v in os.environ.items() if not re.fullmatch("[A-Z_]{3,}", k)
    }
    environment["PATH"] = f"{lass.parent}:{os.environ['PATH']}"
    command = f"{variables} bash {ROOT}/scripts/{script}.sh {words}"
    subprocess.run(["bash", "-c", command], check=True, cwd=tmp_path, env=environment)
    called = (tmp_path / "called").read_text().split("\0")[:-1]
    assert called[0] == "run" and "--cpu" in called
    monkeypatch.chdir(tmp_path)
    assert main([*called, "--dry-run"]) == 0
    lines = " ".join(capsys.readouterr().out.replace("\\\n", " ").split())
    assert expected in lines
