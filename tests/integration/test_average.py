"""``lass average``: means of what belongs together, or a refusal."""

import pytest
import torch
from conftest import LSLO_FLAGS, load

from lass_plugin.anatomy.places import is_buffer


@pytest.fixture(scope="module")
def longer(commands, joint, masks, tmp_path_factory):
    """The joint model, trained a little further."""
    folder = tmp_path_factory.mktemp("longer")
    start = ("--finetune-from-model", joint, "--masks", masks, "--allow-other-base")
    commands.train(folder, *start, "--max-update", 3, "--disable-validation")
    return folder / "checkpoint_last.pt"


def translations(commands, data, checkpoint):
    flags = ("-s", "de", "-t", "en", "--cpu", "--beam", 2, "--max-len-b", 12)
    task = ("--user-dir", "lass_plugin", "--task", "translation_subnetwork")
    told = commands.run(
        *("generate", data, *task, "--path", checkpoint, "--num-workers", 0, *flags)
    )
    return sorted(line for line in told.stdout.splitlines() if line[:2] == "H-")


def test_weights_are_means_and_the_rest_is_carried_on(
    commands, data, joint, longer, tmp_path
):
    out = tmp_path / "mean.pt"
    told = commands.run("lass", "average", joint, longer, "--out", out)
    assert "mean of 2 checkpoints" in told.stdout
    mean, one, other = map(load, (out, joint, longer))
    moved = 0
    for name, weight in mean["model"].items():
        halves = (one["model"][name].double() + other["model"][name].double()) / 2
        assert weight.dtype == one["model"][name].dtype
        assert torch.equal(weight.double(), halves.to(weight.dtype).double())
        moved += not is_buffer(name) and not torch.equal(weight, one["model"][name])
    assert moved > 10
    assert mean["task_state"]["masks"]["masks"].keys() == {
        *one["task_state"]["masks"]["masks"]
    }
    assert mean["last_optimizer_state"] is None


def test_the_mean_of_a_checkpoint_with_itself_translates_as_it_does(
    commands, data, joint, tmp_path, monkeypatch
):
    out = tmp_path / "mean.pt"
    commands.run("lass", "average", joint, joint, joint, "--out", out)
    assert load(out)["model"].keys() == load(joint)["model"].keys()
    for name, weight in load(joint)["model"].items():
        assert torch.equal(load(out)["model"][name], weight), name


@pytest.mark.parametrize("changed", ["masks", "dictionaries", "language_tokens"])
def test_what_does_not_belong_together_is_refused(commands, joint, tmp_path, changed):
    content = load(joint)
    state = content["task_state"]
    if changed == "masks":
        one = next(iter(state["masks"]["masks"].values()))
        one["bits"] = one["bits"] ^ 1
    elif changed == "dictionaries":
        state["dictionaries"]["source"]["sha256"] = "0" * 64
    else:
        state["language_tokens"]["languages"].reverse()
    torch.save(content, tmp_path / "other.pt")
    words = ("average", joint, tmp_path / "other.pt", "--out", tmp_path / "mean.pt")
    refused = commands.run("lass", *words, check=False)
    assert refused.returncode == 1 and f"differ in {changed}" in refused.told
    assert not (tmp_path / "mean.pt").exists()


def test_models_that_compute_other_functions_are_refused(commands, joint, tmp_path):
    content = load(joint)
    content["cfg"]["model"].encoder_attention_heads = 4
    torch.save(content, tmp_path / "other.pt")
    words = ("average", joint, tmp_path / "other.pt", "--out", tmp_path / "mean.pt")
    refused = commands.run("lass", *words, check=False)
    assert "differ in --encoder-attention-heads (2 and 4)" in refused.told


def test_modules_pruned_at_other_places_are_refused(commands, base, tmp_path):
    pruning = ("--lslo-pruning", "matrix", "--lslo-pruning-ratio", "0.5")
    pruning += ("--lslo-pruning-start", 0, "--lslo-pruning-length", 1)
    flags = (*LSLO_FLAGS, "--base", base, *pruning, "--disable-validation")
    commands.train(tmp_path, *flags, "--max-epoch", 2, "--no-epoch-checkpoints")
    files = [tmp_path / "checkpoint_last.pt", tmp_path / "other.pt"]
    content = load(files[0])
    kept = next(name for name in content["model"] if "kept_B" in name)
    content["model"][kept] = content["model"][kept] ^ 1
    torch.save(content, files[1])
    out = ("--out", tmp_path / "mean.pt")
    refused = commands.run("lass", "average", *files, *out, check=False)
    assert refused.returncode == 1 and "which has no mean" in refused.told


def test_one_checkpoint_is_not_enough(commands, joint, tmp_path):
    told = commands.run("lass", "average", joint, "--out", tmp_path / "x", check=False)
    assert told.returncode and "give two or more" in told.told
