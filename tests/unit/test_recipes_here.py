"""The recipes of configs/recipes, and the scripts that call them."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT
from fairseq import options
from paper_recipes import BUILT, RECIPES, read_config, stages

import lass_plugin.models.transformer_architectures
import lass_plugin.optim.strict_adam  # noqa: F401, registers
from lass_plugin.cli.main import build_parser, main
from lass_plugin.errors import LassError
from lass_plugin.experiments.recipes.hydra import config_of
from lass_plugin.experiments.recipes.reading import read_recipe
from lass_plugin.experiments.recipes.run import _scope
from lass_plugin.experiments.recipes.settings import RunSettings
from lass_plugin.experiments.recipes.stages import selected, stages_of
from lass_plugin.experiments.recipes.words import NAME, Scope
from lass_plugin.places.devices import Device
from lass_plugin.resource_types import LANG12, LANG30
from lass_plugin.settings import parse_words, read_options
from lass_plugin.tasks import register_tasks

register_tasks()

EXAMPLE = re.search(
    r"```yaml\n(.*?)```", (ROOT / "docs" / "running.md").read_text("utf-8"), re.S
)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_command_of_a_recipe_has_the_options_that_are_given(path):
    parser = build_parser()
    register_tasks()
    for stage in stages(path):
        program, *words = stage.command
        assert not any("${" in word for word in words), stage.name
        if program == "lass":
            words = words[: words.index("--")] if "--" in words else words
            given = parser.parse_args(words)
            (command,) = given.run.args
            try:
                read_options(command.SETTINGS, given)
            except (LassError, OSError) as error:  # what it looks for is not made yet
                refused = "no effect|exclude each|needs --|is missing, "
                assert not re.search(refused, str(error))
        elif program == "fairseq-train":
            at = words.index("--user-dir")
            del words[at : at + 2]
            options.parse_args_and_arch(options.get_training_parser(), words)
        elif program == "fairseq-hydra-train":
            check_overrides(stage.command)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_within_a_recipe_has_the_stages_that_it_is_to_run(path):
    for stage in stages(path):
        if stage.command[:2] != ("lass", "run"):
            continue
        settings = parse_words(RunSettings, stage.command[2:])
        recipe = read_recipe(settings.recipe)
        scope = _scope(recipe, settings, settings.out, [Device(None, 1)])
        inner = stages_of(recipe, scope, settings.out)
        chosen = selected(inner, settings.only) if settings.only else inner
        made = {str(place) for each in chosen for place in each.made}
        assert {str(p) for p in stage.results if p != settings.out} <= made
        if settings.only:  # bases and masks are those of another run
            assert {each.name for each in chosen} == set(settings.only)


def test_a_sweep_of_no_updates_is_left_out_and_what_is_shown_is_trained():
    path = ROOT / "configs" / "recipes" / "xie2021.yaml"
    assert "iwslt17-sweep" in {stage.name for stage in stages(path)}
    recipe = read_recipe(path)
    none = {"iwslt17": "IWSLT", "sweep_updates": "0"}
    found = stages_of(recipe, Scope({**recipe.variables, **none, **BUILT}), Path("OUT"))
    assert "iwslt17-sweep" not in {stage.name for stage in found}
    recipe = read_recipe(path.with_name("evidence.yaml"))
    given = dict.fromkeys(("text", "pairs", "languages"), "given")
    given |= BUILT | {"best": ["magnitude-oneshot-0.4", "random-0.2"]}
    found = stages_of(recipe, Scope({**recipe.variables, **given}), Path("OUT"))
    (similarity,) = (stage for stage in found if stage.name == "similarity")
    assert "OUT/sweep/masks/magnitude-oneshot-0.4" in similarity.command


def check_overrides(command: tuple[str, ...]) -> None:
    """Every key that is replaced is one of the configuration."""
    config = read_config(config_of(command))
    for word in command[5:]:
        key, _, value = word.partition("=")
        group, _, name = key.partition(".")
        assert name in config[group] and value, word


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


PAPERS = {
    "he2023": ("archives=A", {"base", "SepaDec", "Adapter.512", "joint-Random"}),
    "he2023_wmt": ("archives=A", {"search-GradientGradual-en-fr.8", "wins"}),
    "lin2021": ("archives=A", {"search-fa-en", "joint", "sweep"}),
    "lin2021_wmt": ("archives=A", {"big-search-gu-en", "base-random", "table"}),
    "xie2021": ("europarl=A", {"europarl-expansion", "europarl-individual-en-sv"}),
    "cao2024": ("flores=A", {"64-64-64+WL", "30+Ft-all", "fc+2-2-64", "E7+k2"}),
}


@pytest.mark.parametrize("name", PAPERS)
def test_a_paper_from_its_archives_to_its_tables(name, tmp_path, monkeypatch, capsys):
    given, wanted = PAPERS[name]
    monkeypatch.chdir(tmp_path)
    Path("A").mkdir()
    recipe = ROOT / "configs" / "recipes" / f"{name}.yaml"
    words = ["run", str(recipe), "--cpu", "--dry-run", "--set", given]
    words += ["--set", "m2m=M2M"] * (name == "cao2024")
    assert main(words) == 0
    lines = capsys.readouterr().out.replace("\\\n", " ")
    said = dict(re.findall(r"^# (\S+): to do\n.*\n(.*)$", lines, re.M))
    assert wanted <= said.keys()
    last = min(wanted)
    assert main([*words, "--only", last]) == 0
    alone = capsys.readouterr()
    assert f"# {last}: to do" in alone.out
    assert int(alone.err.split()[0]) < len(said)


ROWS_OF_CAO = {
    "table1": "Pretrain Ft-all 4-4-4+WL 8-8-8+WL 16-16-16+WL 64-64-64+WL 2-2-8+WL "
    "2-2-8+WL+GPS.1 2-2-8+WL+GPS.3 2-2-8+WL+GPS.5 2-2-8+WL+GPS.7 2-2-8+WL+GPS.9 "
    "2-2-16+WL+GPS.9 2-2-64+WL+GPS.9",
    "table2": "Pretrain Ft-all 8-8-8-8+WL 16-16-16-16+WL 2-2-8-8+WL+GPS.9",
    "table3": "Pretrain Ft-all 2-2-8+WL+GPS.9 2-2-8+SRC+GPS.9 2-2-8+TGT+GPS.9",
    "table4": "Pretrain Ft-all 2-2-8+WL+GPS.9 2-2-16+WL+GPS.9 attn+2-2-8 attn+2-2-16 "
    "fc+2-2-16 fc+2-2-32 fc+2-2-64",
    "table8": "Pretrain Ft-all 2-2-8+WL+GPS.9 E5+k8 E7+k8 E2+k2 E7+k2",
}


def test_every_row_of_cao_2024_has_its_ranks_places_and_pruning():
    found = {s.name: s for s in stages(ROOT / "configs" / "recipes" / "cao2024.yaml")}
    for table, rows in ROWS_OF_CAO.items():
        of = "30" if table == "table2" else ""
        reports = [f"OUT/reports{of}/{row}" for row in rows.split()]
        assert list(found[table].command[3 : 3 + len(reports)]) == reports
        plus = "30+" if of else ""
        needed = {f"report-{plus}{row}" for row in rows.split()}
        assert set(found[table].needs) == needed
    given = {
        name: {
            word.partition("=")[0].removeprefix("task.lslo_"): word.partition("=")[2]
            for word in stage.command
            if word.startswith("task.lslo_")
        }
        for name, stage in found.items()
    }
    first = {"placement": "first:9"}
    assert given["64-64-64+WL"] == {"ranks": "'64;64;64'", **first}
    ratio = {"pruning_ratio": "'0.3;0.3;0'"}
    assert given["2-2-8+WL+GPS.3"] == {"ranks": "'2;2;8'", **ratio, **first}
    assert given["2-2-8+TGT+GPS.9"] == {"ranks": "'2;2;8'", "placement": "target"}
    part = {"matrices": "'fc1,fc2'"}
    assert given["fc+2-2-32"] == {"ranks": "'2;2;32'", **part, **first}
    strategy = {"pruning_start": "7", "pruning_length": "2"}
    assert given["E7+k2"] == {"ranks": "'2;2;8'", **strategy, **first}
    lang30 = {"pruning_ratio": "'0.9;0.9;0;0'"}
    assert given["30+2-2-8-8+WL+GPS.9"] == {"ranks": "'2;2;8;8'", **lang30, **first}
    (pairs,) = (w for w in found["30+Ft-all"].command if "lang_pairs" in w)
    assert pairs.count(",") + 1 == 30 * 29
    assert set(re.findall(r"(\w+)-", pairs)) == set(LANG30)
    (pairs,) = (w for w in found["Ft-all"].command if "lang_pairs" in w)
    assert set(re.findall(r"(\w+)-", pairs)) == set(LANG12)


def test_every_configuration_is_begun_by_a_recipe_or_a_test():
    begun = {
        config.resolve()
        for path in RECIPES
        for stage in stages(path)
        if (config := config_of(stage.command)) is not None
    }
    others = "".join(
        path.read_text("utf-8")
        for path in (ROOT / "tests").glob("integration/test_*.py")
        if 'ROOT / "configs"' in path.read_text("utf-8")
    )
    for path in sorted((ROOT / "configs").glob("*/*.yaml")):
        if path.parent.name != "recipes" and path.resolve() not in begun:
            names = (path.parent.name, path.stem.replace("xtreme_", ""))
            assert all(name in others for name in names), path


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
