"""Neuron Specialization (Tan 2024) through the commands, and its configuration."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import PAIRS, ROOT, load

from lass_plugin.cli.main import main as lass
from lass_plugin.masks import load_masks, save_mask
from lass_plugin.masks.file import digest, from_state
from lass_plugin.neurons.importance import load_importance

CONFIGS = ROOT / "configs" / "tan2024"


@pytest.fixture(scope="module")
def activation(data, base, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("activation")
    words = ["importance", data, "--checkpoint", base, "--split", "valid", "--cpu"]
    words += ["--units", "ffn-hidden", "--criterion", "activation", "--out", out]
    assert lass(["neurons", *map(str, words)]) == 0
    return out


@pytest.fixture(scope="module")
def masks(activation, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("specialised")
    words = ["allocate", activation, "--criterion", "activation", "--out", out]
    assert lass(["neurons", *map(str, words), "--cumulative", "0.6"]) == 0
    return out


def test_counts_are_whole_and_no_more_than_the_tokens(activation):
    found = load_importance(activation)
    assert list(found.sums) == ["activation"] and found.pairs == list(PAIRS)
    for site, sums in found.sums["activation"].items():
        tokens = [getattr(each, found.sides[site]) for each in found.counts.values()]
        assert torch.equal(sums, sums.round())
        assert bool((sums <= torch.tensor(tokens)[:, None]).all())
        assert float(sums.max()) > 0


def test_the_counts_of_one_pass_with_gradients_are_the_same(
    data, base, activation, tmp_path
):
    words = ["importance", data, "--checkpoint", base, "--split", "valid", "--cpu"]
    words += ["--units", "ffn-hidden", "--out", tmp_path / "all"]
    assert lass(["neurons", *map(str, words)]) == 0
    every, alone = load_importance(tmp_path / "all"), load_importance(activation)
    for site, sums in alone.sums["activation"].items():
        assert torch.equal(every.sums["activation"][site], sums)


def test_other_criteria_in_a_folder_that_was_begun_are_refused(
    data, base, activation, capsys
):
    words = ["importance", data, "--checkpoint", base, "--split", "valid", "--cpu"]
    words += ["--units", "ffn-hidden", "--out", activation]
    assert lass(["neurons", *map(str, words)]) == 1
    assert "--criterion activation" in capsys.readouterr().err.splitlines()[-1]


def test_each_pair_has_the_fewest_units_that_reach_the_share(activation, masks):
    sums = load_importance(activation).sums["activation"]
    for row, pair in enumerate(PAIRS):
        mask = load_masks(masks)[pair]
        assert mask.provenance.note == "cumulative share 0.6"
        for site in mask.shapes:
            kept, counts = mask.unpack(site), sums[site][row]
            own, whole = counts[kept], counts.sum()
            assert own.sum() >= 0.6 * whole > own.sum() - own.min()


@pytest.mark.slow
def test_show_compare_curves_and_tree_take_them(activation, masks, tmp_path, capsys):
    assert lass(["neurons", "show", str(masks), "--out", str(tmp_path)]) == 0
    assert "LScore, encoder" in capsys.readouterr().out
    record = json.loads((tmp_path / "layer_scores.json").read_text())
    assert record["rule"]["cumulative"] == 0.6
    words = ["curves", str(activation), "--criterion", "activation"]
    assert lass(["neurons", *words]) == 0
    compared, more = tmp_path / "similarity", tmp_path / "more"
    for key, mask in load_masks(masks).items():  # a tree needs three languages
        save_mask(more / f"{key}.safetensors", mask)
        other = key.replace("nl", "fr")
        save_mask(more / f"{other}.safetensors", replace(mask, key=other))
    assert lass(["compare", str(more), "--out", str(compared)]) == 0
    similarity = next(compared.glob("*.json"))
    code = lass(["tree", str(similarity), "--out", str(tmp_path / "tree")])
    assert code == 0, capsys.readouterr().err


def test_sweep_over_shares(data, base, activation, masks, tmp_path, capsys):
    words = ["sweep", data, "--base", base, "--importance", activation, "--cpu"]
    words += ["--out", tmp_path, "--losses-only", "--criterion", "activation"]
    words += ["--cumulative", "0.6,1"]
    assert lass(["neurons", *map(str, words), "--by", "pair,target"]) == 0
    said = capsys.readouterr().out
    assert "| cumulative share | activation, by pair |" in said
    record = json.loads((tmp_path / "sweep.json").read_text())
    rows = {row["name"]: row for row in record["variants"]}
    assert list(rows)[1:] == [
        "activation-pair-share0.6",
        "activation-pair-share1",
        "activation-target-share0.6",
    ]
    row = rows["activation-pair-share0.6"]
    assert (row["cumulative"], row["general"], row["threshold"]) == (0.6, None, None)
    made = load_masks(tmp_path / "masks" / "activation-pair-share0.6")
    assert digest(made) == digest(load_masks(masks))
    assert (tmp_path / "sweep.cumulative.png").stat().st_size > 100
    refused = [*map(str, words), "--general", "0.5"]
    assert lass(["neurons", *refused]) == 1
    assert "--general has no effect with --cumulative" in capsys.readouterr().err


def test_bad_input_is_one_sentence(activation, tmp_path, capsys):
    start = ["neurons", "allocate", str(activation), "--out", str(tmp_path)]
    for words, message in (
        (["--criterion", "activation", "--cumulative", "0"], "--cumulative 0 is not"),
        (["--cumulative", "0.9"], "measured without the criterion 'taylor'"),
        (["--cumulative", "0.9", "--threshold", "0.5"], "--threshold has no effect"),
        (["--cumulative", "0.9", "--budget", "0.5"], "--budget and --cumulative excl"),
    ):
        assert lass([*start, *words]) == 1
        assert message in capsys.readouterr().err.splitlines()[-1]


def test_its_configuration_trains_under_them(commands, data, base, masks, tmp_path):
    """Made small; the fixture base stands for the paper's."""
    options = load(base)["cfg"]["model"]
    names = ("layers", "embed_dim", "ffn_embed_dim", "attention_heads")
    shape = [f"{side}_{name}" for side in ("encoder", "decoder") for name in names]
    values = {name: getattr(options, name) for name in shape}
    shared = str(options.share_all_embeddings).lower()
    commands.run(
        *("hydra", "--config-dir", CONFIGS, "--config-name", "finetune"),
        *(f"common.user_dir={ROOT / 'lass_plugin'}", f"task.data={data}"),
        *(f"task.lang_pairs='{','.join(PAIRS)}'", f"task.masks={masks}"),
        *(f"checkpoint.save_dir={tmp_path}", "common.cpu=true"),
        *(f"checkpoint.finetune_from_model={base}", "dataset.max_tokens=160"),
        *("optimization.update_freq=[1]", "optimization.max_update=2"),
        *("lr_scheduler.warmup_updates=1", f"model.share_all_embeddings={shared}"),
        *(f"model.{name}={value}" for name, value in values.items()),
        *("task.encoder_langtok=src", "task.decoder_langtok=true"),  # as the fixture
    )
    state = load(tmp_path / "checkpoint_last.pt")
    assert digest(from_state(state["task_state"]["masks"])) == digest(load_masks(masks))
    before, after = load(base)["model"], state["model"]
    for name in ("encoder.layers.0.fc1.weight", "encoder.layers.0.fc1.bias"):
        own = torch.stack(
            [mask.unpack("encoder.layers.0.fc1") for mask in load_masks(masks).values()]
        ).any(dim=0)
        assert torch.equal(before[name][~own], after[name][~own]), name
    assert not torch.equal(
        before["encoder.layers.0.self_attn.q_proj.weight"],
        after["encoder.layers.0.self_attn.q_proj.weight"],
    )
