"""``lass table seeds``: mean and spread over runs, by hand."""

import json
from statistics import stdev

import pytest
from made_up_reports import report_of

from lass_plugin.cli.main import main
from lass_plugin.errors import LassError
from lass_plugin.evaluation import report_file
from lass_plugin.tables.compared_reports import LabelledReport
from lass_plugin.tables.seed_tables import runs_of, seed_table

BASE = {"en-de": 5.0, "de-en": 6.0}
DENSE = ({"en-de": 10.0, "de-en": 20.0}, {"en-de": 12.0, "de-en": 20.0})
MASKED = ({"en-de": 13.0, "de-en": 20.5}, {"en-de": 12.5, "de-en": 18.0})


@pytest.fixture
def folders(tmp_path):
    """Two seeds of two systems, the base of both, and a system of the first alone."""
    for seed, (dense, masked) in enumerate(zip(DENSE, MASKED, strict=True), 1):
        more = {"once": {"en-de": 11.0, "de-en": 21.0}} if seed == 1 else {}
        report = report_of(dense=dense, masked=masked, base=BASE, **more)
        folder = tmp_path / f"seed{seed}"
        folder.mkdir()
        report_file.write(report, folder)
    return [tmp_path / "seed1", tmp_path / "seed2"]


def seeds_of(folders, **options):
    return runs_of([LabelledReport.read(folder) for folder in folders], **options)


def records(table, name):
    return {r["group"]: r for r in table.records if r["system"] == name}


def test_means_and_deviations_are_those_of_the_runs(folders):
    table = seed_table(seeds_of(folders), "BLEU")
    masked = records(table, "masked")
    assert masked["all"]["mean"] == pytest.approx((16.75 + 15.25) / 2)
    assert masked["all"]["deviation"] == pytest.approx(stdev((16.75, 15.25)))
    assert masked["en→X"]["difference"] == pytest.approx((3.0 + 0.5) / 2)
    assert masked["en→X"]["difference_deviation"] == pytest.approx(stdev((3.0, 0.5)))
    assert masked["X→en"]["runs_better"] == 1
    assert masked["all"]["each"] == "16.7500 15.2500"
    # of the four differences +3.0, +.5, +.5, −2.0 those above a point have p = .01
    row = next(row for row in table.rows if row[0] == "masked")
    assert row[1] == "16.00 ± 1.06" and row[-2:] == ("1, 1 of 4", "2")


def test_what_is_one_model_in_all_runs_has_no_spread(folders):
    table = seed_table(seeds_of(folders), "BLEU")
    base = next(row for row in table.rows if row[0] == "base")
    assert base[1] == "5.50" and base[-1] == "1"
    # its Δ has a spread all the same, that of the baselines
    assert "±" in base[4] and "n is 1, too, of one model in" in table.notes[1]
    found = records(table, "base")["all"]
    assert found["deviation"] is None and found["seeds"] == 1
    assert found["difference_deviation"] == pytest.approx(stdev((-9.5, -10.5)))


def test_the_order_of_the_pairs_does_not_matter(folders, tmp_path):
    turned = [dict(reversed(of[1].items())) for of in (DENSE, MASKED)]
    report_file.write(report_of(dense=turned[0], masked=turned[1]), tmp_path)
    table = seed_table(seeds_of([folders[0], f"seed2={tmp_path}"]), "BLEU")
    whole = seed_table(seeds_of(folders), "BLEU")
    assert records(table, "masked") == records(whole, "masked")


def test_a_system_of_some_runs_is_compared_within_these(folders):
    table = seed_table(seeds_of(folders), "BLEU")
    once = records(table, "once")["all"]
    assert (once["seeds"], once["difference"]) == (1, 1.0)
    dense = next(row for row in table.rows if row[0] == "dense")
    assert dense[4:7] == ("–", "–", "–")


def test_what_was_not_tested_is_not_counted_as_without_a_difference(folders):
    table = seed_table(seeds_of(folders, baseline="base"), "BLEU")
    assert {row[0]: row[-2] for row in table.rows} == {
        "base": "–",
        "dense": "–",  # the reports compare with dense
        "masked": "–",
        "once": "–",
    }


def test_runs_that_share_the_baseline_alone_are_two_runs(tmp_path):
    for name in ("one", "other"):
        report = report_of(base=BASE, **{name: DENSE[0]})
        report_file.write(report, tmp_path / name)
    seeds = seeds_of([tmp_path / "one", tmp_path / "other"])
    assert seeds.names == ["base", "one", "other"]
    report = report_of(base=BASE, one=DENSE[0], more=DENSE[1])
    report_file.write(report, tmp_path / "more")
    with pytest.raises(LassError, match="one and more hold the same models"):
        seeds_of([tmp_path / "one", tmp_path / "more"])


def test_the_command_writes_each_metric(folders, tmp_path, capsys):
    words = ["table", "seeds", *map(str, folders), "--out", str(tmp_path / "out")]
    assert main(words) == 0
    assert "BLEU over 2 runs" in capsys.readouterr().out
    made = json.loads((tmp_path / "out" / "table-seeds.json").read_text())
    assert [table["name"] for table in made["tables"]] == ["seeds.bleu", "seeds.chrf"]
    assert made["baseline"] == "dense"


def test_another_order_of_systems_and_baseline(folders):
    seeds = seeds_of(folders, baseline="base", systems=["masked", "base"])
    assert seeds.names == ["base", "masked"]
    found = records(seed_table(seeds, "BLEU"), "masked")
    assert found["all"]["difference"] == pytest.approx((11.25 + 9.75) / 2)


class TestBadInput:
    def test_one_report(self, folders):
        with pytest.raises(LassError, match="two reports or more"):
            seeds_of(folders[:1])

    def test_the_same_run_twice(self, folders):
        again = f"again={folders[0]}"
        with pytest.raises(LassError, match="seed1 and again hold the same models"):
            seeds_of([folders[0], again])

    def test_two_of_one_label(self, folders):
        with pytest.raises(LassError, match="two reports are called 'a'"):
            seeds_of([f"a={folder}" for folder in folders])

    def test_no_baseline_in_one(self, folders):
        with pytest.raises(LassError, match="seed2 has no system 'once'"):
            seeds_of(folders, baseline="once")

    def test_an_unknown_system(self, folders):
        with pytest.raises(LassError, match="no report has a system 'mask'"):
            seeds_of(folders, systems=["mask"])

    def test_other_pairs(self, folders, tmp_path):
        report = report_of(dense={"en-de": 1.0}, masked={"en-de": 2.0})
        report_file.write(report, tmp_path)
        with pytest.raises(LassError, match="are not of one test set"):
            seeds_of([folders[0], f"other={tmp_path}"])

    def test_a_metric_that_is_not_there(self, folders):
        with pytest.raises(LassError, match="not every report has COMET"):
            seed_table(seeds_of(folders), "COMET")
