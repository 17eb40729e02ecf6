"""``lass neurons show`` and ``curves`` on what the commands before them made."""

import csv
import json

import pytest
from conftest import PAIRS

from lass_plugin.cli.main import main
from lass_plugin.neurons.allocation import read_allocation
from lass_plugin.neurons.importance import load_importance


@pytest.fixture(scope="module")
def masks(commands, importance, tmp_path_factory):
    out = tmp_path_factory.mktemp("neuron-masks")
    commands.run(
        *("lass", "neurons", "allocate", importance, "--out", out),
        *("--general", 0.5, "--threshold", 0.8),
    )
    return out


def neurons(*words) -> int:
    return main(["neurons", *map(str, words)])


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_show_prints_and_writes_both_scores(masks, tmp_path, capsys):
    assert neurons("show", masks, "--out", tmp_path / "report") == 0
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    # 2 + 2 layers: 32 outputs of each attention, 64 hidden and 32 output units of FFN
    assert lines[0] == "288 of 576 neurons are specific, allocated --by pair"
    assert "LScore, encoder   layer 0  layer 1" in printed
    assert (
        "MScore, decoder  layer 0  layer 1" in printed and "cross-attention" in printed
    )
    allocation = read_allocation(masks)
    sites = [f"decoder.layers.1.{name}" for name in ("fc1", "fc2")]
    sites += [
        f"decoder.layers.1.{name}.out_proj" for name in ("self_attn", "encoder_attn")
    ]
    rows = read(tmp_path / "report" / "lscore.csv")
    assert len(rows) == 4 * len(PAIRS)
    for pair in PAIRS:
        own = sum(int(allocation.specific(pair, site).sum()) for site in sites)
        row = next(
            row
            for row in rows
            if (row["side"], row["layer"], row["key"]) == ("decoder", "1", pair)
        )
        assert float(row["lscore"]) == own / 80 and row["specific"] == "80"
        assert any(f"{own / 80:.3f}" in line for line in lines if line.startswith(pair))
    for name in ("lscore.png", "lscore.svg", "mscore.png", "mscore.svg"):
        assert (tmp_path / "report" / name).stat().st_size > 1000


def test_all_general_leaves_nothing_to_share(importance, tmp_path, capsys):
    out = ("--out", tmp_path / "masks")
    assert neurons("allocate", importance, *out, "--general", 1) == 0
    assert neurons("show", tmp_path / "masks", "--out", tmp_path) == 0
    assert "0 of 576 neurons are specific" in capsys.readouterr().out
    assert {row["lscore"] for row in read(tmp_path / "lscore.csv")} == {""}
    record = json.loads((tmp_path / "layer_scores.json").read_text())
    assert {part["mscore"] for part in record["parts"]} == {None}


def test_curves_compare_pairs_and_grow_a_tree(importance, tmp_path, capsys):
    assert neurons("curves", importance, "--out", tmp_path) == 0
    printed = capsys.readouterr().out
    assert "rank correlation of the importance of 576 neurons" in printed
    assert "highest of all pairs" in printed and "decoder layer 1" in printed
    theta = load_importance(importance).theta()["encoder.layers.1.fc1"]
    rows = read(tmp_path / "importance_curves.csv")
    of_site = [row for row in rows if row["site"] == "encoder.layers.1.fc1"]
    assert {row["site"] for row in rows} == {
        f"{side}.layers.1.{name}"
        for side in ("encoder", "decoder")
        for name in ("fc1", "fc2")
    }
    for number, pair in enumerate(PAIRS):
        assert [float(row[pair]) for row in of_site] == theta[number].tolist()
    for name in ("curves.encoder-layers-1-fc1", "correlation"):
        assert (tmp_path / f"importance_{name}.png").stat().st_size > 1000
    tree = ("tree", tmp_path / "importance_correlation.json", "--leaves", "pairs")
    assert main([*map(str, tree), "--out", str(tmp_path / "tree")]) == 0
    assert (tmp_path / "tree" / "tree.json").is_file()


def test_chosen_pairs_sites_and_criterion(importance, tmp_path, capsys):
    words = (
        "--pairs",
        "en-nl,de-en",
        "--site",
        "decoder.layers.0.encoder_attn.out_proj",
    )
    words += ("--criterion", "absolute", "--average", "sentence")
    assert neurons("curves", importance, *words, "--out", tmp_path) == 0
    assert "criterion absolute, mean over each sentence" in capsys.readouterr().out
    record = json.loads((tmp_path / "importance_curves.json").read_text())
    theta = load_importance(importance).theta("absolute", "sentence")
    (site,) = record["sites"]
    rows = [PAIRS.index(pair) for pair in record["pairs"]]
    assert record["pairs"] == ["en-nl", "de-en"]
    assert record["sites"][site] == theta[site][rows].tolist()


@pytest.mark.parametrize(
    "words, said",
    [
        (("--pairs", "de-en"), "there is one pair only (de-en)"),
        (("--pairs", "de-en,fr-en"), "is not of fr-en; it is of de-en, en-de"),
        (("--site", "fc1", "--out", "x"), "there is no site fc1; choose from encoder"),
        (("--site", "encoder.layers.1.fc1"), "--site has no effect without --out"),
    ],
)
def test_what_curves_cannot_show(importance, capsys, words, said):
    assert neurons("curves", importance, *words) == 1
    assert said in capsys.readouterr().err


def test_masks_that_were_not_allocated(masks, tmp_path, capsys):
    for path in masks.glob("*.safetensors"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert neurons("show", tmp_path) == 1
    assert (
        "allocation.json; give a folder that 'lass neurons all"
        in capsys.readouterr().err
    )
