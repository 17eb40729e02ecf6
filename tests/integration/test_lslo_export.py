"""Low-rank modules merged into a checkpoint of stock fairseq."""

import shutil
from argparse import Namespace

import pytest
import torch
from conftest import load
from fairseq.tasks import FairseqTask
from in_process import load_model, logits, translation_task
from translations import in_stock_fairseq, with_the_plugin

from lass_plugin.checkpoints.trained_with import ENTRY
from lass_plugin.cli.main import main
from lass_plugin.masks.file import from_state


@pytest.fixture(scope="module")
def exported(low_rank, tmp_path_factory):
    """The exported checkpoint of de-en."""
    out = tmp_path_factory.mktemp("exported") / "de-en.pt"
    words = ["export", low_rank, "--pair", "de-en", "--out", out]
    assert main(list(map(str, words))) == 0
    return out


def test_an_exported_direction_translates_the_same_in_stock_fairseq(
    commands, low_rank, tmp_path, capsys
):
    out = tmp_path / "en-nl.pt"
    words = ["export", str(low_rank), "--pair", "en-nl", "--out", str(out)]
    assert main(words) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"en-nl: 26 low-rank modules merged -> {out}"
    stock = in_stock_fairseq(told[-1])
    ours = with_the_plugin(commands, low_rank, "en-nl")
    assert len(stock) == 13
    assert {n: text for n, (_, text) in stock.items()} == {
        n: text for n, (_, text) in ours.items()
    }
    for number, (score, _) in stock.items():
        assert float(score) == pytest.approx(float(ours[number][0]), abs=2e-4)


def test_the_merged_model_gives_the_logits_of_the_unmerged_one(
    low_rank, exported, data, base
):
    task = translation_task(data, "--lang-pairs de-en,en-nl")
    model = load_model(low_rank, task)
    with task.method_of(model).using("de-en"):
        unmerged = logits(model, task, "test")
    dense = logits(model, task, "test")
    stored = load(exported)
    stock = FairseqTask.build_model(task, Namespace(**stored["cfg"]["model"]))
    stock.load_state_dict(stored["model"])
    merged = logits(stock, task, "test")
    difference = (merged - unmerged).abs().max().item()
    print(f"largest difference of log-probabilities: {difference:.1e}")
    assert difference < 2e-5
    assert (dense - unmerged).abs().max() > 0.1  # the modules do something


def test_the_merged_weights_are_those_of_merging_into_a_model(low_rank, exported, data):
    task = translation_task(data, "-s de -t en")
    model = load_model(low_rank, task)
    task.method_of(model).bake("de-en")
    stored = load(exported)["model"]
    mine = torch.nn.Module.state_dict(model)
    assert stored.keys() == mine.keys()
    for name, weight in mine.items():
        assert torch.equal(stored[name], weight), name


def test_it_is_a_plain_checkpoint(exported, low_rank, tmp_path):
    stored = load(exported)
    model, task = (stored["cfg"][part] for part in ("model", "task"))
    assert (model["arch"], task["task"]) == (
        *("transformer", "translation_multi_simple_epoch"),
    )
    assert stored["task_state"].keys() == {ENTRY}
    assert stored["last_optimizer_state"] is None
    half = tmp_path / "half.pt"
    words = ["export", str(low_rank), "--pair", "de-en", "--out", str(half), "--half"]
    assert main(words) == 0
    assert half.stat().st_size < 0.65 * exported.stat().st_size


def test_a_base_in_half_precision_does_not_round_the_modules(
    low_rank, base, exported, tmp_path
):
    from lass_plugin.checkpoints.torch_files import save_tensors

    rounded = load(base)
    rounded["model"] = {
        name: weight.half() if weight.is_floating_point() else weight
        for name, weight in rounded["model"].items()
    }
    save_tensors(tmp_path / "base.pt", rounded)
    out = tmp_path / "out.pt"
    words = ["export", low_rank, "--pair", "de-en", "--out", out]
    words += ["--base", tmp_path / "base.pt"]
    assert main(list(map(str, words))) == 0
    name = "decoder.layers.1.fc1.weight"
    whole, found = load(exported)["model"][name], load(out)["model"][name]
    assert found.dtype == torch.float32
    base_weight = load(base)["model"][name]
    delta = whole - base_weight
    torch.testing.assert_close(
        found, base_weight.half().float() + delta, rtol=0, atol=1e-6
    )


def test_export_names_what_is_wrong(low_rank, base, joint, tmp_path, capsys):
    out = tmp_path / "out.pt"

    def told(*given: object) -> str:
        assert main(["export", *map(str, given), "--out", str(out)]) == 1
        assert not out.exists()
        return capsys.readouterr().err

    given = (low_rank, "--pair", "de-en")
    assert "--masks has no effect on" in told(*given, "--masks", tmp_path)
    assert "--compact has no effect on" in told(*given, "--compact")
    assert "--multiple has no effect on" in told(*given, "--multiple", 4)
    assert "no rank for fr" in told(low_rank, "--pair", "de-fr")
    assert "there is no base" in told(*given, "--base", tmp_path / "gone.pt")
    assert "holds low-rank modules and no base" in told(*given, "--base", low_rank)
    assert "trained on another base" in told(*given, "--base", joint)
    assert "has no low-rank modules" in told(joint, "--pair", "de-en", "--base", base)
    assert from_state(load(joint)["task_state"]["masks"])


def test_a_base_that_has_moved_is_handed_on(
    low_rank, base, data, tmp_path, capsys, commands
):
    moved, other = tmp_path / "moved.pt", tmp_path / "low-rank.pt"
    shutil.copy(base, moved)
    state = load(low_rank)
    state["task_state"]["lslo"]["base"] = str(tmp_path / "gone.pt")
    torch.save(state, other)
    out = tmp_path / "de-en.pt"
    export = ["export", str(other), "--pair", "de-en", "--out", str(out)]
    assert main(export) == 1
    assert (
        "is not there any more; give its place with --base" in capsys.readouterr().err
    )
    assert main([*export, "--base", str(moved)]) == 0

    words = ["evaluate", data, "--system", f"low={other}", "--pairs", "de-en", "--cpu"]
    words += ["--limit", 3, "--out", tmp_path / "report"]
    result = commands.run("lass", *words, check=False)
    assert result.returncode == 1 and "give its place with --base" in result.told
    commands.run("lass", *words, "--base", f"low={moved}")
    assert str(moved) in (tmp_path / "report" / "scores.md").read_text()
    result = commands.run("lass", *words, "--base", f"lo={moved}", check=False)
    assert "--base names the system 'lo'" in result.told
    words[words.index(f"low={other}")] = f"low={base}"
    result = commands.run("lass", *words, "--base", f"low={moved}", check=False)
    assert "--base has no effect on system low" in result.told
