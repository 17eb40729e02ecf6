"""The configuration files of configs/li2022, made small, run by fairseq's hydra."""

import csv

import pytest
import yaml
from conftest import ROOT, load

from lass_plugin.cli.main import main
from lass_plugin.methods.gates.carried import gates_at
from lass_plugin.methods.gates.sets import DYNAMIC, FIXED, LEARNED

CONFIGS = ROOT / "configs" / "li2022"
MASKED_LM = ("masked_lm", "gradient", "l0", "dynamic_l0")
SMALL = (
    *(
        "common.cpu=true",
        "dataset.num_workers=0",
        "common.fp16=false",
        "common.log_interval=1",
    ),
    *("task.tokens_per_sample=32", "dataset.batch_size=4"),
    *("optimization.update_freq=[1]", "optimization.max_update=2"),
    *("lr_scheduler.warmup_updates=1", "lr_scheduler.total_num_update=2"),
    *("model._name=roberta", "+model.encoder_layers=2", "+model.encoder_embed_dim=16"),
    *("+model.encoder_ffn_embed_dim=32", "+model.encoder_attention_heads=2"),
    "model.max_positions=32",
)


def lass(*words: object) -> None:
    assert main(list(map(str, words))) == 0


@pytest.fixture(scope="module")
def train(commands, language_data, tmp_path_factory):
    """``fairseq-hydra-train`` with one of the files; the last checkpoint."""

    def run(name: str, *overrides: str, start=None):
        folder = tmp_path_factory.mktemp(name)
        commands.run(
            *("hydra", "--config-dir", CONFIGS, "--config-name", name),
            *(f"common.user_dir={ROOT / 'lass_plugin'}", f"task.data={language_data}"),
            f"checkpoint.finetune_from_model={start or 'null'}",
            *(f"checkpoint.save_dir={folder}", *SMALL, *overrides),
        )
        return folder / "checkpoint_last.pt"

    return run


@pytest.fixture(scope="module")
def dense(train):
    return train("masked_lm")


@pytest.fixture(scope="module")
def importance(dense, language_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("importance")
    words = ("--on", "heads,units,ranks", "--out", folder, "--cpu")
    lass("gates", "importance", language_data, "--checkpoint", dense, *words)
    return folder


def test_there_are_no_others():
    xtreme = {f"xtreme_{kind}" for kind in ("pairs", "spans", "tags")}
    assert {path.stem for path in CONFIGS.iterdir()} == {*MASKED_LM, *xtreme}


@pytest.mark.parametrize("name", MASKED_LM)
def test_the_numbers_of_section_5_2_and_appendix_a(name):
    config = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    optimization, task = config["optimization"], config["task"]
    assert (optimization["lr"], optimization["max_update"]) == ([2e-4], 150_000)
    gpus = 32
    batch = config["dataset"]["batch_size"] * optimization["update_freq"][0] * gpus
    assert batch == 2048 and config["common"]["fp16"]
    if name.endswith("l0"):
        assert task["gates_size_weight"] == (8 if name == "l0" else 128)
        assert task["gates_diversity_weight"] == 1


def test_a_dense_encoder_goes_on(dense):
    state = load(dense)
    assert state["cfg"]["optimizer"]["adam_eps"] == 1e-6
    assert "gates" not in state["task_state"]


def test_gates_by_importance_at_one_and_at_any_sparsity(
    train, dense, importance, tmp_path, capsys
):
    lass("gates", "select", importance, "--sparsity", 0.5, "--out", tmp_path / "one")
    one = train("gradient", f"task.gates={tmp_path / 'one'}", start=dense)
    assert gates_at(one).kind == FIXED
    lass("gates", "select", importance, "--dynamic", "--out", tmp_path / "any")
    made = train("dynamic_l0", f"task.gates={tmp_path / 'any'}", start=dense)
    assert gates_at(made).kind == DYNAMIC

    scores = tmp_path / "scores.txt"
    scores.write_text("any 0.5 71.5\nany 0.9 60\n")
    words = ["gates", "speed", f"any={made}", one, "--key", "de", "--out", tmp_path]
    words += ["--rounds", 1, "--words", 8, "--cpu", "--scores", scores]
    lass(*words, "--sparsities", "0.5,0.9")
    with open(tmp_path / "speed.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["system"] for row in rows] == ["dense", "any", "any", one.name]
    assert [row["score"] for row in rows] == ["", "71.5", "60.0", ""]
    sizes = [int(row["layers"]) for row in rows]
    assert sizes[0] > sizes[1] > sizes[2] and sizes[0] > sizes[3]
    weights = load(dense)["model"]
    first = "encoder.sentence_encoder.layers."
    assert sizes[0] == sum(w.numel() for n, w in weights.items() if first in n)
    assert all(float(row["CPU_sentences_per_second"]) > 0 for row in rows)
    assert main([*map(str, words), "--words", "999"]) == 1
    assert "--words 999 is more than the" in capsys.readouterr().err
    scores.write_text("any half 71.5\n")
    assert main(list(map(str, words))) == 1
    assert "system, sparsity and score" in capsys.readouterr().err


def test_learned_gates(train, dense):
    gates = gates_at(train("l0", start=dense))
    assert gates.kind == LEARNED and set(gates.rows) == {"de", "en", "sw"}
    native = ("task.gates_shared=true", "task.gates_penalty=native")
    gates = gates_at(train("l0", *native, "task.gates_sparsity=null", start=dense))
    assert set(gates.rows) == {"shared"}
