"""Law 17: a result is reused only for the very call that made it.

A finished run started again changes nothing; another call is continued or refused by
name. Of stages of experiments: tests/unit/test_stage.py.
"""

from pathlib import Path

import pytest
import torch
from conftest import KINDS, LSLO_FLAGS, load
from forked import ForkedCommands

from lass_plugin.fairseq_fixes.one_training import LOCK
from lass_plugin.locks import FolderLock

# -- a training that has ended --------------------------------------------------------


QUICK = ("joint", "low-rank", "search", "learned-gates", "extension")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.pt")}


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow)
        for kind in KINDS
    ],
)
def test_a_finished_training_started_again_changes_nothing(
    commands, kinds, grown, tmp_path, kind
):
    if kind == "extension":
        commands = ForkedCommands(grown / "data", tmp_path)
    flags = (*kinds[kind], "--max-update", 8, "--disable-validation")
    commands.train(tmp_path / "run", *flags)
    before = contents(tmp_path / "run")
    assert "checkpoint_last.pt" in before
    again = commands.train(tmp_path / "run", *flags)
    assert "has come to its end before: 8 updates" in again.stdout + again.stderr
    assert contents(tmp_path / "run") == before


def test_a_finished_training_goes_on_for_longer(commands, tmp_path):
    commands.train(tmp_path, "--max-update", 2)
    commands.train(tmp_path, "--max-update", 3)
    history = load(tmp_path / "checkpoint_last.pt")["optimizer_history"]
    assert history[-1]["num_updates"] == 3


@pytest.mark.parametrize("option", ["--restore-file", "--continue-once"])
def test_nothing_is_left_to_train_elsewhere(commands, tmp_path, option):
    commands.train(tmp_path / "a", "--max-update", 2)
    flags = ("--max-update", 2, option, tmp_path / "a/checkpoint_last.pt")
    refused = commands.train(tmp_path / "b", *flags, check=False)
    assert refused.returncode != 0
    assert f"nothing is left to train from {flags[-1]}" in refused.told


# -- a training that goes on ----------------------------------------------------------


def test_low_rank_modules_do_not_go_on_in_another_base(commands, base, tmp_path):
    content = load(base)
    content["model"]["encoder.layers.0.fc1.weight"] *= -1
    torch.save(content, tmp_path / "other.pt")
    begun = ("--max-update", 2, "--disable-validation", "--base")
    commands.train(tmp_path / "run", *LSLO_FLAGS, *begun, base)
    longer = ("--max-update", 4, "--disable-validation", "--base")
    other = (*longer, tmp_path / "other.pt")
    refused = commands.train(tmp_path / "run", *LSLO_FLAGS, *other, check=False)
    assert refused.returncode and "another base" in refused.told
    (tmp_path / "same.pt").write_bytes(base.read_bytes())
    commands.train(tmp_path / "run", *LSLO_FLAGS, *longer, tmp_path / "same.pt")


def test_a_folder_is_of_one_training_at_a_time(commands, tmp_path):
    running = FolderLock(tmp_path / "run", "training", LOCK, by_children=False)
    with running:
        refused = commands.train(tmp_path / "run", "--max-update", 2, check=False)
    assert refused.returncode
    assert "the training is running already in" in refused.told
    assert not list((tmp_path / "run").glob("*.pt"))
    commands.train(tmp_path / "run", "--max-update", 2)
