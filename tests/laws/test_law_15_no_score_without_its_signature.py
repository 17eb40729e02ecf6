"""Law 15: no score without its signature, pair, mask and checkpoint.

And every table says whether the text that was scored was tokenised or detokenised.
"""

import csv
import io
import json
import math
from dataclasses import replace

import pytest

from lass_plugin.errors import LassError
from lass_plugin.evaluation.choice import Choice
from lass_plugin.evaluation.comparison import Outputs, Report, compare
from lass_plugin.evaluation.metrics import Score, bleu, chrf
from lass_plugin.evaluation.report_file import read, write
from lass_plugin.evaluation.report_tables import render, to_csv, to_markdown

REFERENCES = {
    "de-en": ["the house is old and small", "we came home late at night"],
    "en-zh": ["今天天气很好", "我们明天见面吧"],
}
BASELINE = {
    "de-en": ["the house is old and big", "we came back late last night"],
    "en-zh": ["今天天气好", "我们明天见"],
}
SYSTEM = {
    "de-en": ["the house is old and small", "we came home late last night"],
    "en-zh": ["今天天气很好", "明天见面吧"],
}
METRICS = ("BLEU", "chrF")


def made(tokenize: str | None = None) -> Report:
    outputs = [
        Outputs("dense base", "runs/base.pt", None, BASELINE),
        Outputs("sub-networks", "runs/joint.pt", "masks/lass", SYSTEM),
    ]
    return compare(outputs, REFERENCES, Choice(tokenize), n_samples=40)


@pytest.fixture(scope="module")
def report() -> Report:
    return made()


def signatures(report: Report) -> dict[str, set[str]]:
    return {
        metric: {result.scores[metric].signature for result in system.pairs.values()}
        for system in report.systems
        for metric in METRICS
    }


# -- a score -------------------------------------------------------------------------


@pytest.mark.parametrize("signature", ["", " ", "\n", None])
def test_a_score_refuses_an_empty_signature(signature):
    with pytest.raises(LassError, match="signature"):
        Score("BLEU", 20.0, signature)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_is_a_number(value):
    with pytest.raises(LassError):
        Score("BLEU", value, "nrefs:1")


def test_a_score_cannot_lose_its_signature():
    score = Score("BLEU", 20.0, "nrefs:1")
    with pytest.raises(AttributeError):
        score.signature = ""
    with pytest.raises(LassError):
        replace(score, signature="")


@pytest.mark.parametrize("metric", [bleu, chrf])
def test_a_signature_is_sacrebleus_own_and_says_how(metric):
    score = metric("de-en", REFERENCES["de-en"]).score(SYSTEM["de-en"])
    assert "nrefs:1" in score.signature and "version:" in score.signature
    assert ("tok:13a" in score.signature) == (score.metric == "BLEU")


# -- a report ------------------------------------------------------------------------


def test_every_score_of_json_has_its_signature_pair_mask_and_checkpoint(
    report, tmp_path
):
    write(report, tmp_path)
    content = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert content["text"] == "detokenised"
    seen = 0
    for system, original in zip(content["systems"], report.systems, strict=True):
        assert system["checkpoint"] == original.checkpoint
        assert "mask" in system and system["mask"] == original.mask
        assert system["pairs"].keys() == REFERENCES.keys()
        for pair, result in system["pairs"].items():
            for metric, score in result["scores"].items():
                assert (
                    score["signature"] == original.pairs[pair].scores[metric].signature
                )
                assert score["signature"]
                seen += 1
    assert seen == 2 * 2 * 2


def test_every_row_of_csv_has_all_of_it(report):
    rows = list(csv.DictReader(io.StringIO(to_csv(report))))
    assert len(rows) == 4
    systems = {system.name: system for system in report.systems}
    for row in rows:
        system = systems[row["system"]]
        assert row["pair"] in REFERENCES
        assert row["checkpoint"] == system.checkpoint
        assert row["mask"] == (system.mask or "")
        assert row["text"] == "detokenised"
        for metric in METRICS:
            score = system.pairs[row["pair"]].scores[metric]
            assert row[f"{metric.lower()}_signature"] == score.signature
            assert float(row[metric.lower()]) == score.value


@pytest.mark.parametrize("show", [to_markdown, render], ids=["markdown", "terminal"])
@pytest.mark.parametrize(
    "tokenize, text", [(None, "detokenised"), ("none", "tokenised")]
)
def test_every_table_says_all_of_it(show, tokenize, text):
    report = made(tokenize)
    page = show(report)
    plain = page.replace("\\", "")
    for metric in METRICS:
        assert f"{metric} ({text} text)" in plain
        for signature in signatures(report)[metric]:
            assert signature in " ".join(plain.split())
    for pair in REFERENCES:
        assert pair in plain
    for expected in ("runs/base.pt", "runs/joint.pt", "masks/lass", "no mask (dense)"):
        assert expected in plain


def test_pairs_with_different_signatures_are_told_apart(report):
    found = signatures(report)["BLEU"]
    assert len(found) == 2 and any("tok:zh" in signature for signature in found)
    for page in (to_markdown(report), render(report)):
        notes = [line for line in page.splitlines() if "tok:zh" in line]
        assert notes and all("en-zh" in line for line in notes)


def test_what_is_read_again_still_has_all_of_it(report, tmp_path):
    write(report, tmp_path)
    assert read(tmp_path / "scores.json") == report


@pytest.mark.parametrize("name", ["signature", "value", "metric"])
@pytest.mark.parametrize("to", ["missing", "empty"])
def test_a_file_whose_scores_lack_something_is_refused(report, tmp_path, name, to):
    write(report, tmp_path)
    path = tmp_path / "scores.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["version"] = content.pop("digest") and 1  # as before there were digests
    score = content["systems"][1]["pairs"]["de-en"]["scores"]["BLEU"]
    if to == "missing":
        del score[name]
    else:
        score[name] = ""
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(LassError, match=str(path)):
        read(path)


@pytest.mark.parametrize("name", ["checkpoint", "mask", "name", "text"])
def test_a_file_that_lacks_what_it_is_of_is_refused(report, tmp_path, name):
    write(report, tmp_path)
    path = tmp_path / "scores.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["version"] = content.pop("digest") and 1  # as before there were digests
    del (content if name == "text" else content["systems"][1])[name]
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(LassError, match=f"{path}.*{name}"):
        read(path)


@pytest.mark.parametrize("label", ["name", "checkpoint", "mask"])
@pytest.mark.parametrize("text", ["", "  ", "two\nlines"])
def test_a_system_needs_a_name_a_checkpoint_and_a_mask_or_none(report, label, text):
    with pytest.raises(LassError):
        replace(report.systems[1], **{label: text})


def test_scores_with_different_signatures_do_not_stand_in_one_table(report):
    other = made("char").systems[1]
    with pytest.raises(LassError, match="different signatures"):
        Report(report.text, (report.systems[0], other))
