"""Which system is which row, and where results are looked for."""

import json
import re

import pytest
from conftest import ROOT
from made_up_reports import report_of

from lass_plugin.errors import LassError
from lass_plugin.evaluation import report_file
from lass_plugin.papers.matching import match_rows
from lass_plugin.papers.places import look_for_results
from lass_plugin.papers.reading import DATA, paper_of

TABLE = paper_of("he2023").table(1)


def matched(*systems, given=()):
    return match_rows(TABLE, TABLE.rows, systems, given)


def test_case_blanks_and_punctuation_do_not_count():
    assert matched("gradient-gradual", "MAGNITUDE_ONESHOT", "Adapter 128") == {
        "Adapter.128": "Adapter 128",
        "MagnitudeOneshot": "MAGNITUDE_ONESHOT",
        "GradientGradual": "gradient-gradual",
    }


def test_a_row_has_other_names_of_which_the_first_counts():
    assert matched("base", "multilingual", "dense") == {"Baseline": "dense"}
    assert matched("LaSS", "base", "baseline") == {
        "Baseline": "baseline",
        "MagnitudeOneshot": "LaSS",
    }


def test_masks_stand_for_the_row_of_their_search():
    def of_masks(**masks):
        said = {
            name: f"x.safetensors ({kind} ratio 0.4; sha256 1)"
            for name, kind in masks.items()
        }
        return match_rows(TABLE, TABLE.rows, [*said], (), said)

    assert of_masks(gradient="gradient oneshot") == {"GradientOneshot": "gradient"}
    assert of_masks(gradient="gradient gradual") == {"GradientGradual": "gradient"}
    found = of_masks(mine="magnitude gradual", gradient="gradient gradual")
    assert found == {"MagnitudeGradual": "mine", "GradientGradual": "gradient"}
    assert of_masks(a="random oneshot", GradientGradual="magnitude oneshot") == {
        "GradientGradual": "GradientGradual"  # called so by the user
    }


def test_a_labelled_system_counts_where_no_other_has_the_name():
    assert matched("a/dense", "b/base") == {"Baseline": "a/dense"}
    assert matched("a/dense", "dense") == {"Baseline": "dense"}
    # two are too many to choose from, so the next name counts
    assert matched("a/dense", "b/dense", "base") == {"Baseline": "base"}


def test_rows_that_are_given_go_first():
    found = matched("base", "mine", given=["gradient gradual=base", "SepaDec=mine"])
    assert found == {"SepaDec": "mine", "GradientGradual": "base"}
    rows = paper_of("cao2024").table(8)
    given = ["E=2,K=8=mine"]
    assert match_rows(rows, rows.rows, ["mine"], given) == {"E=2,K=8": "mine"}


@pytest.mark.parametrize(
    ("systems", "given", "message"),
    [
        (["x", "y"], [], r"none of our systems \(x, y\) is a row.*Baseline; Adapter"),
        (["Base-line", "baseline"], [], "Base-line and baseline have both the name"),
        (["x"], ["x"], "--rows x must be ROW=SYSTEM"),
        (["x"], ["Basline=x"], "no row 'Basline'; did you mean Baseline?"),
        (["dense"], ["Baseline=dens"], "no system 'dens'; did you mean dense?"),
        (["x"], ["Baseline=x", "base line=x"], "names the row base line twice"),
    ],
)
def test_what_cannot_be_matched_is_named(systems, given, message):
    with pytest.raises(LassError, match=message):
        matched(*systems, given=given)


def test_a_run_is_searched_for_results_and_its_reports_get_labels(tmp_path):
    scores = {"en-de": 20.0}
    report_file.write(report_of(base=scores), tmp_path / "report")
    report_file.write(report_of(base=scores), tmp_path / "study" / "a=b")
    for name in ("table-cost.json", "zero_shot.json", "estimate.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "x").mkdir()
    text = json.dumps({"format": "lass_plugin xtreme scores"})
    (tmp_path / "x" / "scores.json").write_text(text)
    found = look_for_results([str(tmp_path)])
    assert [each.label for each in found.reports] == ["report", "study/a=b"]
    assert found.reports[1].folder == tmp_path / "study" / "a=b"
    assert found.xtreme == [tmp_path / "x" / "scores.json"]
    assert len(found.costs) == len(found.zero_shot) == len(found.estimates) == 1
    found = look_for_results([f"mine={tmp_path / 'report'}", f"r={tmp_path}"])
    labels = [each.label for each in found.reports]
    assert labels == ["mine", "r/report", "r/study/a=b"]
    (one,) = look_for_results([str(tmp_path / "report" / "scores.json")]).reports
    assert one.label == "report"
    (one,) = look_for_results([str(tmp_path / "study" / "a=b")]).reports
    assert one.label == "a=b"


def test_places_without_results_are_named(tmp_path):
    with pytest.raises(LassError, match="there is no .*absent; give a report"):
        look_for_results([str(tmp_path / "absent")])
    with pytest.raises(LassError, match="has no scores.json"):
        look_for_results([str(tmp_path)])
    (tmp_path / "scores.json").write_text('{"format"')
    with pytest.raises(LassError, match="scores.json is not a report of scores"):
        look_for_results([str(tmp_path)])


def test_the_papers_are_shipped_with_the_package(monkeypatch):
    from setuptools.dist import Distribution

    monkeypatch.chdir(ROOT)
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    patterns = re.findall(r'package_data=\{\s*"lass_plugin": (\[.*?\])', text, re.S)[0]
    found = Distribution(
        {"packages": ["lass_plugin"], "package_data": {"lass_plugin": eval(patterns)}}
    )
    command = found.get_command_obj("build_py")
    command.ensure_finalized()
    names = {name for _, _, _, names in command.data_files for name in names}
    assert {f"papers/data/{path.name}" for path in DATA.glob("*")} <= names
