"""LScore and MScore of allocated neurons (Xie 2021, Eq. 10 and 11), and their files."""

import csv
import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lass_plugin.errors import LassError
from lass_plugin.neurons import layer_scores
from lass_plugin.neurons.allocation import Allocation, allocate
from lass_plugin.neurons.importance import Counts, Importance
from lass_plugin.neurons.layer_scores import (
    LAYER,
    NAME,
    draw_layer_scores,
    keys_of_side,
    module_of,
    spread_over_layers,
    write_layer_scores,
)
from lass_plugin.neurons.settings import Rule
from lass_plugin.records.curves import CROWD
from lass_plugin.scores.neuron import CRITERIA

ATTENTION = "encoder.layers.0.self_attn.out_proj"
FC1, FC2 = "encoder.layers.0.fc1", "encoder.layers.0.fc2"
CROSS = "decoder.layers.1.encoder_attn.out_proj"


def allocation_of(general, kept, rule=None) -> Allocation:
    """From lists of 0 and 1."""

    def tensors(sites):
        return {site: torch.tensor(bits).bool() for site, bits in sites.items()}

    return Allocation(
        rule or Rule(),
        tensors(general),
        {pair: tensors(sites) for pair, sites in kept.items()},
        dict.fromkeys(kept, 0.7),
    )


@pytest.fixture
def by_hand() -> Allocation:
    """Four specific neurons in the FFN of the encoder, none in its self-attention; two
    in cross-attention, one of which is nobody's."""
    ones = {ATTENTION: [1, 1]}
    return allocation_of(
        {**ones, FC1: [1, 0, 0, 0], FC2: [1, 0], CROSS: [1, 0, 0]},
        {
            "de-en": {**ones, FC1: [1, 1, 1, 0], FC2: [1, 1], CROSS: [1, 1, 0]},
            "en-de": {**ones, FC1: [1, 0, 1, 0], FC2: [1, 0], CROSS: [1, 0, 0]},
            "en-nl": {**ones, FC1: [1, 1, 1, 1], FC2: [1, 0], CROSS: [1, 1, 0]},
        },
    )


def found(allocation):
    return {
        (spread.side, spread.layer, spread.part): spread
        for spread in spread_over_layers(allocation)
    }


def test_equations_10_and_11_by_hand(by_hand):
    spreads = found(by_hand)
    assert list(spreads) == [
        *(("encoder", 0, part) for part in (LAYER, "self-attention", "FFN")),
        *(("encoder", 0, part) for part in ("self_attn.out_proj", "fc1", "fc2")),
        *(("decoder", 1, part) for part in (LAYER, "cross-attention")),
        ("decoder", 1, "encoder_attn.out_proj"),
    ]
    layer = spreads["encoder", 0, LAYER]
    assert (layer.neurons, layer.specific, layer.nobodys) == (8, 4, 0)
    assert layer.allocated == {"de-en": 3, "en-de": 1, "en-nl": 3}
    assert [layer.lscore(key) for key in layer.allocated] == [3 / 4, 1 / 4, 3 / 4]
    assert spreads["encoder", 0, "fc1"].mscore() == pytest.approx((2 + 1 + 3) / 3 / 3)
    assert spreads["encoder", 0, "fc2"].mscore() == pytest.approx(1 / 3)
    # of both sites together, not the mean of their scores
    assert spreads["encoder", 0, "FFN"].mscore() == pytest.approx(7 / 4 / 3)


def test_nobodys_neurons_count_in_the_whole(by_hand):
    cross = found(by_hand)["decoder", 1, LAYER]
    assert (cross.specific, cross.nobodys) == (2, 1)
    assert [cross.lscore(key) for key in cross.allocated] == [0.5, 0.0, 0.5]
    assert cross.mscore() == pytest.approx(1 / 3)


def test_without_specific_neurons_there_is_no_score(by_hand):
    attention = found(by_hand)["encoder", 0, "self-attention"]
    assert attention.specific == 0
    assert attention.mscore() is None and attention.lscore("de-en") is None


def test_every_site_is_of_a_module():
    assert module_of("self_attn.heads") == "self-attention"
    assert module_of("encoder_attn.v_proj") == "cross-attention"
    assert module_of("fc1") == module_of("fc2") == "FFN"


def importance_of(rows, pairs, sites) -> Importance:
    sums = {name: {site: rows.clone() for site in sites} for name in CRITERIA}
    sides = {site: "source" if "encoder." in site else "target" for site in sites}
    counts = {pair: Counts(1, 1, 1) for pair in pairs}
    return Importance(sums, counts, sides, dict.fromkeys(sites, 0.0))


@settings(max_examples=30)
@given(st.integers(1, 4), st.floats(0.2, 1.0), st.floats(0.0, 1.0), st.integers(0, 99))
def test_they_are_the_slow_loops_of_the_equations(pairs, rho, k, seed):
    rows = torch.rand(
        pairs, 12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    names = [f"x{number}-y" for number in range(pairs)]
    allocation = allocate(importance_of(rows, names, (FC1, FC2)), Rule(rho, k))
    layer = found(allocation)["encoder", 0, LAYER]
    total, shares = 0, dict.fromkeys(names, 0)
    for site in (FC1, FC2):
        for i in range(12):
            if bool(allocation.general[site][i]):
                continue
            total += 1
            for name in names:
                shares[name] += int(allocation.kept[name][site][i])
    for name in names:
        assert layer.lscore(name) == (shares[name] / total if total else None)
    mean = sum(shares.values()) / (total or 1) / pairs
    assert layer.mscore() == (pytest.approx(mean) if total else None)


def test_at_k_0_every_score_is_1():
    rows = torch.rand(3, 8, dtype=torch.float64)
    importance = importance_of(rows, ["a-b", "b-a", "a-c"], (FC1, CROSS))
    for spread in spread_over_layers(allocate(importance, Rule(0.5, 0.0))):
        assert spread.mscore() == 1.0
        assert all(spread.lscore(key) == 1.0 for key in spread.allocated)


def test_keys_are_what_the_allocation_is_by():
    """A source with three pairs counts once, as in Eq. 1."""
    pairs = ["a-x", "a-y", "a-z", "b-x"]
    rows = torch.tensor([[9.0, 2.0, 0.0]] * 3 + [[9.0, 0.0, 1.0]], dtype=torch.float64)
    importance = importance_of(rows, pairs, (FC1, CROSS))
    separate = allocate(importance, Rule(1 / 3, 0.9, "separate"))
    assert keys_of_side(separate, "encoder") == {"a": "a-x", "b": "b-x"}
    assert list(keys_of_side(separate, "decoder")) == ["x", "y", "z"]
    spread = found(separate)["encoder", 0, "fc1"]
    assert spread.allocated == {"a": 1, "b": 1}
    assert spread.mscore() == 0.5


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_files_hold_unrounded_numbers_and_gaps(by_hand, tmp_path):
    spreads = spread_over_layers(by_hand)
    written = write_layer_scores(spreads, by_hand, tmp_path)
    names = [NAME, "lscore.csv", "mscore.csv", "lscore.png", "lscore.svg"]
    assert [path.name for path in written] == [*names, "mscore.png", "mscore.svg"]
    assert all(path.stat().st_size > 100 for path in written)
    record = json.loads((tmp_path / NAME).read_text())
    assert record["rule"]["by"] == "pair" and record["thresholds"]["de-en"] == 0.7
    parts = {(part["side"], part["part"]): part for part in record["parts"]}
    assert parts["encoder", "FFN"]["mscore"] == 7 / 4 / 3
    assert parts["encoder", "self-attention"]["mscore"] is None
    rows = {(row["side"], row["part"]): row for row in read(tmp_path / "mscore.csv")}
    assert float(rows["encoder", "FFN"]["mscore"]) == 7 / 4 / 3
    assert rows["encoder", "self-attention"]["mscore"] == ""
    assert rows["decoder", "cross-attention"]["nobodys"] == "1"
    lines = read(tmp_path / "lscore.csv")
    assert [(row["side"], row["layer"], row["key"]) for row in lines[:2]] == [
        ("encoder", "0", "de-en"),
        ("encoder", "0", "en-de"),
    ]
    assert [float(row["lscore"]) for row in lines[:3]] == [0.75, 0.25, 0.75]
    svg = (tmp_path / "lscore.svg").read_bytes()
    (tmp_path / "lscore.svg").unlink()
    draw_layer_scores(tmp_path / NAME)
    assert (tmp_path / "lscore.svg").read_bytes() == svg


def test_a_picture_has_a_gap_where_there_is_no_score(by_hand, tmp_path, monkeypatch):
    drawn = {}

    def keep(panels, path, *words, **more):
        drawn[path.stem] = panels
        return []

    monkeypatch.setattr(layer_scores, "draw_panels", keep)
    write_layer_scores(spread_over_layers(by_hand), by_hand, tmp_path)
    curves = {curve.label: curve for curve in drawn["mscore"]["encoder"]}
    assert list(curves) == ["self-attention", "FFN"] and list(curves["FFN"].x) == [0]
    assert math.isnan(curves["self-attention"].y[0]) and curves["FFN"].y[0] == 7 / 12
    assert [curve.y for curve in drawn["lscore"]["encoder"]] == [[0.75], [0.25], [0.75]]


def test_many_pairs_are_drawn_by_direction(tmp_path):
    languages = [f"l{number}" for number in range(CROWD // 2 + 1)]
    pairs = [f"en-{code}" for code in languages] + [f"{code}-en" for code in languages]
    rows = torch.rand(len(pairs), 8, dtype=torch.float64)
    allocation = allocate(importance_of(rows, pairs, (FC1, CROSS)), Rule(0.5))
    write_layer_scores(spread_over_layers(allocation), allocation, tmp_path)
    text = (tmp_path / "lscore.svg").read_text()
    assert f"en→X ({len(languages)})" in text and f"X→en ({len(languages)})" in text
    assert "en-l3" not in text and "encoder" in text and "decoder" in text


@pytest.mark.parametrize(
    "change", [{"layers": 3}, {"parts": [{}]}, {"rule": None}, {"thresholds": {}}]
)
def test_another_file_is_refused(by_hand, tmp_path, change):
    write_layer_scores(spread_over_layers(by_hand), by_hand, tmp_path)
    record = json.loads((tmp_path / NAME).read_text())
    record["version"] = record.pop("digest") and 1  # as before there were digests
    (tmp_path / NAME).write_text(json.dumps({**record, **change}))
    with pytest.raises(LassError, match="is not a layer_scores.json"):
        draw_layer_scores(tmp_path / NAME)
