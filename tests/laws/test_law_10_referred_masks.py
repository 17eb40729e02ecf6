"""Checkpoints that name their masks, and do not carry them."""

import shutil

import pytest
import torch
from conftest import PAIRS
from fairseq import checkpoint_utils

from lass_plugin.errors import LassError
from lass_plugin.masks import load_masks
from lass_plugin.masks.file import from_state
from lass_plugin.methods.subnetworks.method import Subnetworks


@pytest.fixture
def run(start, draw_masks, tmp_path):
    places = (draw_masks(PAIRS[:2], name="some"), draw_masks(PAIRS[2:], name="others"))
    masks = ",".join(map(str, places))
    return start("--masks", masks, "--refer-to-masks", "--save-dir", tmp_path / "run")


def entry_of(run) -> dict:
    return run.task.state_dict()["masks"]


def test_the_same_masks_in_a_few_bytes(run, start, tmp_path):
    entry = entry_of(run)
    assert not any(torch.is_tensor(value) for value in entry.values())
    carried = start("--masks", ",".join(entry["places"])).task.state_dict()["masks"]
    first, second = from_state(entry), from_state(carried)
    assert list(first) == list(second) == sorted(PAIRS)
    for key, mask in first.items():
        assert mask.provenance == second[key].provenance
        assert mask.base == second[key].base
        for name, bits in mask.bits.items():
            assert torch.equal(bits, second[key].bits[name])
    method = Subnetworks.from_state(entry, "it")
    assert (
        not method.carries_masks and Subnetworks.from_state(carried, "it").carries_masks
    )
    assert run.task.method.identity() == method.identity()


def test_moved_together(run, tmp_path):
    entry = entry_of(run)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "run").mkdir(parents=True)
    for name in ("some", "others"):
        shutil.move(tmp_path / name, elsewhere / name)
    assert list(from_state(entry, str(elsewhere / "run" / "a.pt"))) == sorted(PAIRS)
    with pytest.raises(LassError, match="refers to the masks .*some.*put them back"):
        from_state(entry, str(tmp_path / "run" / "a.pt"))


def test_moved_together_and_loaded_by_fairseq(run, tmp_path):
    """It hands a task the entry alone; the command is given in another folder."""
    entry_of(run)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "run").mkdir(parents=True)
    for name in ("some", "others"):
        shutil.move(tmp_path / name, elsewhere / name)
    path = str(elsewhere / "run" / "a.pt")
    place = {"epoch": 1, "iterations_in_epoch": 0}
    run.trainer.consolidate_optimizer()
    run.trainer.save_checkpoint(path, {"train_iterator": place})
    state = checkpoint_utils.load_checkpoint_to_cpu(path)["task_state"]
    assert list(from_state(state["masks"])) == sorted(PAIRS)


def test_other_masks_there(run, draw_masks, tmp_path):
    entry = entry_of(run)
    draw_masks(PAIRS[:2], name="some", seed=2)
    with pytest.raises(LassError, match="are not those that it was trained with"):
        from_state(entry, "it")
    shutil.copytree(tmp_path / "others", tmp_path / "some", dirs_exist_ok=True)
    for pair in PAIRS[:2]:
        (tmp_path / "some" / f"{pair}.safetensors").unlink()
    with pytest.raises(LassError):
        from_state(entry, "it")


def test_a_damaged_entry(run):
    entry = entry_of(run)
    for name in ("keys", "sha256", "places", "from_here"):
        damaged = {**entry, name: None}
        if name == "from_here":
            damaged["places"] = ["/nowhere/at/all"]
        with pytest.raises(LassError):
            from_state(damaged, "it")


def test_it_needs_masks(start):
    with pytest.raises(LassError, match="--refer-to-masks has no effect without --mas"):
        start("--refer-to-masks")


def test_not_in_translation(start):
    flags = "--source-lang de --target-lang en --refer-to-masks".split()
    with pytest.raises(LassError, match="--refer-to-masks has no effect with"):
        start(*flags)


def test_loaded_masks_are_those_of_the_places(run):
    places = ",".join(entry_of(run)["places"])
    assert list(load_masks(places)) == sorted(PAIRS)
