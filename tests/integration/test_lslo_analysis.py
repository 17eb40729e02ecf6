"""``lass lslo placement``, ``estimate``, ``ranks`` and ``show`` on trained modules."""

import contextlib
import csv
import io
import json

import numpy as np
import pytest
import torch
from conftest import load

from lass_plugin.cli.main import main
from lass_plugin.methods.lowrank.estimation import demand_maps
from lass_plugin.methods.lowrank.planning.placement import read_placement
from lass_plugin.methods.lowrank.planning.plan import read_plan

KINDS = 5 + 8
TRAIN = ("--task", "translation_lslo", "--no-epoch-checkpoints")
PRUNED = ("--lslo-pruning-ratio", 0.7, "--lslo-pruning-start", 1)
PRUNED += ("--lslo-pruning-length", 2, "--max-epoch", 4)


def lslo(*words) -> int:
    return main(["lslo", *map(str, words)])


def trained(commands, base, folder, *flags):
    commands.train(folder, *TRAIN, "--base", base, *flags)
    return folder / "checkpoint_last.pt"


@pytest.fixture(
    scope="module",
    params=["layer", pytest.param("language", marks=pytest.mark.slow)],
)
def pruned(request, commands, base, tmp_path_factory):
    """Group of pruning, and the checkpoint of a training of four epochs."""
    folder = tmp_path_factory.mktemp(request.param)
    words = ("--lslo-ranks", 4, "--lslo-pruning", request.param, *PRUNED)
    return request.param, trained(commands, base, folder, *words)


@pytest.fixture(scope="module")
def demands(pruned, tmp_path_factory):
    """The folder of the estimate, and what the command said."""
    group, checkpoint = pruned
    folder = tmp_path_factory.mktemp("demands")
    sizes = ("--sizes", "de=1000,en=5K,nl=300") if group == "layer" else ()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert lslo("estimate", checkpoint, "--out", folder, *sizes) == 0
    return folder, said.getvalue()


@pytest.fixture(scope="module")
def learned(commands, base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("learned")
    words = ("--lslo-ranks", 2, "--lslo-placement", "learn", "--max-epoch", 1)
    return trained(commands, base, folder, *words)


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_scores_are_what_the_bits_of_the_checkpoint_say(pruned, demands):
    (group, checkpoint), (folder, printed) = pruned, demands
    tensors = load(checkpoint)["model"]
    rows = {
        (row["matrix"], row["index"], row["language"]): row
        for row in read(folder / "estimate.csv")
    }
    assert len(rows) == 2 * KINDS * 3
    sums: dict[str, float] = {}
    for (matrix, index, language), row in rows.items():
        b = tensors[f"{matrix}.lslo_{index}.B.{language}"]
        bits = tensors[f"{matrix}.lslo_{index}.kept_B_{language}"].numpy()
        kept = np.unpackbits(bits, bitorder="little", count=b.numel()).astype(bool)
        assert (b.reshape(-1)[torch.from_numpy(~kept)] == 0).all()
        score = 0.0
        for bit in kept:
            score += (not bit) - 0.7
        assert float(row["score"]) == pytest.approx(score, abs=1e-9)
        assert int(row["units"]) == b.numel() and int(row["rank"]) == 4
        layer = ".".join(matrix.split(".")[:3])
        name = layer if group == "layer" else language
        sums[name] = sums.get(name, 0.0) + float(row["score"])
    assert len(sums) == (4 if group == "layer" else 3)
    assert all(abs(total) <= 0.5 + 1e-6 for total in sums.values())
    assert any(abs(float(row["score"])) > 1 for row in rows.values())
    assert f"P = 0.7 of each {group}" in printed
    assert "enc fc1" in printed and "dec c-q" in printed
    for name in ("score", "score.layer-1", "score.layers", "score.layers.nl"):
        assert (folder / f"{name}.png").stat().st_size > 1000
    if group == "layer":
        assert "Correlation of the score with sentence pairs given with" in printed
        record = json.loads((folder / "estimate.json").read_text())["correlation"]
        assert list(record["sides"]["decoder"])[-1] == "AVG"
        assert record["sides"]["encoder"]["fc2"]["n"] == 3


def test_shares(pruned, tmp_path, capsys, monkeypatch):
    group, checkpoint = pruned
    drawn = []
    monkeypatch.setattr(
        demand_maps, "draw_demands", lambda data, share: drawn.append(share) or []
    )
    assert lslo("estimate", checkpoint, "--out", tmp_path, "--share") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("score / #B, P = 0.7") and drawn == [True]
    told = "no correlation with the amount of data: fewer than 3" in printed
    assert told == (group == "layer")


def test_ranks_become_the_plan_of_the_next_training(
    demands, commands, base, tmp_path, capsys
):
    folder, _ = demands
    plan = tmp_path / "plan.json"
    words = ("--budget-rank", 2, "--matrices", "fc1,fc2", "--placement", "first:1")
    assert lslo("ranks", folder, *words, "--out", plan) == 0
    printed = capsys.readouterr().out
    found = read_plan(plan)
    assert found.languages == ("de", "en", "nl") and len(found.ranks) == 8
    budget = 2 * 8 * (32 + 64) * 3
    spent = sum(sum(ranks.values()) for ranks in found.ranks.values()) * 96
    assert budget - 96 < spent <= budget
    assert f"{spent:,} of {budget:,} parameters" in printed
    assert found.placement.encoder == ("source", "target")
    assert "note: estimated under another index: encoder layer 1" in printed
    words = ("--lslo-plan", plan, "--max-update", 2)
    checkpoint = trained(commands, base, tmp_path / "next", *words)
    capsys.readouterr()
    assert lslo("show", checkpoint, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["all"]["parameters"] == spent
    assert shown["all"]["as_square"] == spent // 96 * 64


def test_show_tells_what_a_checkpoint_holds(pruned, base, capsys):
    group, checkpoint = pruned
    assert lslo("show", checkpoint, "--by-matrix") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"base: {base} (")
    assert lines[1] == f"matrices: {2 * KINDS} (q, k, v, c-q, c-k, c-v, fc1, fc2)"
    assert "encoder by: source in layers 0–1" in lines
    assert "decoder by: target in layers 0–1" in lines
    assert any(line.startswith(f"pruning: by {group}, ratio 0.7") for line in lines)
    units = 2 * (9 * 64 + 4 * 96)
    of_all = next(line.split() for line in lines if line.startswith("all"))
    assert of_all[1:5] == [
        "4",
        str(2 * KINDS * 3),
        f"{4 * 3 * units:,}",
        f"{4 * 3 * 2 * KINDS * 64:,}",
    ]
    tensors = load(checkpoint)["model"]
    gone = sum(int((t == 0).sum()) for n, t in tensors.items() if ".B." in n)
    assert of_all[5] == f"{100 * gone / (12 * units):.2f}"
    assert "decoder.layers.1.fc2" in lines[-1] and "32×64" in lines[-1]


def test_the_learned_placement_is_given_to_the_next_training(
    learned, commands, base, tmp_path, capsys
):
    assert lslo("placement", learned, "--out", tmp_path) == 0
    printed = capsys.readouterr().out
    tensors = load(learned)["model"]
    placement = read_placement(tmp_path / "placement.json")
    for side in ("encoder", "decoder"):
        for layer in (0, 1):
            source, target = tensors[f"{side}.layers.{layer}.lslo_weights"].tolist()
            assert source != target
            index = "source" if source > target else "target"
            assert placement.of(side, layer) == index
            line = next(
                x for x in printed.splitlines() if x.startswith(f"{side} {layer}")
            )
            assert line.endswith(index)
    assert (tmp_path / "weights.png").stat().st_size > 1000
    assert lslo("show", learned) == 0
    printed = capsys.readouterr().out
    assert "weight learning: in 4 layers" in printed
    assert "encoder by: both in layers 0–1" in printed
    words = ("--lslo-ranks", 1, "--max-update", 1)
    given = ("--lslo-placement", tmp_path / "placement.json")
    checkpoint = trained(commands, base, tmp_path / "next", *words, *given)
    assert lslo("show", checkpoint, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["placement"] == placement.to_dict()


def test_what_cannot_be_shown(learned, pruned, base, tmp_path, capsys):
    group, checkpoint = pruned
    out = ("--out", tmp_path / "x")
    for words, said in [
        (("placement", checkpoint, *out), "has no learned weights of source and tar"),
        (("estimate", learned, *out), "were not pruned, so nothing tells their dem"),
        (("show", base), "holds no low-rank modules; give a checkpoint of --task"),
        (
            ("ranks", tmp_path, "--budget", 1, *out),
            "is not an estimate of demands (No such file",
        ),
        (
            ("estimate", checkpoint, *out, "--sizes", "de=1,nl=2"),
            "needs 3 languages" if group == "layer" else "--sizes has no effect after",
        ),
    ]:
        assert lslo(*words) == 1
        told = capsys.readouterr().err.strip().splitlines()
        assert len(told) == 1 and told[0].startswith("lass lslo: error: ")
        assert said in told[0]
    assert not (tmp_path / "x").exists()


def test_ranks_that_cannot_be_planned(demands, tmp_path, capsys):
    folder, _ = demands
    out = ("--out", tmp_path / "plan.json")
    for words, said in [
        (("--budget", "lots"), "--budget 'lots' is not a number of parameters"),
        (("--budget-rank", 0), "--budget-rank must be 1 or more, not 0"),
        (("--budget", "1K", "--matrices", "out"), "the estimate has no matrix 'out'"),
        (("--budget", "1K", "--placement", "learn"), "decide it with 'lass lslo place"),
        (("--budget", "9"), "a budget of 9 parameters gives nobody a rank"),
    ]:
        assert lslo("ranks", folder, *words, *out) == 1
        assert said in capsys.readouterr().err
    assert not (tmp_path / "plan.json").exists()


def test_pruning_within_each_matrix_is_written_but_not_drawn(
    commands, base, tmp_path, capsys
):
    words = ("--lslo-ranks", 2, "--lslo-pruning", "matrix", "--lslo-matrices", "fc1")
    more = ("--lslo-pruning-ratio", 0.5, "--lslo-pruning-start", 0)
    more += ("--lslo-pruning-length", 1, "--max-epoch", 1)
    checkpoint = trained(commands, base, tmp_path / "run", *words, *more)
    out = tmp_path / "out"
    assert lslo("estimate", checkpoint, "--out", out) == 0
    assert "all scores are about 0 and tell no demands" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == [
        "estimate.csv",
        "estimate.json",
    ]
    assert {row["score"] for row in read(out / "estimate.csv")} == {"0.0"}
    assert lslo("estimate", checkpoint, "--out", out, "--share") == 1
    assert (
        "--share has no effect after --lslo-pruning matrix" in capsys.readouterr().err
    )
    words = ("--budget", "1K", "--out", tmp_path / "plan.json")
    assert lslo("ranks", out, *words) == 1
    assert "tells no demands" in capsys.readouterr().err
