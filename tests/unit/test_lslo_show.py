"""``lass lslo show`` on checkpoints made by hand."""

import json
from dataclasses import replace

from low_rank_models import LEARNING, RANKS, equipped, save, stretches

from lass_plugin.cli.main import main
from lass_plugin.methods.lowrank.pruning import MATRIX, Pruner, PruningPlan

UNITS = 3 * 2 * 16
"""Of a rank beside fc1 and fc2 (10 and 6 wide) of three layers."""


def shown(capsys, path, *words) -> str:
    assert main(["lslo", "show", str(path), *words]) == 0
    return capsys.readouterr().out


def test_languages_ranks_parameters_and_what_is_pruned(tmp_path, capsys):
    model, plan = equipped()
    ratios = {"de": 0.5, "en": 0.0, "nl": 0.5}
    pruner = Pruner(model, PruningPlan(MATRIX, ratios, 0, 1))
    pruner.prune(1, stretches(model))
    path = save(tmp_path / "x.pt", model, replace(plan, alpha=4.0), pruner)
    lines = shown(capsys, path).splitlines()
    assert lines[0].startswith("base: base.pt (") and len(lines[0]) == 24
    assert "matrices: 6 (fc1, fc2)" in lines
    assert "encoder by: source in layer 0, target in layer 1" in lines
    assert "decoder by: target in layer 0" in lines
    told = "pruning: by matrix, ratio 0, 0.5 from epoch 1 on; this is of epoch 1"
    assert told in lines
    assert "modules: alpha 4 / rank, dropout 0, seed 1" in lines
    assert [line.split() for line in lines[-5:]] == [
        ["language", "rank", "modules", "parameters", "as", "square", "pruned", "%"],
        ["de", "2", "6", str(2 * UNITS), str(2 * 6 * 12), "50.00"],
        ["en", "3", "6", str(3 * UNITS), str(3 * 6 * 12), "0.00"],
        ["nl", "1", "6", str(UNITS), str(6 * 12), "50.00"],
        ["all", "1–3", "18", str(6 * UNITS), str(6 * 6 * 12), "25.00"],
    ]
    table = shown(capsys, path, "--by-matrix").splitlines()
    assert table[-6].split() == ["encoder.layers.0.fc1", "10×6", "2", "3", "1"]


def test_both_indices_count_twice(tmp_path, capsys):
    path = save(tmp_path / "x.pt", *equipped(LEARNING))
    record = json.loads(shown(capsys, path, "--json"))
    assert record["all"]["parameters"] == 2 * 6 * UNITS
    assert record["all"]["modules"] == 36
    assert record["learned_weights"] == 3 and record["pruning"] is None
    assert list(record["languages"]) == list(RANKS)


def test_a_language_without_modules(tmp_path, capsys):
    model, plan = equipped(ranks={"de": 2, "en": 0})
    path = save(tmp_path / "x.pt", model, plan)
    record = json.loads(shown(capsys, path, "--json"))
    assert record["languages"]["en"] == {
        "ranks": [0, 0],
        "modules": 0,
        "parameters": 0,
        "as_square": 0,
        "pruned": 0,
    }
