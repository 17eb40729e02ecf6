"""Tables of the XTREME tasks: the paper's averages, significance, what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from lass_plugin.corpora.xtreme.tasks import TASKS
from lass_plugin.errors import LassError
from lass_plugin.evaluation.xtreme.measured import mean_of
from lass_plugin.evaluation.xtreme.report import TaskScores, read_scores, write_scores
from lass_plugin.papers.tasks import TaskResults
from lass_plugin.tables.xtreme_tables import (
    MEANS,
    NUMBERS,
    average,
    by_system,
    table_of_tasks,
    tables_of_languages,
)

XLMR = {  # Li 2022, Table 1, first row
    "xnli": [74.8],
    "pawsx": [85.4],
    "udpos": [74.0],
    "panx": [61.9],
    "xquad": [69.2, 53.0],
    "mlqa": [59.9, 44.3],
    "tydiqa": [51.3, 32.4],
    "bucc2018": [63.3],
    "tatoeba": [53.4],
}
GRAD = {"xnli": [76.8], "udpos": [88.4], "panx": [88.0], "tydiqa": [69.5, 54.6]}


def test_both_averages_of_the_paper():
    assert round(average(XLMR, NUMBERS), 1) == 60.2
    assert round(average(GRAD, MEANS), 1) == 78.8  # Table 3
    assert round(average(GRAD, NUMBERS), 1) != 78.8


def scored(
    system: str, task: str, right: float, gold: str = "g", signature: str = "s"
) -> TaskScores:
    """*right* is the share of 40 examples, in German and English."""
    values = (np.arange(40) < 40 * right).astype(float)
    languages = {
        code: {
            metric: mean_of(metric, f"{task} {code}", values, signature)
            for metric in TASKS[task].metrics
        }
        for code in ("de", "en")
    }
    digests = dict.fromkeys(languages, gold)
    return TaskScores(system, TASKS[task], "test", languages, digests, {})


def test_scores_are_read_as_they_were_written(tmp_path):
    scores = scored("dense", "xquad", 0.5)
    write_scores(scores, tmp_path)
    read = read_scores(tmp_path)
    assert read.mean("F1") == read.mean("EM") == 50.0
    assert read.languages["de"]["F1"].signature == "s"
    text = (tmp_path / "scores.json").read_text().replace('"F1": 50.0', '"F1": 51.0')
    (tmp_path / "scores.json").write_text(text)
    with pytest.raises(LassError, match="scores.json"):
        read_scores(tmp_path)


def test_all_tasks_and_every_language_with_significance():
    scores = [
        scored("dense", "xnli", 0.9),
        scored("half", "xnli", 0.5),
        scored("dense", "xquad", 0.75),
        scored("half", "xquad", 0.75),
        scored("lone", "xquad", 0.8),
    ]
    systems = by_system(scores)
    table = table_of_tasks(systems, NUMBERS)
    assert table.header == ("system", "XNLI", "XQuAD", "Avg")
    assert table.rows[0] == ("dense", "90.0", "75.0/75.0", "80.0")
    assert table.rows[2] == ("lone", "–", "80.0/80.0", "–")
    assert table_of_tasks(systems, MEANS).rows[0][-1] == "82.5"
    xnli, f1, _ = tables_of_languages(systems, "dense")
    assert xnli.rows == [
        ("dense", "90.0", "90.0", "90.0"),
        ("half", "50.0*", "50.0*", "50.0"),
    ]
    assert f1.rows[1] == ("half", "75.0", "75.0", "75.0")
    assert xnli.records[-1]["difference"] == pytest.approx(-40.0)
    assert "p_value" not in xnli.records[0]


@pytest.mark.parametrize(
    "other, words",
    [
        (scored("dense", "xnli", 0.5), "two scores of 'dense' on XNLI"),
        (scored("half", "xnli", 0.5, gold="h"), r"other XNLI data \(de, en\)"),
        (scored("half", "xnli", 0.5, signature="t"), "by other rules"),
    ],
)
def test_scores_that_cannot_be_compared_are_named(other, words):
    with pytest.raises(LassError, match=words):
        by_system([scored("dense", "xnli", 0.5), other])


def test_encoders_of_other_depths_retrieve_with_other_layers():
    signatures = ("metric:accuracy|layer:7|v:1", "metric:accuracy|layer:4|v:1")
    scores = [
        scored(name, "tatoeba", 0.5, signature=signature)
        for name, signature in zip(("dense", "half"), signatures, strict=True)
    ]
    (table,) = tables_of_languages(by_system(scores), "dense")
    assert table.notes[:2] == signatures


def test_the_rules_of_every_language_are_noted():
    scores = scored("dense", "mlqa", 0.5)
    for code, of in scores.languages.items():
        for metric, one in of.items():
            of[metric] = replace(one, signature=f"metric:{metric}|rules:mlqa-{code}")
    f1, em = tables_of_languages(by_system([scores]), None)
    assert f1.notes == ("metric:F1|rules:mlqa-de", "metric:F1|rules:mlqa-en")
    assert len(em.notes) == 2


def test_a_baseline_that_is_not_there_is_named():
    systems = by_system([scored("dense", "xnli", 0.5), scored("half", "xquad", 0.5)])
    with pytest.raises(LassError, match="--baseline none is no system"):
        tables_of_languages(systems, "none")
    with pytest.raises(LassError, match="--baseline dense has no scores of XQuAD"):
        tables_of_languages(systems, "dense")


def test_scores_of_other_data_than_the_test_set_say_so(tmp_path):
    one = replace(scored("dense", "xnli", 0.5), split="valid")
    systems = by_system([one, scored("dense", "udpos", 0.5)])
    said = "XNLI: valid data, not test"
    first, *others = (
        table_of_tasks(systems, NUMBERS),
        *tables_of_languages(systems, None),
    )
    assert said in first.notes
    assert [said in each.notes for each in others] == [True, False, False]
    path = write_scores(one, tmp_path)
    with pytest.raises(LassError, match="the valid data of XNLI, and the paper's are"):
        TaskResults.read([path])
