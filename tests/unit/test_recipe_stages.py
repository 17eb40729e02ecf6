"""Stages of recipes: what a file may say, multiplied by lists, in order."""

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from lass_plugin.errors import LassError
from lass_plugin.experiments.recipes.jobs import MODULES, stage_record, updates_of
from lass_plugin.experiments.recipes.reading import read_recipe
from lass_plugin.experiments.recipes.stages import selected, stages_of
from lass_plugin.experiments.recipes.standing import Standing, look
from lass_plugin.experiments.recipes.words import Scope
from lass_plugin.experiments.stage import Stage, State


@pytest.fixture
def stages(tmp_path, monkeypatch):
    """The stages of a recipe given as text, run in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def make(text: str, **values):
        path = tmp_path / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        recipe = read_recipe(path)
        scope = Scope({**recipe.variables, "out": "out", **values})
        return stages_of(recipe, scope, Path("out"))

    return make


def names(found) -> list[str]:
    return [stage.name for stage in found]


def test_every_command_of_fairseq_is_that_of_this_python():
    """Else it would be whichever program lies first on the path."""
    scripts = {
        script.name: script.value.partition(":")[0]
        for script in entry_points(group="console_scripts")
        if script.value.startswith("fairseq_cli.")
    }
    assert "fairseq-validate" in scripts and scripts.items() <= MODULES.items()


def test_values_are_the_texts_that_are_written(stages):
    """A language no is not False, 1e-4 and 010 are no numbers."""
    text = """
    stages:
      a-${language}:
        for: {language: [no, on, de]}
        run: echo ${language} 1e-4 010 ~ null
        output: ${out}/${stage}.txt
    """
    found = stages(text)
    assert found[0].command == ("echo", "no", "1e-4", "010", "~", "null")
    assert names(found) == ["a-no", "a-on", "a-de"]
    assert found[1].output == Path("out/a-on.txt")


def test_lists_multiply_a_stage_and_rows_have_several_values(stages):
    text = """
    variables: {seeds: [1, 2], pairs: "de-en,en-de"}
    stages:
      ${name}-${seed}-${pair}:
        for:
          seed: ${seeds}
          row:
            - {name: g, criterion: gradient}
            - {name: m, criterion: magnitude}
          pair: ${pairs}
        run: echo ${criterion} ${seed} ${pair}
        output: ${out}/${stage}
    """
    found = stages(text)
    assert names(found) == [
        f"{name}-{seed}-{pair}"
        for seed in (1, 2)
        for name in "gm"
        for pair in ("de-en", "en-de")
    ]
    assert found[-1].command == ("echo", "magnitude", "2", "en-de")


def test_a_stage_comes_behind_what_it_needs_and_else_where_it_is_written(stages):
    text = """
    stages:
      last: {run: cat, needs: [part-*, first], output: "${out}/last"}
      part-${n}: {for: {n: [1, 2]}, run: "echo ${n}", output: "${out}/${n}"}
      first: {run: echo, output: "${out}/first"}
      read: {run: "cat --from=${out}/last,${out}/2", output: "${out}/read"}
      inside: {run: "lass list ${out}/made/masks", output: "${out}/inside"}
      make: {run: "lass random --out ${out}/made"}
    """
    found = stages(text)
    assert names(found) == "part-1 part-2 first last read make inside".split()
    needs = {stage.name: stage.needs for stage in found}
    assert needs["last"] == ("part-1", "part-2", "first")
    assert needs["read"] == ("last", "part-2") and needs["inside"] == ("make",)
    assert names(selected(found, ["inside", "first"])) == ["first", "make", "inside"]
    assert names(selected(found, ["re*"])) == names(found)[:5]


def test_what_a_training_writes_need_not_be_said(stages):
    text = """
    stages:
      base: {run: "fairseq-train data --max-update 5 --save-dir ${out}/base"}
      search: {run: "lass search data --base ${out}/base/checkpoint_last.pt --out s"}
    """
    base, search = stages(text)
    assert base.results == (Path("out/base/checkpoint_last.pt"),)
    assert base.record == Path("out/base/stage.json")
    assert base.log == Path("out/base/log")
    assert search.results == (Path("s"),) and search.needs == ("base",)
    assert search.record == Path("out/stages/search.stage.json")


def test_a_stage_has_variables_of_its_own(stages):
    text = """
    variables: {updates: 5, train: ["echo ${name} ${updates} ${more}"], more: []}
    stages:
      base-${n}:
        for: {n: [1, 2]}
        with: {name: "base/${n}", more: ["--n ${n}", "x y"]}
        run: ${train}
        output: ${out}/${name}
      joint: {with: {name: joint, updates: 7}, run: "${train}", output: "${out}/j"}
    """
    found = stages(text)
    assert found[1].command == ("echo", "base/2", "5", "--n", "2", "x", "y")
    assert found[1].output == Path("out/base/2")
    assert found[2].command == ("echo", "joint", "7")


@pytest.mark.parametrize("value", ["", "0"])
def test_a_stage_is_left_out_where_its_condition_is_empty_or_0(stages, value):
    text = """
    stages:
      joint: {when: "${joint}", run: echo, output: "${out}/joint"}
      report: {needs: [joint], run: echo, output: "${out}/report"}
    """
    assert names(stages(text, joint="800")) == ["joint", "report"]
    (report,) = stages(text, joint=value)
    assert report.needs == ()


def test_files_that_no_stage_makes_and_room_on_the_disk(stages, tmp_path):
    text = """
    stages:
      a: {run: echo, needs: [text/train.de], disk: 1.5G, output: "${out}/a"}
    """
    (stage,) = stages(text)
    assert stage.files == (Path("text/train.de"),) and stage.disk == 1.5e9


STAGE = "  a: {run: echo, output: a}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stage:\n" + STAGE, "unknown key stage; did you mean stages?"),
        ("stages:\n  a: {rum: echo}", "unknown key rum; did you mean run?"),
        ("stages:\n  a: {output: a}", "stage a has no run:"),
        ("stages:\n  a: {run: echo}", "stage a: it has no results: and no output:"),
        ("stages: {}", "has no stages"),
        ("[]", "is no recipe"),
        ("stages:\n  a: {run: 'echo ${x}', output: a}", "stage a: the variable x is"),
        ("stages:\n  a: {run: 'echo ''x', output: a}", "stage a: "),
        ("stages:\n" + STAGE + STAGE, "line 3: a is there twice"),
        ("stages:\n  a: [", "line 2: "),
        ("stages:\n" + STAGE + "  b: {run: echo, output: a}", "a and b both write a"),
        (
            "stages:\n  a: {for: {n: [1, 2]}, run: echo, output: '${n}'}",
            "there are two stages of the name a; put the variables of for: into",
        ),
        (
            "stages:\n" + STAGE + "  b: {run: echo, output: b, needs: [c]}",
            "stage b: needs: there is no stage and no file c; there are a, b",
        ),
        (
            "stages:\n  base: {run: echo, output: a}\n"
            "  b: {run: echo, output: b, needs: [bsae]}",
            "did you mean base?",
        ),
        (
            "stages:\n  a: {run: cat, output: a, needs: [c]}\n"
            "  b: {run: cat a, output: b}\n  c: {run: cat b, output: c}",
            "stages need each other: a → c → b → a",
        ),
        ("stages:\n  a: {run: e, output: a, disk: much}", "disk: must be a size such"),
        (
            "stages:\n  a: {run: e, output: a, alone: yes}",
            "alone must be true or false",
        ),
        ("stages:\n  a: {run: e, results: a, show: true}", "show: shows the output:"),
        ("stages:\n  a/b: {run: e, output: a}", "cannot be called 'a/b'"),
        ("variables: {Big: 1}\nstages:\n" + STAGE, "variable cannot be called 'Big'"),
        ("variables: {a: {b: c}}\nstages:\n" + STAGE, "a must be a text or a list"),
        ("stages:\n  a: {for: {n: {}}, run: e, output: a}", "n in for: must be a list"),
        (
            "stages:\n  a: {when: '0', run: e, output: a}",
            "leaves out all of its stages",
        ),
        ("stages: !!python/object:os.system {}", "has no stages"),
        ("a: &a [*a]\nstages: *a", "recipe.yaml"),
    ],
)
def test_what_no_recipe_can_say_is_named(stages, text, message):
    with pytest.raises(LassError) as error:
        stages(text)
    assert message in error.value.message


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(LassError, match=r"no\.yaml cannot be read as a recipe"):
        read_recipe(tmp_path / "no.yaml")
    (tmp_path / "data.yaml").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(LassError, match=r"data\.yaml cannot be read as a recipe"):
        read_recipe(tmp_path / "data.yaml")


def test_the_shape_of_a_selection_that_is_not_there(stages):
    found = stages("stages:\n  base: {run: e, output: a}")
    with pytest.raises(LassError, match="--only bsae: there is no such stage; did you"):
        selected(found, ["bsae"])


def test_a_configuration_of_hydra_is_a_training_like_another(stages, tmp_path):
    (tmp_path / "configs").mkdir()
    config = tmp_path / "configs" / "base.yaml"
    config.write_text("optimization: {max_update: 70}\ntask: {_name: x}\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dict.txt").write_text("a 1\n")
    text = """
    variables: {more: []}
    stages:
      base:
        run: >-
          fairseq-hydra-train --config-dir configs --config-name base ${more}
          common.user_dir=package task.data=data checkpoint.save_dir=${out}/base
          "task.lang_pairs='de-en,en-de'" ${hydra_cpu}
      joint:
        run: >-
          fairseq-hydra-train --config-dir configs --config-name base
          checkpoint.finetune_from_model=${out}/base/checkpoint_last.pt
          checkpoint.save_dir=${out}/joint +optimization.max_update=9
        results: ${out}/joint/checkpoint_best.pt
    """
    base, joint = stages(text, hydra_cpu=["common.cpu=true"])
    assert base.results == (Path("out/base/checkpoint_last.pt"),)
    assert base.record == Path("out/base/stage.json")
    assert joint.needs == ("base",) and joint.log == Path("out/joint/log")
    assert [updates_of(stage.command) for stage in (base, joint)] == [70, 9]
    made = stage_record(base).identity
    assert made["inputs"].keys() == {"1 --config", "2 --data"}
    assert made["words"]["--lang-pairs"] == "de-en,en-de"
    assert "--cpu" not in made["words"] and "--user-dir" not in made["words"]
    (other, _) = stages(text, hydra_cpu=[])
    assert stage_record(other).identity == made
    (other, _) = stages(text, hydra_cpu=[], more=["common.seed=2"])
    assert stage_record(other).identity != made
    config.write_text("optimization: {max_update: 71}\n")
    assert stage_record(base).identity != made


def test_a_training_is_not_gone_on_with_by_another_command(stages):
    """fairseq goes on from checkpoint_last.pt, whatever the result of a stage is."""
    text = """
    stages:
      base:
        run: fairseq-train data --lr ${rate} --save-dir ${out}/base
        results: ${out}/base/checkpoint_best.pt
    """
    (planned,) = stages(text, rate="0.1")
    stage_record(planned).begin()
    last = Path("out/base/checkpoint_last.pt")
    last.write_text("half-way")
    assert look([planned])["base"].standing is Standing.CONTINUED
    (other,) = stages(text, rate="0.2")
    found = look([other])["base"]
    assert found.standing is Standing.REFUSED
    assert f"remove out/base/checkpoint_best.pt, {last} to do it again" in found.why
    last.unlink()
    assert look([other])["base"].standing is Standing.LEFT


NAMES = {
    "of each pair": "--system one=${out}/{pair}/model.pt",
    "listed": "--system one=de-en:${out}/de-en/model.pt,en-de:${out}/en-de/model.pt",
    "called alike": "--models ${out}/de-en/model.pt,${out}/en-de/model.pt",
    "shards": "${out}/de-en:${out}/en-de",
    "by an equals sign": "--models=${out}/de-en,${out}/en-de",
    "with an equals sign in them": "--models lr=1/de-en/model.pt,lr=1/en-de/model.pt",
    "labelled, with one in it": "--system one=lr=1/{pair}/model.pt",
}


@pytest.mark.parametrize("words", NAMES.values(), ids=NAMES)
def test_every_file_that_a_word_names_is_waited_for_and_compared(stages, words):
    folder = Path("lr=1" if "lr=1" in words else "out")
    text = f"""
    stages:
      report: {{run: "lass evaluate {words}", output: "${{out}}/report"}}
      train-${{pair}}:
        for: {{pair: "de-en,en-de"}}
        run: echo ${{pair}}
        results: {folder}/${{pair}}/model.pt
    """

    def report(**values):
        (found,) = (each for each in stages(text, **values) if each.name == "report")
        assert set(found.needs) == {"train-de-en", "train-en-de"}
        return stage_record(found)

    for pair in ("de-en", "en-de"):
        (folder / pair).mkdir(parents=True)
        (folder / pair / "model.pt").write_text(pair)
    first = report()
    first.begin()
    first.finish([])
    assert report().state() is State.DONE
    for pair in ("de-en", "en-de"):
        place = folder / pair / "model.pt"
        place.write_text("another")
        with pytest.raises(LassError, match=r"model\.pt \(content"):
            report().state()
        place.write_text(pair)
    assert report().state() is State.DONE


def test_models_of_each_pair_may_lie_elsewhere_and_those_of_before_are_scored_again(
    stages, tmp_path
):
    text = """
    variables: {models: models}
    stages:
      a: {run: "lass evaluate --system one=${models}/{pair}/m.pt x", output: "${out}/a"}
    """
    (tmp_path / "models" / "de-en").mkdir(parents=True)
    (tmp_path / "models" / "de-en" / "m.pt").write_text("m")
    (stage,) = stages(text)
    made = stage_record(stage)
    made.begin()
    made.finish([])
    (moved,) = stages(text, models=str(tmp_path / "models"))
    assert stage_record(moved).state() is State.DONE
    # as of an earlier release, which did not look into it
    earlier = {"program": "lass", "words": {}, "inputs": {}}
    earlier["words"] = {"": "evaluate", "--system": "one=models/{pair}/m.pt x"}
    old = Stage(made.folder, "stage a", earlier, name=made.name)
    old.finish([])
    assert stage_record(moved).state() is State.CONTINUE
    earlier["words"]["--system"] = "two=models/{pair}/m.pt x"
    old.identity = earlier
    old.finish([])
    with pytest.raises(LassError, match="begun with --system two="):
        stage_record(moved).state()
