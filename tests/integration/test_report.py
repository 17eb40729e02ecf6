"""``lass report`` on what ``lass evaluate`` and ``lass table cost`` have written."""

import json

import pytest

from lass_plugin.cli.main import main
from lass_plugin.evaluation.evaluation import evaluate
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.systems import System

PLAIN = Decoding(beam=2, max_len_b=20, cpu=True, limit=5)


@pytest.fixture(scope="module")
def run(base, joint, data, tmp_path_factory):
    """Two reports of one system each, so that the difference is tested here."""
    out = tmp_path_factory.mktemp("run")
    for name, checkpoint in (("base", base), ("joint", joint)):
        evaluate(data, [System(name, checkpoint)], decoding=PLAIN, out=out / name)
    words = [f"base={base}", f"joint={joint}"]
    systems = [word for each in words for word in ("--system", each)]
    assert main(["table", "cost", *systems, "--out", str(out / "cost")]) == 0
    return out


def test_a_run_beside_a_table_with_tests_from_its_texts(run, tmp_path, capsys):
    words = ["--paper", "he2023", "--table", "1", "--rows", "GradientGradual=joint"]
    assert main(["report", str(run), *words, "--out", str(tmp_path)]) == 0
    content = json.loads((tmp_path / "table-he2023-1.json").read_text())
    assert content["rows"] == {"Baseline": "base", "GradientGradual": "joint"}
    (table,) = content["tables"]
    of = {(r["row"], r["of"]): r for r in table["records"]}
    cell = of["GradientGradual", "nl"]
    assert cell["significant"] is not None and cell["our_gain"] == cell["ours"]
    start = of["Baseline", "nl"]["our_score"]
    assert cell["our_score"] == pytest.approx(start + cell["our_gain"])
    # the very same by 'lass table scores'
    words = ["--tables", "languages", "--metrics", "bleu", "--out", str(tmp_path)]
    assert main(["table", "scores", f"{run}/base", f"{run}/joint", *words]) == 0
    scores = json.loads((tmp_path / "table-scores.json").read_text())
    (same,) = [
        record
        for record in scores["tables"][0]["records"]
        if (record["system"], record["column"]) == ("joint", "nl")
    ]
    assert same["difference"] == cell["our_gain"] and same["score"] == cell["our_score"]
    capsys.readouterr()


def test_scores_and_costs_of_a_run_in_one_table(run, capsys):
    words = ["--paper", "he2023", "--table", "12", "--rows", "GradientGradual=joint"]
    assert main(["report", str(run), *words, "--no-test"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (joint,) = [line.split() for line in lines if line.startswith("joint (ours)")]
    assert float(joint[2].rstrip("*")) >= 0
    assert all(cell.endswith("M") for cell in joint[3:]) and len(joint) == 6
