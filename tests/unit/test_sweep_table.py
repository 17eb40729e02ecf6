"""Variants and their names; the table and the curves of a sweep, by hand."""

import csv
import io
import json
from types import SimpleNamespace

import pytest

from lass_plugin.cli.main import main as lass
from lass_plugin.errors import LassError
from lass_plugin.evaluation.comparison import PairScores, Report, SystemScores
from lass_plugin.evaluation.metrics import Score
from lass_plugin.evaluation.significance import Difference
from lass_plugin.experiments.sweeps import tables
from lass_plugin.experiments.sweeps.settings import RATIOS
from lass_plugin.experiments.sweeps.variants import DENSE, parse_numbers
from lass_plugin.experiments.sweeps.weight_sweep import WEIGHTS, WeightSweep
from lass_plugin.experiments.sweeps.weight_variants import (
    OWN,
    RATIO,
    SearchKind,
    WeightVariant,
    list_variants,
)
from lass_plugin.methods.search.one_search import SearchPlan
from lass_plugin.records.curves import CROWD, Curve, draw_curves

ONESHOT = SearchKind("gradient", "oneshot")


def ratios(text: str) -> tuple[float, ...]:
    return parse_numbers("--ratios", text, "ratios")


def test_nine_ratios_by_default():
    assert ratios("0.1:0.9") == tuple(n / 10 for n in range(1, 10)) == RATIOS
    assert ratios("0.1:0.9:0.4,0.95") == (0.1, 0.5, 0.9, 0.95)
    assert ratios("0") == (0.0,)


@pytest.mark.parametrize("text", ["", "a", "0.1:", "0.9:0.1", "0.1:0.9:0", "1:2:3:4"])
def test_what_is_no_list_of_ratios_is_refused(text):
    with pytest.raises(LassError, match="--ratios"):
        ratios(text)


def test_variants_in_the_order_of_the_table():
    found = list_variants([ONESHOT], (0.3,), (0.6,), (0.5,), (0.3,))
    assert [variant.name for variant in found] == [
        "dense",
        "gradient-oneshot-0.3",
        "gradient-oneshot-0.6",
        "gradient-oneshot-0.6-attention",
        "gradient-oneshot-0.6-feed-forward",
        "gradient-oneshot-own-0.5",
        "random-0.3",
    ]
    assert len(set(found)) == len(found)


def test_controls_follow_the_masks_that_they_are_of():
    found = list_variants([ONESHOT], (0.3,), controls=("overlap", "profile+overlap"))
    assert [variant.name for variant in found] == [
        "dense",
        "gradient-oneshot-0.3",
        "gradient-oneshot-0.3-control-overlap",
        "gradient-oneshot-0.3-control-profile+overlap",
    ]
    assert found[3].controlled == found[1] and found[3].match == ("profile", "overlap")


def test_only_oneshot_scores_are_exact_everywhere():
    both, one = ("attention", "feed-forward"), ("attention",)
    oneshot = SearchPlan("de-en", "gradient", "oneshot", 0.5)
    assert oneshot.is_exact_at(0.9, both) and oneshot.is_exact_at(0.9, one)
    assert not oneshot.is_exact_at(0.5, ("embeddings",))
    gradual = SearchPlan("de-en", "gradient", "gradual", 0.5, 0, 10)
    assert gradual.is_exact_at(0.5, both)
    assert not gradual.is_exact_at(0.4, both) and not gradual.is_exact_at(0.5, one)


# -- a report of two systems, two pairs ------------------------------------------


def pair_scores(bleu: float, baseline: float | None = None) -> PairScores:
    scores = {name: Score(name, bleu, f"{name}|sig") for name in ("BLEU", "chrF")}
    differences = {}
    if baseline is not None:
        values = {
            name: 0 if of is int else 0.0
            for name, of in (
                (f, t.type) for f, t in Difference.__dataclass_fields__.items()
            )
        }
        values["delta"] = bleu - baseline
        differences = {name: Difference(**values) for name in scores}
    return PairScores(3, scores, differences)


@pytest.fixture
def record():
    dense, half = WeightVariant(DENSE), WeightVariant(RATIO, ONESHOT, 0.5)
    own = WeightVariant(OWN, ONESHOT, 0.5)
    systems = (
        SystemScores(
            *("dense", "d.pt", None),
            {"de-en": pair_scores(20.0), "en-de": pair_scores(10.0)},
        ),
        SystemScores(
            *(half.name, "h.pt", "m"),
            {"de-en": pair_scores(22.0, 20.0), "en-de": pair_scores(11.0, 10.0)},
        ),
        SystemScores(
            *(own.name, "o.pt", "m"),
            {"de-en": pair_scores(23.0, 20.0), "en-de": pair_scores(9.0, 10.0)},
        ),
    )
    report = Report("detokenised", systems, ("how it was translated",))
    losses = {
        "dense": {"de-en": 4.0, "en-de": 5.0},
        half.name: {"de-en": 4.5, "en-de": 5.5},
        own.name: {"de-en": 4.25, "en-de": 5.25},
    }
    sweep = SimpleNamespace(exact={half: True, own: False})
    rows = []
    for variant in (dense, half, own):
        described = WeightSweep.describe(sweep, variant, None, variant)
        name = variant.name
        rows.append(tables.row_of(variant, described, name, None, losses, report))
    return WEIGHTS.form.mark(tables.record_of(rows, losses, report, ["note"]))


def test_averages_and_differences_by_hand(record):
    dense, half, own = record["variants"]
    assert half["averages"]["all"]["BLEU"] == pytest.approx(16.5)
    assert half["averages"]["all"]["BLEU difference"] == pytest.approx(1.5)
    assert half["averages"]["X→en"]["BLEU"] == pytest.approx(22.0)
    assert own["averages"]["all"]["BLEU difference"] == pytest.approx(1.0)
    assert own["averages"]["all"]["loss"] == pytest.approx(4.75)
    assert (half["wins"]["BLEU"], own["wins"]["BLEU"]) == (2, 1)
    assert dense["ratio"] == 0.0 and "wins" not in dense
    assert half["signatures"]["de-en"]["BLEU"] == "BLEU|sig"


def test_csv_has_the_groups_and_the_pairs(record):
    rows = list(csv.DictReader(io.StringIO(tables.to_csv(WEIGHTS, record))))
    found = {(row["variant"], row["pairs"]): row for row in rows}
    row = found["gradient-oneshot-0.5", "en-de"]
    assert (row["BLEU"], row["BLEU_difference"]) == ("11.000000", "1.000000")
    assert row["loss_before_joint_training"] == "5.500000"
    assert found["gradient-oneshot-own-0.5", "all"]["exact"] == "no"
    assert found["dense", "de-en"]["BLEU_difference"] == ""
    assert found["dense", "all"]["ratio"] == "0"


def test_markdown_says_what_is_not_exact(record):
    text = tables.to_markdown(WEIGHTS, record)
    assert "| gradient-oneshot-0.5 | ratio | 0.5 |" in text
    assert "| gradient-oneshot-own-0.5 \\* | own ratios | 0.5 |" in text
    assert "\\* Cut from a gradual search" in text
    assert "before any joint training" in text and "how it was translated" in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_the_ratio_of_the_lowest_loss_after_training_is_named(record):
    dense, half, own = record["variants"]
    more = {**half, "name": "gradient-oneshot-0.8", "ratio": 0.8}
    for row, loss in ((dense, 2.0), (half, 2.5), (own, 2.1), (more, 2.25)):
        row["loss_after"] = loss
    record = {**record, "variants": [dense, half, own, more]}
    text = tables.to_markdown(WEIGHTS, record)
    assert "lowest loss after joint training: gradient-oneshot 0.8." in text
    assert "| 2.250 |" in text
    lines = csv.DictReader(io.StringIO(tables.to_csv(WEIGHTS, record)))
    after = {(r["variant"], r["pairs"]): r["loss_after_joint_training"] for r in lines}
    assert after["gradient-oneshot-0.8", "all"] == "2.250000"
    assert after["gradient-oneshot-0.8", "de-en"] == ""


def test_pictures_are_made_from_the_file_beside_them(record, tmp_path):
    written = tables.write(WEIGHTS, record, tmp_path)
    assert [path.name for path in written] == [
        *("sweep.json", "sweep.csv", "sweep.md", "sweep.png", "sweep.svg"),
        *("sweep.loss.png", "sweep.loss.svg"),
    ]
    svg = (tmp_path / "sweep.svg").read_bytes()
    assert b"dense" in svg and b"own ratios (recut)" in svg
    (tmp_path / "sweep.svg").unlink()
    tables.draw(WEIGHTS, tmp_path / "sweep.json")
    assert (tmp_path / "sweep.svg").read_bytes() == svg


@pytest.mark.parametrize("change", [{"version": 9}, {"format": "?"}, {"variants": 3}])
def test_another_file_is_refused(record, tmp_path, change):
    (tmp_path / "x.json").write_text(json.dumps({**record, **change}))
    with pytest.raises(LassError, match="is (not )?a sweep.json of .lass sweep"):
        tables.draw(WEIGHTS, tmp_path / "x.json")


def test_more_curves_than_colours_still_differ(tmp_path):
    curves = [Curve(f"p{n}", (1, 2, 4), (n, n + 1, n + 2)) for n in range(12)]
    png, svg = draw_curves(
        curves, tmp_path / "c.png", "t", "x", "y", levels=[("l", 3)], logarithmic=True
    )
    assert png.stat().st_size > 1000
    assert all(f"p{n}".encode() in svg.read_bytes() for n in range(12))


def test_a_crowd_of_curves_is_told_apart_by_group(tmp_path):
    curves = [
        Curve(f"pair {n}", (1, 2), (n, n), group=f"kind {n % 2}")
        for n in range(CROWD + 1)
    ]
    _, svg = draw_curves(curves, tmp_path / "c.png", "t", "x", "y")
    text = svg.read_text()
    assert f"kind 0 ({CROWD // 2 + 1})" in text and f"kind 1 ({CROWD // 2})" in text
    assert "pair 3" not in text
    _, svg = draw_curves(curves[1:], tmp_path / "d.png", "t", "x", "y")
    assert "pair 3" in svg.read_text() and "kind" not in svg.read_text()


def test_sweeps_side_by_side(record, tmp_path, capsys):
    tables.write(WEIGHTS, record, tmp_path / "small")
    for row in record["variants"]:
        row["averages"]["all"]["BLEU"] += 10
    tables.write(WEIGHTS, record, tmp_path / "other")
    words = ["table", "sweeps", str(tmp_path / "small"), f"big={tmp_path / 'other'}"]
    assert lass([*words, "--out", str(tmp_path / "out")]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["BLEU", "0", "0.5"] in lines
    assert ["small", "gradient-oneshot", "15.00", "16.50"] in lines
    assert ["big", "gradient-oneshot", "25.00", "26.50"] in lines
    svg = (tmp_path / "out" / "sweeps.svg").read_text()
    assert "big gradient-oneshot" in svg and "small gradient-oneshot" in svg
    for row in record["variants"]:
        for each in row["signatures"].values():
            each["BLEU"] = "tok:none"
    WEIGHTS.form.write(tmp_path / "tokens.json", record)
    assert lass([*words, str(tmp_path / "tokens.json")]) == 1
    assert "small and tokens.json scored" in capsys.readouterr().err.replace("\n", " ")
    for row in record["variants"]:
        del row["averages"]["all"]["BLEU"], row["averages"]["all"]["loss"]
    WEIGHTS.form.write(tmp_path / "none.json", record)
    for more, sentence in (
        ([str(tmp_path / "none.json")], "some have no joint training"),
        ([f"big={tmp_path / 'small'}"], "two sweeps are called big"),
        ([str(tmp_path)], "sweep.json"),
    ):
        assert lass([*words, *more]) == 1
        assert sentence in capsys.readouterr().err


def test_sweeps_of_other_pairs_or_other_training_say_so(record, tmp_path, capsys):
    tables.write(WEIGHTS, record, tmp_path / "one")
    dense, half, own = record["variants"]
    recut = {**half, "exact": False, "ratio": 0.7}
    for row in (dense, half, recut):
        row["scores"] = {"de-en": row["scores"]["de-en"]}
    other = {**record, "notes": ["longer", "note"], "variants": [dense, half, recut]}
    tables.write(WEIGHTS, other, tmp_path / "other")
    places = [str(tmp_path / "one"), str(tmp_path / "other")]
    assert lass(["table", "sweeps", *places]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {"one: mean of de-en, en-de", "other: mean of de-en"} <= {*lines}
    assert {"other: longer", "note"} <= {*lines}
    # masks that were cut at another ratio than was searched are no point of the line
    named = {line.split("  ")[0]: line.split()[-3:] for line in lines}
    assert named["other gradient-oneshot (recut)"] == ["15.00", "–", "16.50"]


def test_sweeps_of_losses_and_of_other_text(record, tmp_path, capsys):
    both = [str(tmp_path / name) for name in ("one", "other")]
    tables.write(WEIGHTS, record, tmp_path / "one")
    tables.write(WEIGHTS, {**record, "text": "tokenised"}, tmp_path / "other")
    assert lass(["table", "sweeps", *both]) == 1
    assert "has scored detokenised text and other tokenised" in capsys.readouterr().err
    assert lass(["table", "sweeps", both[0]]) == 0
    assert "trained as long without masks" in capsys.readouterr().out
    for row in record["variants"]:
        row["averages"] = {"all": {"loss": 3.5}}
    for place in both:
        WEIGHTS.form.write(f"{place}/sweep.json", record)
    assert lass(["table", "sweeps", *both]) == 0
    assert "0: the dense base, not trained on" in capsys.readouterr().out
