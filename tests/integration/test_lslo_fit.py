"""``lass lslo fit``: from a base to modules of individual ranks, and going on."""

import json

import pytest
from conftest import PAIRS, load

from lass_plugin.cli.main import main
from lass_plugin.errors import LassError
from lass_plugin.experiments.low_rank_fit import Trainings
from lass_plugin.experiments.low_rank_fit_settings import FitSettings
from lass_plugin.languages import parse_pairs
from lass_plugin.methods.lowrank.planning.plan import read_plan


def words(data, base, out, *more) -> list[str]:
    command = ["lslo", "fit", data, "--base", base, "--pairs", ",".join(PAIRS)]
    command += ["--out", out, "--rank", 3, "--epochs", 2, "--start", 0, "--length", 1]
    return [str(word) for word in (*command, "--cpu", *more)]


@pytest.mark.slow
def test_all_steps_and_none_twice(data, base, tmp_path, capsys):
    command = words(data, base, tmp_path, "--budget-rank", 2, "--", "--max-tokens", 500)
    assert main(command) == 0
    plan = read_plan(tmp_path / "plan.json")
    placement = json.loads((tmp_path / "placement" / "placement.json").read_text())
    assert plan.placement.to_dict() == {
        side: placement[side] for side in ("encoder", "decoder")
    }
    final = load(tmp_path / "final" / "checkpoint_last.pt")
    assert final["task_state"]["lslo"]["plan"] == plan.to_dict()
    estimated = load(tmp_path / "estimation" / "checkpoint_last.pt")
    of_rank_3 = sum(
        t.numel() for n, t in estimated["model"].items() if ".kept_" not in n
    )
    trained = sum(value.numel() for value in final["model"].values())
    assert 0.9 * 2 / 3 * of_rank_3 < trained <= 2 / 3 * of_rank_3
    assert (tmp_path / "estimate" / "score.png").is_file()
    capsys.readouterr()
    before = (tmp_path / "final" / "checkpoint_last.pt").stat().st_mtime_ns
    assert main(command) == 0
    said = capsys.readouterr()
    assert said.err.count("done before") == 3 and "--path" in said.out
    assert (tmp_path / "final" / "checkpoint_last.pt").stat().st_mtime_ns == before

    written = (tmp_path / "plan.json").read_bytes()
    other = words(data, base, tmp_path, "--budget-rank", 1, "--", "--max-tokens", 500)
    assert main(other) == 1
    said = capsys.readouterr().err
    assert "begun with --budget-rank 2, not 1" in said and "lass lslo ranks" in said
    assert (tmp_path / "plan.json").read_bytes() == written


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--lslo-ranks", "4"), "--lslo-ranks cannot be passed on .* use --rank"),
        (("--max-epoch", "4"), "--max-epoch cannot be passed on .* use --epochs"),
        (("--train-subset", "dev"), "there is no dev data of de-en"),
        (("--no-such-flag",), "fairseq-train does not take these flags"),
    ],
)
def test_flags_that_are_refused(data, base, tmp_path, more, said):
    pairs = tuple(parse_pairs(PAIRS))
    with pytest.raises(LassError, match=said):
        settings = FitSettings(
            data=data, base=base, out=tmp_path, pairs=pairs, cpu=True, flags=more
        )
        Trainings(settings)


def test_a_model_that_cannot_be_fitted(data, base, tmp_path, capsys):
    assert main(words(data, tmp_path / "no.pt", tmp_path, "--budget-rank", 2)) == 1
    assert "there is no file" in capsys.readouterr().err
    assert main(words(tmp_path / "no", base, tmp_path, "--budget-rank", 2)) == 1
    assert "the data folder" in capsys.readouterr().err
