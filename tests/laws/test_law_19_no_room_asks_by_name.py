"""Law 19: no room asks for a method or a score by name; others work everywhere."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import FROM_BASE, ROOT, TASK_FLAGS, load
from toy_plugin import MATRIX

from lass_plugin.errors import LassError
from lass_plugin.methods.registry import method_of

PLUGIN = ("with_plugin", "toy_plugin")
TASK = ("--task", "translation_scaled")
GENERATE = ("-s", "de", "-t", "en", "--gen-subset", "test", "--cpu")


@pytest.fixture(scope="module")
def run(commands):
    """A command of somebody who has the toy."""

    def command(*arguments, **more):
        return commands.run(*arguments, prepare=PLUGIN, **more)

    return command


@pytest.fixture(scope="module")
def train(commands):
    def training(folder, *flags, **more):
        return commands.train(folder, *flags, prepare=PLUGIN, **more)

    return training


@pytest.fixture(scope="module")
def scaled(train, base, tmp_path_factory) -> Path:
    """The toy, trained jointly from a base, killed after 12 of 20 updates, resumed."""
    folder = tmp_path_factory.mktemp("scaled")
    flags = (*TASK, "--finetune-from-model", base, "--no-epoch-checkpoints")
    train(folder, *flags, "--max-update", 12)
    train(folder, *flags, "--max-update", 20)
    return folder / "checkpoint_last.pt"


def test_its_checkpoint_keeps_it_and_says_with_what_it_was_resumed(scaled):
    state = load(scaled)
    assert state["task_state"]["scaled"]["en-nl"] == 4.0
    run = state["extra_state"]["train_iterator"]["subnetwork"]
    assert run["phase"] == "scaled" and run["factors"]["en-nl"] == 4.0
    assert state["optimizer_history"][-1]["num_updates"] == 20


def test_it_is_not_resumed_with_another_identity(train, scaled, tmp_path):
    (tmp_path / "checkpoint_last.pt").write_bytes(scaled.read_bytes())
    flags = (*TASK, "--max-update", 22, "--lang-pairs", "en-de,de-en,en-nl,nl-en")
    ended = train(tmp_path, *flags, check=False)
    assert ended.returncode == 1 and "with another factors" in ended.told


def test_it_is_trained_with_the_part_of_the_pair(train, base, scaled, tmp_path):
    """The same training without it ends with other weights."""
    train(tmp_path, "--restore-file", base, *FROM_BASE, "--max-update", 20)
    dense = load(tmp_path / "checkpoint_last.pt")["model"]
    assert not torch.equal(load(scaled)["model"][MATRIX], dense[MATRIX])


def translations(text: str) -> list[str]:
    return re.findall(r"^H-\d+\t.*?\t(.*)$", text, re.M)


@pytest.fixture(scope="module")
def hypotheses(run, data, scaled) -> list[str]:
    ended = run("generate", data, *TASK_FLAGS, "--path", scaled, *GENERATE)
    return sorted(translations(ended.stdout))


def test_generate_translates_with_it(hypotheses):
    assert len(hypotheses) == 13


def test_without_the_module_the_checkpoint_is_refused_by_name(commands, data, scaled):
    ended = commands.run(
        *("generate", data, *TASK_FLAGS, "--path", scaled, *GENERATE), check=False
    )
    assert ended.returncode == 1
    assert "method 'scaled', which is not known here" in ended.told
    with pytest.raises(LassError, match="'other', which is not known"):
        method_of({"language_tokens": {}, "other": 1}, "it.pt")


def test_evaluate_translate_and_table_cost_take_it(run, data, scaled, tmp_path):
    run("lass", "evaluate", data, *("--system", f"toy={scaled}"), *("--out", tmp_path))
    report = json.loads((tmp_path / "scores.json").read_text())
    assert "a factor of each pair" in json.dumps(report)
    places = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    given = {"LASS_PLUGINS": "toy_plugin", "PYTHONPATH": places}
    words = [sys.executable, "-m", "lass_plugin.cli", "translate", str(scaled)]
    ended = subprocess.run(
        [*words, "--data", str(data), "--cpu", "--beam", "2", "--max-len-b", "20"],
        input="de-en\tde1 de2 de3\nnl-en\tnl1 nl2\n",
        env={**os.environ, **given},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0 and ended.stdout.count("\n") == 2, ended.stderr
    command = ("table", "cost", "--system", f"toy={scaled}", "--out", tmp_path)
    run("lass", *command)
    table = json.loads((tmp_path / "table-cost.json").read_text())
    assert "toy" in json.dumps(table)


def test_masks_have_no_effect_on_it(run, data, scaled, masks):
    flags = (*TASK_FLAGS, "--path", scaled, *GENERATE, "--inference-masks", masks)
    ended = run("generate", data, *flags, check=False)
    assert "no effect on a model with a factor of each pair" in ended.told


def test_export_bakes_it_for_stock_fairseq(run, data, scaled, hypotheses, tmp_path):
    out = tmp_path / "de-en.pt"
    ended = run("lass", "export", scaled, "--pair", "de-en", "--out", out)
    assert "a factor of each pair" in ended.stdout
    exported, trained = load(out)["model"], load(scaled)["model"]
    assert torch.equal(exported[MATRIX], trained[MATRIX])  # its factor is 1
    run("lass", "export", scaled, "--pair", "nl-en", "--out", tmp_path / "nl-en.pt")
    other = load(tmp_path / "nl-en.pt")["model"]
    assert torch.equal(other[MATRIX], 8 * trained[MATRIX])
    refused = ("export", scaled, "--pair", "de-en", "--out", out, "--compact")
    ended = run("lass", *refused, check=False)
    assert "--compact has no effect" in ended.told


class TestAScoreFromOutside:
    @pytest.fixture(scope="class")
    def search(self, run, data, base, tmp_path_factory) -> Path:
        out = tmp_path_factory.mktemp("search")
        run(
            *("lass", "search", data, "--base", base, "--out", out, "--cpu"),
            *("--pairs", "de-en", "--criterion", "unsigned", "--jobs", 1),
            *("--schedule", "oneshot", "--ratio", 0.5, "--updates", 4),
        )
        return out

    def test_reaches_search_and_extract(self, run, search, tmp_path):
        from lass_plugin.masks import load_mask

        found = load_mask(search / "masks" / "de-en.safetensors")
        assert found.provenance.criterion == "unsigned"
        checkpoint = search / "de-en" / "checkpoint_last.pt"
        out = tmp_path / "de-en.safetensors"
        for score in ("smallest", "magnitude"):  # of the weights alone: of any search
            run("lass", "extract", checkpoint, "--out", out, "--criterion", score)
            assert load_mask(out).provenance.criterion == score

    def test_reaches_sweep(self, run, data, base, search, tmp_path):
        run(
            *("lass", "sweep", data, "--base", base, "--searches", search),
            *("--out", tmp_path, "--losses-only", "--ratios", "0.5", "--cpu"),
            *("--methods", "unsigned-oneshot,smallest-oneshot"),
        )
        table = (tmp_path / "sweep.csv").read_text()
        assert "unsigned" in table and "smallest" in table

    def test_an_unknown_one_is_refused_by_name(self, run, search, tmp_path):
        checkpoint = search / "de-en" / "checkpoint_last.pt"
        out = ("--out", tmp_path / "de-en.safetensors")
        ended = run(
            "lass", "extract", checkpoint, *out, "--criterion", "x", check=False
        )
        assert "unknown --criterion 'x'; choose from magnitude, gradient" in ended.told


ROOMS = ("tasks", "evaluation", "tables", "cli", "experiments", "analysis")
BY_NAME = re.compile(
    r"isinstance\([^)]*(Subnetworks|LowRank|Search|Dense)\b|\.low_rank\b(?!_)|"
    r"\bsubnetwork_masks\b|\bis_dense\b|[!=]= *\"(magnitude|gradient)\""
)


def test_no_room_tests_for_a_method_or_a_score_by_name():
    found = []
    for room in ROOMS:
        for path in (ROOT / "lass_plugin" / room).rglob("*.py"):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if BY_NAME.search(line):
                    found.append(f"{path.name}:{number}: {line.strip()}")
    assert not found, found
