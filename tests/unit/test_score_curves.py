"""``lass table scores``: curves over epochs, and tables with a baseline each."""

import json

import pytest
from made_up_reports import report_of

from lass_plugin.cli.main import main as lass
from lass_plugin.evaluation import report_file
from lass_plugin.tables import score_curves

PAIRS = ("de-en", "en-de", "oc-wo", "wo-oc")
TYPES = ["--resource-types", "H=de,en;V=oc,wo", "--tables", "types"]


def scores(high: float, low: float) -> dict[str, float]:
    return dict(zip(PAIRS, (high - 1, high + 1, low - 1, low + 1), strict=True))


@pytest.fixture
def report(tmp_path):
    systems = {
        "Pretrain": scores(32, 1),
        "2;2;8@1": scores(33, 2),
        "Ft-all@1": scores(31, 3),
        "2;2;8@10": scores(33.5, 7),
        "2;2;8@2": scores(34, 5),
        "Ft-all@2": scores(30, 6),
    }
    report_file.write(report_of(**systems), tmp_path / "report")
    return tmp_path / "report"


def test_columns_over_the_epochs(report, tmp_path, monkeypatch, capsys):
    drawn = {}
    real = score_curves.draw_panels

    def draw(panels, *words, **more):
        drawn.update(panels)
        return real(panels, *words, **more)

    monkeypatch.setattr(score_curves, "draw_panels", draw)
    words = ["table", "scores", str(report), *TYPES, "--metrics", "BLEU"]
    words += ["--curves", "H2H,V2V", "--out", str(tmp_path / "out")]
    assert lass(words) == 0
    assert (tmp_path / "out" / "table-scores.types.bleu.curves.svg").is_file()
    found = {
        panel: {curve.label: (list(curve.x), list(curve.y)) for curve in curves}
        for panel, curves in drawn.items()
    }
    assert found == {
        "H2H": {
            "2;2;8": ([1, 2, 10], [33, 34, 33.5]),
            "Ft-all": ([1, 2], [31, 30]),
            "Pretrain": ([1, 10], [32, 32]),
        },
        "V2V": {
            "2;2;8": ([1, 2, 10], [2, 5, 7]),
            "Ft-all": ([1, 2], [3, 6]),
            "Pretrain": ([1, 10], [1, 1]),
        },
    }
    assert "curves.png" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--curves", "H2M", "--out", "OUT"], "no table has the columns H2M"),
        (["--curves", "H2H"], "--curves needs a folder"),
        (["--over", "update"], "--over"),
        (
            ["--curves", "H2H", "--out", "OUT", "--systems", "Pretrain,Ft-all@1"],
            "of which there are no two",
        ),
    ],
)
def test_what_cannot_be_drawn(report, tmp_path, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(tmp_path)
    assert lass(["table", "scores", str(report), *TYPES, *words]) == 1
    assert sentence in capsys.readouterr().err


def test_a_baseline_each(tmp_path, capsys):
    base = {"Baseline": scores(20, 10), "LaSS": scores(21, 12)}
    big = {"Baseline": scores(30, 15), "LaSS": scores(29, 18)}
    for name, systems in (("base", base), ("big", big)):
        report_file.write(report_of(**systems), tmp_path / name)
    reports = [str(tmp_path / "base"), f"large={tmp_path / 'big'}"]
    words = ["table", "scores", *reports, "--own-baselines", "--metrics", "BLEU"]
    assert lass([*words, *TYPES, "--out", str(tmp_path / "out")]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["base/LaSS", "21.00", "+1.00", "12.00", "+2.00", "16.50", "+1.50"] in lines
    assert ["large/LaSS", "29.00", "-1.00", "18.00", "+3.00", "23.50", "+1.00"] in [
        [cell.replace("−", "-") for cell in line] for line in lines
    ]
    content = json.loads((tmp_path / "out" / "table-scores.json").read_text())
    (table,) = content["tables"]
    assert {r["system"] for r in table["records"]} >= {"base/LaSS", "large/Baseline"}
    markdown = (tmp_path / "out" / "table-scores.md").read_text()
    assert markdown.count("**") == 2 * 2 * 3  # the best of each column, twice
    assert lass(words) == 0  # all tables that both have
    assert "Win ratio" not in capsys.readouterr().out


def test_what_has_no_baseline_of_its_own(tmp_path, capsys):
    report_file.write(report_of(a=scores(1, 2), b=scores(2, 2)), tmp_path / "one")
    report_file.write(report_of(a={"de-en": 1.0}, b={"de-en": 2.0}), tmp_path / "two")
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    words = ["table", "scores", "--own-baselines"]
    for more, sentence in (
        ([one, two], "have other columns"),
        ([one, f"one={two}"], "two reports have one label"),
        ([one, "--baseline", "a"], "--baseline"),
        ([one, "--tables", "wins"], "compares all systems"),
    ):
        assert lass([*words, *more]) == 1
        assert sentence in capsys.readouterr().err


def test_parts_of_other_text_pairs_or_sentences_do_not_stand_under_one_another(
    tmp_path, capsys
):
    both = {"de-en": 1.0, "en-de": 2.0}
    way = {"de-en": 1.0}
    detokenised = report_of(a=both, b=both)
    report_file.write(detokenised, tmp_path / "one")
    report_file.write(report_of("tokenised", a=both, b=both), tmp_path / "tokens")
    report_file.write(report_of(a=way, b=way), tmp_path / "way")
    content = report_file.to_json(detokenised)
    for system in content["systems"]:
        system["pairs"]["de-en"]["sentences"] = 49
    report_file.REPORT.write(tmp_path / "fewer" / "scores.json", content)
    words = ["table", "scores", "--own-baselines", "--tables", "languages"]
    for other, sentence in (
        ("tokens", "other columns, pairs or forms of text"),
        ("way", "other columns, pairs or forms of text"),
        ("fewer", "fewer/a was scored on 49 sentences of de-en and one/a on 50"),
    ):
        places = [str(tmp_path / "one"), str(tmp_path / other)]
        assert lass([*words, *places]) == 1
        assert sentence in capsys.readouterr().err.replace("\n", " ")
