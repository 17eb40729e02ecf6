"""The configurations of configs/cao2024 against Cao 2024."""

import pytest
import yaml
from conftest import ROOT

from lass_plugin.anatomy.matrices import DEFAULT_KINDS, parse_kinds
from lass_plugin.languages import languages_of, parse_pairs
from lass_plugin.methods.lowrank.planning.placement import parse_placement
from lass_plugin.resource_types import LANG12, parse_types, spread

CONFIGS = ROOT / "configs" / "cao2024"
LSLO = ("lslo", "pruned", "weight_learning", "estimation")


def read(name: str) -> dict:
    return yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))


def test_there_are_no_others():
    assert {path.stem for path in CONFIGS.iterdir()} == {"ft_all", *LSLO}


@pytest.mark.parametrize("name", ["ft_all", *LSLO])
def test_fifteen_epochs_of_all_directions_of_lang12(name):
    config = read(name)
    pairs = parse_pairs(config["task"]["lang_pairs"])
    assert len(pairs) == 132 and set(languages_of(pairs)) == set(LANG12)
    assert config["optimization"]["max_epoch"] == 15
    assert config["optimization"]["lr"] == [0.0001 if name == "ft_all" else 0.003]
    assert config["common"]["amp"] is True
    assert config["model"]["_name"] == "m2m_124_615m"
    assert config["task"]["encoder_langtok"] == "src"
    assert config["task"]["decoder_langtok"] is True


@pytest.mark.parametrize("name", LSLO)
def test_all_matrices_of_section_6_1(name):
    task = read(name)["task"]
    assert task["_name"] == "translation_lslo" and task["lslo_alpha"] == 0
    assert parse_kinds(task["lslo_matrices"]) == DEFAULT_KINDS


def test_ranks_and_ratios_by_resource_type():
    types = parse_types(None, LANG12)
    for name in ("lslo", "pruned"):
        ranks = spread(read(name)["task"]["lslo_ranks"], LANG12, types, "ranks")
        assert (ranks["en"], ranks["nl"], ranks["wo"]) == (2, 2, 8)
    ratios = spread(read("pruned")["task"]["lslo_pruning_ratio"], LANG12, types, "P")
    assert (ratios["en"], ratios["nl"], ratios["wo"]) == (0.9, 0.9, 0)
    for name in ("weight_learning", "estimation"):
        assert read(name)["task"]["lslo_ranks"] == "8"


def test_placements():
    layers = {"encoder": 12, "decoder": 12}
    learned = parse_placement(read("weight_learning")["task"]["lslo_placement"], layers)
    assert learned.learns
    for name in ("lslo", "pruned", "estimation"):
        placement = parse_placement(read(name)["task"]["lslo_placement"], layers)
        assert placement.encoder == ("source",) * 9 + ("target",) * 3
        assert placement.decoder == ("target",) * 12


def test_the_pruning_schedule_of_table_7():
    for name, group, ratio in (
        ("pruned", "matrix", "0.9;0.9;0"),
        ("estimation", "layer", "0.7"),
    ):
        task = read(name)["task"]
        assert task["lslo_pruning"] == group and task["lslo_pruning_ratio"] == ratio
        assert task["lslo_pruning_start"] == 2 and task["lslo_pruning_length"] == 8
    for name in ("lslo", "weight_learning"):
        assert "lslo_pruning" not in read(name)["task"]
