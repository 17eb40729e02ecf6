"""``lass neurons sweep`` on made-up data: losses, joint trainings, tables, curves."""

import csv
import json
from pathlib import Path

import pytest
import torch
from conftest import PAIRS, load
from runs import assert_same

from lass_plugin.cli.main import main
from lass_plugin.experiments.sweeps.losses import ValidationLosses
from lass_plugin.masks import load_masks
from lass_plugin.masks.file import digest, from_state
from lass_plugin.neurons.allocation import allocate
from lass_plugin.neurons.importance import load_importance, save_importance
from lass_plugin.neurons.settings import Rule


@pytest.fixture
def start(data, base, importance, tmp_path) -> list[str]:
    words = ["neurons", "sweep", data, "--base", base, "--importance", importance]
    return [*map(str, words), "--out", str(tmp_path / "sweep"), "--cpu"]


def rows_of(out: Path) -> dict[str, dict]:
    record = json.loads((out / "sweep.json").read_text())
    return {row["name"]: row for row in record["variants"]}


def test_losses_only(start, data, base, importance, tmp_path, capsys):
    words = ["--general", "0.5,0.8", "--thresholds", "0,0.9", "--losses-only"]
    words += ["--criterion", "taylor,absolute", "--by", "pair,target"]
    assert main([*start, *words]) == 0
    said = capsys.readouterr()
    assert "before any joint training" in said.out and "| k | taylor |" in said.out
    out = tmp_path / "sweep"
    rows = rows_of(out)
    assert list(rows) == [
        *("dense", "taylor-pair-rho0.5-k0", "taylor-pair-rho0.5-k0.9"),
        *("absolute-pair-rho0.5-k0", "absolute-pair-rho0.5-k0.9"),
        *("taylor-pair-rho0.8-k0", "taylor-target-rho0.5-k0"),
    ]
    masked = rows["taylor-pair-rho0.5-k0.9"]
    measured = ValidationLosses(base, data, list(PAIRS), cpu=True)
    made = allocate(load_importance(importance), Rule(0.5, 0.9))
    found = dict(measured.of(made.masks(load_importance(importance))))
    assert masked["losses"] == pytest.approx(found)
    assert masked["losses"] != rows["dense"]["losses"]
    # all neurons are kept at k 0: nothing to measure
    for name in ("taylor-pair-rho0.5-k0", "taylor-target-rho0.5-k0"):
        assert rows[name]["same_as"] == "dense"
        assert rows[name]["losses"] == rows["dense"]["losses"]
    with open(out / "sweep.csv", newline="") as file:
        lines = {(row["variant"], row["pairs"]): row for row in csv.DictReader(file)}
    one = lines["taylor-pair-rho0.5-k0.9", "de-en"]
    loss = float(one["loss_before_joint_training"])
    assert loss == pytest.approx(masked["losses"]["de-en"], abs=1e-5)
    for name in ("sweep.md", "sweep.threshold.png", "sweep.general.svg"):
        assert (out / name).stat().st_size > 100
    # all that was measured is kept
    before = (out / "losses.json").stat().st_mtime_ns
    assert main([*start, *words]) == 0
    assert (out / "losses.json").stat().st_mtime_ns == before


def test_a_grid_and_its_masks_are_those_of_allocate(start, importance, tmp_path):
    words = ["--general", "0.5,0.6", "--thresholds", "0.5,0.9", "--grid"]
    assert main([*start, *words, "--losses-only"]) == 0
    rows = rows_of(tmp_path / "sweep")
    assert len(rows) == 5
    there = tmp_path / "allocated"
    rule = ["--general", "0.6", "--threshold", "0.9", "--out", str(there)]
    assert main(["neurons", "allocate", str(importance), *rule]) == 0
    made = load_masks(tmp_path / "sweep" / "masks" / "taylor-pair-rho0.6-k0.9")
    for key, mask in load_masks(there).items():
        assert mask.provenance == made[key].provenance
        assert all(mask.bits[site].equal(made[key].bits[site]) for site in mask.bits)


def test_show_takes_the_masks_of_a_variant(start, importance, tmp_path, capsys):
    words = ["--general", "0.5", "--thresholds", "0.9", "--losses-only"]
    assert main([*start, *words]) == 0
    rule = ["--general", "0.5", "--threshold", "0.9", "--out", str(tmp_path / "masks")]
    assert main(["neurons", "allocate", str(importance), *rule]) == 0
    capsys.readouterr()
    shown = []
    variant = tmp_path / "sweep" / "masks" / "taylor-pair-rho0.5-k0.9"
    for folder in (variant, tmp_path / "masks"):
        assert main(["neurons", "show", str(folder)]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1] and "LScore, encoder" in shown[0]


@pytest.mark.parametrize(
    "words, message",
    [
        (["--updates", "0"], "--updates must be 1 or more"),
        (["--updates", "5", "--thresholds", "0.5,2"], "--threshold 2 is not between"),
        (
            ["--updates", "5", "--general", "most"],
            "--general most is no list of shares",
        ),
        (["--updates", "5", "--general", "0.9,0.9"], "--general names 0.9 twice"),
        (
            ["--updates", "5", "--by", "family"],
            "--by family is unknown; choose from pair",
        ),
        (["--updates", "5", "--criterion", "fisher"], "unknown criterion 'fisher'"),
        (["--updates", "5", "--", "--lr", "fast"], "argument --lr"),
        (["--updates", "5", "--", "--masks", "x"], "--masks cannot be passed on"),
        (["--updates", "5", "--valid-split", "test"], "--valid-split has no effect"),
        (["--losses-only", "--", "--lr", "1"], "no effect with --losses-only"),
        (["--losses-only", "--jobs", "2"], "--jobs has no effect with --losses-only"),
    ],
)
def test_bad_input_is_one_sentence(start, tmp_path, capsys, words, message):
    assert main([*start, *words]) == 1
    said = capsys.readouterr().err
    assert message in said.splitlines()[-1], said
    assert not (tmp_path / "sweep" / "joint").exists()


def test_importance_of_another_base_is_refused(start, base, tmp_path, capsys):
    state = load(base)
    for name, tensor in state["model"].items():
        if name.endswith("fc1.weight"):
            tensor.copy_(torch.randn(tensor.shape))
    torch.save(state, tmp_path / "other.pt")
    start[start.index("--base") + 1] = str(tmp_path / "other.pt")
    assert main([*start, "--losses-only"]) == 1
    assert "measured on other weights than those of" in capsys.readouterr().err


def test_all_neurons_are_the_dense_baseline(commands, base, importance, tmp_path):
    """So a variant that keeps all of them need not be trained."""
    allocate = ["neurons", "allocate", str(importance), "--threshold", "0"]
    assert main([*allocate, "--out", str(tmp_path / "masks")]) == 0
    weights = []
    for name, masks in (("dense", ()), ("all", ("--masks", tmp_path / "masks"))):
        commands.train(
            *(tmp_path / name, "--finetune-from-model", base, *masks),
            *("--max-update", 6, "--no-epoch-checkpoints", "--disable-validation"),
        )
        weights.append(load(tmp_path / name / "checkpoint_last.pt")["model"])
    assert_same(*weights)


@pytest.mark.slow
def test_a_sweep_trains_scores_and_draws(start, importance, tmp_path, capsys):
    out = tmp_path / "sweep"
    words = ["--updates", "4", "--jobs", "1", "--beam", "1", "--limit", "5"]
    words += ["--general", "0.5,0.8", "--thresholds", "0.9,0"]
    command = [*start, *words, "--", "--max-tokens", "120"]
    assert main(command) == 0
    said = capsys.readouterr()
    assert "(1 of 3)" in said.err or "0/3 joint trainings" in said.err
    assert "| k | taylor, by pair |" in said.out
    rows = rows_of(out)
    assert list(rows) == [
        *("dense", "taylor-pair-rho0.5-k0.9", "taylor-pair-rho0.5-k0"),
        "taylor-pair-rho0.8-k0.9",
    ]
    assert all(row["scores"].keys() == set(PAIRS) for row in rows.values())
    assert rows["taylor-pair-rho0.5-k0"]["same_as"] == "dense"
    for suffix in ("csv", "md", "threshold.png", "general.svg"):
        assert (out / f"sweep.{suffix}").stat().st_size > 100
    joint = out / "joint"
    assert not (joint / "taylor-pair-rho0.5-k0").exists()
    carried = load(joint / "taylor-pair-rho0.8-k0.9" / "checkpoint_last.pt")
    masks = from_state(carried["task_state"]["masks"])
    assert digest(masks) == digest(
        load_masks(out / "masks" / "taylor-pair-rho0.8-k0.9")
    )
    assert "masks" not in load(joint / "dense" / "checkpoint_last.pt")["task_state"]

    # the same again trains and translates nothing
    stamps = {p: p.stat().st_mtime_ns for p in joint.rglob("*.pt")}
    scores = (out / "scores" / "scores.json").stat().st_mtime_ns
    assert main(command) == 0
    assert "3 of 3 joint trainings finished before" in capsys.readouterr().err
    assert {p: p.stat().st_mtime_ns for p in joint.rglob("*.pt")} == stamps
    assert (out / "scores" / "scores.json").stat().st_mtime_ns == scores

    # other importance in the same folder is refused, and the masks stay as they are
    kept = digest(load_masks(out / "masks" / "taylor-pair-rho0.8-k0.9"))
    other = load_importance(importance)
    for sums in other.sums["taylor"].values():
        sums.copy_(sums.flip(1))
    save_importance(tmp_path / "other.safetensors", other)
    command[command.index(str(importance))] = str(tmp_path / "other.safetensors")
    assert main(command) == 1
    assert "begun with another masks" in capsys.readouterr().err
    assert digest(load_masks(out / "masks" / "taylor-pair-rho0.8-k0.9")) == kept
