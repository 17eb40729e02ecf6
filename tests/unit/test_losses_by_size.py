"""Losses over the size of corpora: by hand, against numpy, and what is refused."""

import json
import math

import numpy as np
import pytest

from lass_plugin.analysis.losses_by_size import losses, read_numbers
from lass_plugin.cli.main import main
from lass_plugin.errors import LassError

DENSE = {"de": 80.0, "sw": 60.0, "fr": 75.0, "xx": 1.0}
PRUNED = {"de": 79.0, "fr": 73.0, "sw": 50.0}
SIZES = {"de": 1000.0, "fr": 100.0, "sw": 1.0, "yy": 5.0}


def test_the_loss_and_its_correlation_by_hand():
    found = losses("l0", DENSE, PRUNED, SIZES)
    assert dict(zip(found.languages, found.loss, strict=True)) == {
        "de": 1.0,
        "sw": 10.0,
        "fr": 2.0,
    }
    assert found.log_size == (3.0, 0.0, 2.0)
    wanted = np.corrcoef([3.0, 0.0, 2.0], [1.0, 10.0, 2.0])[0, 1]
    assert math.isclose(found.correlation["r"], wanted, abs_tol=1e-4)


def test_too_few_languages_and_empty_corpora_are_named():
    with pytest.raises(LassError, match="only 2 languages .* l0"):
        losses("l0", DENSE, {"de": 1.0, "sw": 1.0}, SIZES)
    with pytest.raises(LassError, match="corpus of sw has the size 0"):
        losses("l0", DENSE, PRUNED, {**SIZES, "sw": 0.0})


@pytest.mark.parametrize("line", ["de", "de much", "de 1 2", "de nan", "fr 2"])
def test_a_line_that_is_none_is_named(tmp_path, line):
    (tmp_path / "scores.txt").write_text(f"# scores\nfr 1\n\n{line}\n")
    with pytest.raises(LassError, match=f"scores.txt has the line '{line}'"):
        read_numbers(tmp_path / "scores.txt")


def test_the_command_writes_picture_and_data(tmp_path, capsys):
    for name, values in (("dense", DENSE), ("pruned", PRUNED), ("sizes", SIZES)):
        text = "".join(f"{key},{value}\n" for key, value in values.items())
        (tmp_path / name).write_text(text)
    words = ["gates", "losses", "--dense", tmp_path / "dense", "--sizes"]
    words += [tmp_path / "sizes", "--pruned", f"l0={tmp_path / 'pruned'}"]
    assert main([str(word) for word in [*words, "--out", tmp_path / "out"]]) == 0
    assert "-0.9" in capsys.readouterr().out
    record = json.loads((tmp_path / "out/losses.json").read_text())
    assert len(record["rows"]) == 3
    assert (tmp_path / "out/losses.png").stat().st_size
