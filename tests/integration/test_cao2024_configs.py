"""The configuration files of configs/cao2024, made small, run by fairseq's hydra."""

from pathlib import Path

import pytest
from conftest import MODEL_FLAGS, ROOT, load

from lass_plugin.methods.lowrank.stored import Entry

CONFIGS = ROOT / "configs" / "cao2024"
SMALL = (
    *(
        "common.cpu=true",
        "dataset.num_workers=0",
        "common.amp=false",
        "common.log_interval=1",
    ),
    *("dataset.max_tokens=400", "optimization.max_epoch=1"),
)
TYPES = "+task.resource_types='H=en;M=de;V=nl'"


def small() -> list[str]:
    """The shape of the base of the tests."""
    names = ("layers", "embed_dim", "ffn_embed_dim", "attention_heads")
    flags = dict(zip(MODEL_FLAGS[0::2], MODEL_FLAGS[1::2], strict=False))
    return [
        f"+model.{side}_{name}={flags['--' + side + '-' + name.replace('_', '-')]}"
        for side in ("encoder", "decoder")
        for name in names
    ] + [f"+model.{side}_normalize_before=false" for side in ("encoder", "decoder")]


@pytest.fixture(scope="module")
def train(commands, data, base, tmp_path_factory):
    def run(name: str, *overrides: str) -> dict:
        folder = tmp_path_factory.mktemp(name)
        start = "checkpoint.finetune_from_model" if name == "ft_all" else "task.base"
        placed = ["task.lslo_placement=first:1"] if name != "weight_learning" else []
        commands.run(
            *("hydra", "--config-dir", CONFIGS, "--config-name", name),
            *(f"common.user_dir={ROOT / 'lass_plugin'}", f"task.data={data}"),
            *("task.lang_pairs='de-en,en-nl'", f"{start}={base}"),
            *(f"checkpoint.save_dir={folder}", *SMALL, *small()),
            *([] if name == "ft_all" else placed),
            *overrides,
        )
        return load(Path(folder) / "checkpoint_last.pt")

    return run


def plan_of(state: dict):
    return Entry.from_state(state["task_state"]["lslo"], "it").plan


def test_full_fine_tuning_moves_the_base(train, base):
    state = train("ft_all")
    name = "encoder.layers.0.fc1.weight"
    assert not state["model"][name].equal(load(base)["model"][name])
    assert "lslo" not in state["task_state"]


def test_modules_by_resource_type(train):
    plan = plan_of(train("lslo", TYPES))
    assert plan.ranks["encoder.layers.0.fc1"] == {"en": 2, "de": 2, "nl": 8}
    assert plan.placement.encoder == ("source", "target")


def test_modules_that_are_pruned(train):
    state = train("pruned", TYPES, "optimization.max_epoch=10")
    assert plan_of(state).ranks["decoder.layers.1.fc2"]["nl"] == 8
    assert any(".kept_B_de" in name for name in state["model"])


def test_weight_learning(train):
    state = train("weight_learning")
    assert plan_of(state).placement.learns
    assert state["model"]["encoder.layers.0.lslo_weights"].shape == (2,)


@pytest.mark.slow
def test_estimation(train):
    state = train("estimation", "optimization.max_epoch=10")
    assert plan_of(state).ranks["encoder.layers.1.fc1"] == dict.fromkeys(
        ("de", "en", "nl"), 8
    )
    assert any(".kept_B_nl" in name for name in state["model"])
