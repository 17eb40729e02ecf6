"""The placement that weight learning found."""

import csv
import json
import math

import pytest
import torch
from low_rank_models import LEARNING, equipped, save

from lass_plugin.errors import LassError
from lass_plugin.methods.lowrank.planning.learned_placement import (
    choose,
    learned_weights,
    write_learned,
)
from lass_plugin.methods.lowrank.planning.placement import (
    Placement,
    parse_placement,
    read_placement,
)
from lass_plugin.methods.lowrank.stored import read_low_rank


def learned(tmp_path, values, placement=LEARNING):
    """A checkpoint in which layers learned these pairs of numbers."""
    model, plan = equipped(placement)
    for (side, layer), pair in values.items():
        found = getattr(model, side).layers[layer].lslo_weights
        found.data.copy_(torch.tensor(pair))
    path = save(tmp_path / "checkpoint.pt", model, plan)
    return read_low_rank(path)


VALUES = {
    ("encoder", 0): [1.0, 0.0],
    ("encoder", 1): [-0.25, 0.75],
    ("decoder", 0): [0.5, 0.5],
}


def test_the_larger_weight_decides(tmp_path):
    contents = learned(tmp_path, VALUES)
    weights = learned_weights(contents, "x")
    for (side, layer), (source, target) in VALUES.items():
        total = math.exp(source) + math.exp(target)
        expected = math.exp(source) / total, math.exp(target) / total
        assert weights[side][layer] == pytest.approx(expected)
    placement, equal = choose(weights, LEARNING)
    assert placement == Placement(("source", "target"), ("target",))
    assert equal == ["decoder layer 0"]


def test_of_equal_weights_source_in_the_encoder_and_target_in_the_decoder(tmp_path):
    weights = learned_weights(learned(tmp_path, {}), "x")  # as they begin
    placement, equal = choose(weights, LEARNING)
    assert placement == Placement(("source", "source"), ("target",))
    assert equal == ["encoder layer 0", "encoder layer 1", "decoder layer 0"]


def test_layers_that_learned_nothing_keep_their_index(tmp_path):
    given = Placement(("source", "both"), ("target",))
    contents = learned(tmp_path, {("encoder", 1): [0.5, 0.0]}, given)
    weights = learned_weights(contents, "x")
    assert weights["encoder"][0] is None and weights["decoder"] == [None]
    assert choose(weights, given) == (Placement(("source", "source"), ("target",)), [])


def test_files_of_a_placement(tmp_path):
    contents = learned(tmp_path, VALUES)
    weights = learned_weights(contents, "x")
    placement, _ = choose(weights, LEARNING)
    paths = write_learned(tmp_path / "out", placement, weights, "checkpoint.pt")
    assert [path.name for path in paths] == [
        "placement.json",
        "weights.csv",
        "weights.png",
        "weights.svg",
    ]
    assert read_placement(paths[0]) == placement
    layers = {"encoder": 2, "decoder": 1}
    assert parse_placement(str(paths[0]), layers) == placement
    record = json.loads(paths[0].read_text())
    assert record["weights"]["encoder"][1] == pytest.approx(
        [1 / (1 + math.e), math.e / (1 + math.e)]
    )
    assert record["checkpoint"] == "checkpoint.pt"
    with open(paths[1], newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["index"] for row in rows] == ["source", "target", "target"]
    assert float(rows[0]["source"]) == weights["encoder"][0][0]
    svg = paths[3].read_text()
    for label in ("enc_src", "enc_tgt", "dec_src", "dec_tgt"):
        assert f">{label}<" in svg


def test_a_training_that_learned_no_weights_is_named(tmp_path):
    contents = read_low_rank(save(tmp_path / "x.pt", *equipped()))
    with pytest.raises(LassError, match="x.pt has no learned weights.*placement learn"):
        learned_weights(contents, "x.pt")


def test_weights_that_diverged_are_named(tmp_path):
    contents = learned(tmp_path, {("encoder", 1): [math.nan, 0.0]})
    with pytest.raises(LassError, match="encoder layer 1 in x.pt are not numbers"):
        learned_weights(contents, "x.pt")
