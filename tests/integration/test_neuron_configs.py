"""The configuration files of configs/xie2021, made small, run by fairseq's hydra."""

from pathlib import Path

import pytest
from conftest import ROOT, load

from lass_plugin.cli.main import main as lass
from lass_plugin.masks import load_masks
from lass_plugin.masks.file import digest, from_state

CONFIGS = ROOT / "configs" / "xie2021"
PAIRS = ("de-en", "en-de")
SMALL = (
    *(
        "common.cpu=true",
        "dataset.num_workers=0",
        "common.log_interval=1",
        "dataset.max_tokens=160",
    ),
    *("optimization.update_freq=[1]", "optimization.max_update=2"),
    "lr_scheduler.warmup_updates=1",
    *(f"model.{side}_layers=1" for side in ("encoder", "decoder")),
    *(f"model.{side}_embed_dim=32" for side in ("encoder", "decoder")),
)


@pytest.fixture(scope="module")
def train(commands, data, tmp_path_factory):
    """``fairseq-hydra-train`` with one of the files; the last checkpoint."""

    def run(name: str, *overrides: str, pairs=PAIRS) -> Path:
        folder = tmp_path_factory.mktemp(name)
        commands.run(
            *("hydra", "--config-dir", CONFIGS, "--config-name", name),
            *(f"common.user_dir={ROOT / 'lass_plugin'}", f"task.data={data}"),
            *(f"task.lang_pairs='{','.join(pairs)}'", f"checkpoint.save_dir={folder}"),
            *(*SMALL, *overrides),
        )
        return folder / "checkpoint_last.pt"

    return run


@pytest.fixture(scope="module")
def hydra_base(train) -> Path:
    return train("base")


def test_the_base_has_the_parameters_of_the_paper(hydra_base):
    state = load(hydra_base)
    weights, model = state["model"], state["cfg"]["model"]
    assert weights["encoder.layers.0.fc1.weight"].shape == (2048, 32)
    assert model["encoder_attention_heads"] == 8 and model["share_all_embeddings"]
    assert state["cfg"]["optimizer"]["adam_eps"] == 1e-9


def test_training_under_neuron_masks(train, data, hydra_base, tmp_path):
    made = [str(tmp_path / name) for name in ("importance", "masks")]
    words = ["importance", str(data), "--checkpoint", str(hydra_base), "--cpu"]
    assert lass(["neurons", *words, "--sample", "20", "--out", made[0]]) == 0
    assert lass(["neurons", "allocate", made[0], "--out", made[1]]) == 0
    start = f"checkpoint.finetune_from_model={hydra_base}"
    tuned = train("finetune", f"task.masks={made[1]}", start)
    carried = from_state(load(tuned)["task_state"]["masks"])
    assert digest(carried) == digest(load_masks(made[1]))


def test_the_expansion_has_3000_units(train):
    weights = load(train("expansion"))["model"]
    assert weights["encoder.layers.0.fc1.weight"].shape == (3000, 32)
    assert weights["decoder.layers.0.fc2.weight"].shape == (32, 3000)


def test_the_larger_model_is_trained_on_under_masks(train, data, tmp_path):
    """Xie 2021, §4.2: +Expansion is the larger base with neurons allocated on it."""
    larger = train("expansion")
    made = [str(tmp_path / name) for name in ("importance", "masks")]
    words = ["importance", str(data), "--checkpoint", str(larger), "--cpu"]
    assert lass(["neurons", *words, "--sample", "20", "--out", made[0]]) == 0
    assert lass(["neurons", "allocate", made[0], "--out", made[1]]) == 0
    sides = [f"model.{side}_ffn_embed_dim=3000" for side in ("encoder", "decoder")]
    start = f"checkpoint.finetune_from_model={larger}"
    tuned = train("finetune", f"task.masks={made[1]}", start, *sides)
    masks = from_state(load(tuned)["task_state"]["masks"])
    assert masks.shapes["encoder.layers.0.fc1"] == (3000,)


def test_attention_of_each_target(train):
    state = load(train("target_attention"))
    assert state["task_state"]["own_parts"] == {
        **{"version": 1, "parts": ["attention"], "by": "target"},
        **{"keys": ["de", "en"]},
    }
    own = [name for name in state["model"] if name.startswith("own.en.")]
    assert len(own) == 3 * 4 * 2


def test_the_target_language_before_the_source_and_none_for_one_pair(train, hydra_base):
    for checkpoint, token in (
        (hydra_base, "tgt"),
        (train("individual", pairs=PAIRS[:1]), None),
    ):
        tokens = load(checkpoint)["task_state"]["language_tokens"]
        assert (tokens["encoder"], tokens["decoder"]) == (token, False)


def test_the_rival_with_adapters(train):
    state = load(train("adapter", "task.adapter_bottleneck=8"))
    assert state["task_state"]["adapters"]["plan"]["encoder"] == sorted(PAIRS)
    name = "decoder.layers.0.adapters.of_de-en.down.weight"
    assert state["model"][name].shape == (8, 32)
    assert state["cfg"]["optimizer"]["adam_eps"] == 1e-9
