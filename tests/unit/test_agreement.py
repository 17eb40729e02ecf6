"""Agreement of two sets of masks, against counts made by hand."""

import csv
import math

import pytest
import torch

from lass_plugin.analysis.similarity import agreements
from lass_plugin.cli.main import main
from lass_plugin.errors import LassError
from lass_plugin.masks import Mask, MaskSet, Provenance, save_masks
from lass_plugin.records.csv_table import write_csv

FC1, FC2 = "encoder.layers.0.fc1.weight", "encoder.layers.0.fc2.weight"


def mask(key: str, fc1: str, fc2: str) -> Mask:
    """A mask of two matrices, written as rows of 0 and 1."""
    tensors = {
        name: torch.tensor([[digit == "1" for digit in digits]])
        for name, digits in ((FC1, fc1), (FC2, fc2))
    }
    return Mask.from_tensors(key, tensors, Provenance("gradient", 0.5))


FIRST = MaskSet([mask("de-en", "1100", "11"), mask("en-de", "0011", "10")])
SECOND = MaskSet(
    [
        mask("de-en", "1010", "01"),
        mask("en-de", "0011", "10"),
        mask("fr-en", "1111", "11"),
    ]
)


def test_the_whole_model_by_hand():
    """de-en keeps {0, 1, a, b} and {0, 2, b}: 2 shared, Sim 2/4 and 2/3.

    With en-de of the other set: {0, 1, a, b} and {2, 3, a} share 1, Sim 1/4 and 1/3;
    {2, 3, a} and {0, 2, b} share 1, Sim 1/3 both ways. Chance of de-en's two:
    (2 · 2 / 4 + 2 · 1 / 2) / 4 = 2/4 and 2/3.
    """
    found = agreements(FIRST, SECOND)
    assert [one.key for one in found] == ["de-en", "en-de"]
    de, en = found
    assert de.same == pytest.approx((2 / 4 + 2 / 3) / 2)
    assert en.same == 1.0
    away = [(1 / 4 + 1 / 3) / 2, 1 / 3]
    assert de.others == en.others == pytest.approx(sum(away) / 2)
    assert de.chance == pytest.approx((2 / 4 + 2 / 3) / 2)
    assert en.chance == pytest.approx((2 * 2 / 4 + 1 / 2) / 3)


def test_parts_and_the_file(tmp_path):
    found = agreements(FIRST, SECOND, {"first": [FC1], "second": [FC2]})
    same = {(one.part, one.key): one.same for one in found}
    assert same["first", "de-en"] == pytest.approx(1 / 2)
    assert same["second", "de-en"] == pytest.approx((1 / 2 + 1) / 2)
    write_csv(tmp_path / "a.csv", map(vars, found))
    with open(tmp_path / "a.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["part"], row["key"]) for row in rows] == list(same)
    assert [float(row["same"]) for row in rows] == list(same.values())


def test_one_pair_has_no_others():
    (only,) = agreements(FIRST.only(["de-en"]), SECOND)
    assert math.isnan(only.others)


def test_sets_that_cannot_be_compared_are_refused():
    with pytest.raises(LassError, match="no pair in common: de-en and fr-en"):
        agreements(FIRST.only(["de-en"]), SECOND.only(["fr-en"]))
    other = Mask.from_tensors(
        "de-en", {FC1: torch.ones(2, 2).bool()}, Provenance("gradient", 0.5)
    )
    with pytest.raises(LassError, match="different matrices"):
        agreements(FIRST, MaskSet([other]))


def test_the_command(tmp_path, capsys):
    save_masks(tmp_path / "a", FIRST)
    save_masks(tmp_path / "b", SECOND)
    places = [str(tmp_path / name) for name in "ab"]
    out = tmp_path / "agreement.csv"
    assert main(["agreement", *places, "--by", "component", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[1].split() == ["de-en", "0.583", "0.312", "0.583"]
    assert f"only {places[1]} has masks of fr-en" in told
    assert out.is_file()
    assert main(["agreement", *places, "--out", str(tmp_path)]) == 1
    assert ".csv" in capsys.readouterr().err
