"""Variants of a sweep over allocations; its tables and curves, by hand."""

import csv
import io
import json
from dataclasses import fields, replace

import pytest
import torch

from lass_plugin.errors import LassError
from lass_plugin.evaluation.comparison import PairScores, Report, SystemScores
from lass_plugin.evaluation.metrics import Score
from lass_plugin.evaluation.significance import Difference
from lass_plugin.experiments.sweeps import neuron_sweep, tables
from lass_plugin.experiments.sweeps.neuron_sweep import NEURONS, NeuronSweep, series
from lass_plugin.experiments.sweeps.settings import Axes, NeuronVariant
from lass_plugin.experiments.sweeps.variants import parse_numbers
from lass_plugin.masks import MaskSet, Provenance
from lass_plugin.masks.neurons import neuron_mask
from lass_plugin.neurons.settings import Rule

DENSE = NeuronVariant()


def at(threshold=0.7, general=0.9, by="pair", criterion="taylor") -> NeuronVariant:
    return NeuronVariant(Rule(general, threshold, by, criterion))


# -- variants --------------------------------------------------------------------


def test_one_thing_is_varied_at_a_time_as_in_the_paper():
    axes = Axes(
        criteria=("taylor", "absolute"),
        general=(0.8, 0.9),
        thresholds=(0.0, 0.7),
        by=("pair", "separate"),
    )
    assert axes.variants() == [
        *(DENSE, at(0.0), at(0.7)),
        *(at(0.0, criterion="absolute"), at(0.7, criterion="absolute")),
        *(at(general=0.8), at(by="separate")),
    ]


def test_the_paper_s_own_sweep_by_default():
    found = Axes().variants()
    assert [variant.name for variant in found] == [
        "dense",
        *(f"taylor-pair-rho0.9-k{number / 10:g}" for number in range(11)),
        *("taylor-pair-rho0.8-k0.7", "taylor-pair-rho0.95-k0.7"),
    ]


def test_where_a_default_was_not_asked_for_the_first_stands_in():
    axes = Axes(
        criteria=("absolute",),
        general=(0.5, 0.6),
        thresholds=(0.2, 0.4),
        by=("target",),
    )
    assert axes.centre == Rule(0.5, 0.2, "target", "absolute")
    assert axes.variants()[1:] == [
        at(k, rho, "target", "absolute")
        for k, rho in ((0.2, 0.5), (0.4, 0.5), (0.2, 0.6))
    ]


def test_a_grid_is_everything_with_everything():
    axes = Axes(("taylor", "absolute"), (0.8, 0.9), (0.0, 0.5, 1.0), ("pair", "source"))
    found = replace(axes, grid=True).variants()
    assert len(found) == len(set(found)) == 1 + 2 * 2 * 3 * 2
    assert len({variant.name for variant in found}) == len(found)
    assert at(1.0, 0.8, "source", "absolute") in found


def test_masks_of_another_average_have_another_folder():
    tokens, sentences = (NeuronVariant(Rule(average=a)) for a in ("token", "sentence"))
    assert tokens.name != sentences.name


@pytest.mark.parametrize(
    "axes, words",
    [
        (Axes(thresholds=(0.5, 0.5)), "--thresholds names 0.5 twice"),
        (Axes(by=("pair", "pair")), "--by names pair twice"),
        (Axes(thresholds=(0.5, 1.5)), "--threshold 1.5 is not between 0 and 1"),
        (Axes(general=(0.0,)), "--general 0 is not a share"),
        (Axes(general=(0.8, 0.9, 1.2)), "--general 1.2 is not a share"),
        (Axes(by=("family",)), "--by family is unknown"),
    ],
)
def test_values_out_of_range_are_refused(axes, words):
    with pytest.raises(LassError, match=words):
        axes.check()


def test_thresholds_may_be_one():
    assert parse_numbers("--thresholds", "0:1", "thresholds") == tuple(
        number / 10 for number in range(11)
    )
    with pytest.raises(LassError, match="--thresholds high is no list of thresholds"):
        parse_numbers("--thresholds", "high", "thresholds")


# -- variants that keep the same neurons -----------------------------------------


def masks_of(*rows) -> MaskSet:
    """A row of zeros and ones for each of two pairs."""
    return MaskSet(
        neuron_mask(
            pair,
            {"encoder.layers.0.fc1": torch.tensor(row, dtype=torch.bool)},
            Provenance("taylor", None, "neurons"),
        )
        for pair, row in zip(("de-en", "en-de"), rows, strict=True)
    )


ALL, SOME, OTHER = (
    masks_of([1, 1, 1, 1], [1, 1, 1, 1]),
    masks_of([1, 1, 1, 0], [1, 1, 1, 1]),
    masks_of([1, 1, 1, 1], [1, 1, 1, 0]),
)


def test_the_first_of_the_same_is_run_and_all_neurons_are_the_baseline():
    masks = {
        DENSE: None,
        at(0.0): ALL,
        at(0.4): SOME,
        at(0.5): SOME,
        at(0.6): OTHER,
    }
    assert first_of_same(masks) == {
        DENSE: DENSE,
        at(0.0): DENSE,
        at(0.4): at(0.4),
        at(0.5): at(0.4),
        at(0.6): at(0.6),
    }


# -- tables and curves -----------------------------------------------------------


def pair_scores(bleu: float, baseline: float | None = None) -> PairScores:
    scores = {name: Score(name, bleu, f"{name}|sig") for name in ("BLEU", "chrF")}
    differences = {}
    if baseline is not None:
        difference = _difference(bleu, baseline)
        differences = {name: difference for name in scores}
    return PairScores(3, scores, differences)


def _difference(bleu: float, baseline: float) -> Difference:
    values = {item.name: 0 for item in fields(Difference)}
    return Difference(**{**values, "delta": bleu - baseline})


MASKS = {
    DENSE: None,
    at(0.0): ALL,
    at(0.5): SOME,
    at(0.7): OTHER,
    at(0.5, criterion="absolute"): SOME,
    at(0.7, criterion="absolute"): SOME,
    at(general=0.5): SOME,
}
BLEU = {at(0.5): (22.0, 10.5), at(0.7): (23.0, 9.0)}
LOSSES = {
    "dense": {"de-en": 4.0, "en-de": 5.0},
    at(0.5).name: {"de-en": 4.5, "en-de": 5.5},
    at(0.7).name: {"de-en": 4.25, "en-de": 5.25},
}


def first_of_same(masks) -> dict:
    return NeuronSweep.first_of_same(None, masks)


def record_of(losses, report, notes=()) -> dict:
    rows = []
    for variant, first in first_of_same(MASKS).items():
        masks = MASKS[variant]
        described = NeuronSweep.describe(None, variant, masks, first)
        row = tables.row_of(variant, described, first.name, masks, losses, report)
        rows.append(row)
    return NEURONS.form.mark(tables.record_of(rows, losses, report, notes))


@pytest.fixture
def record():
    pairs = ("de-en", "en-de")
    dense = (20.0, 10.0)
    systems = [
        SystemScores(
            "dense",
            "d.pt",
            None,
            dict(zip(pairs, map(pair_scores, dense), strict=True)),
        )
    ]
    for variant, bleu in BLEU.items():
        scores = dict(zip(pairs, map(pair_scores, bleu, dense), strict=True))
        systems.append(SystemScores(variant.name, "x.pt", "m", scores))
    report = Report("detokenised", tuple(systems), ("how it was translated",))
    return record_of({}, report, ["note"])


@pytest.fixture
def losses_only():
    return record_of(LOSSES, None)


def test_differences_and_wins_by_hand(record):
    rows = {row["name"]: row for row in record["variants"]}
    half = rows[at(0.5).name]
    assert half["averages"]["all"]["BLEU difference"] == pytest.approx(1.25)
    assert half["averages"]["X→en"]["BLEU"] == pytest.approx(22.0)
    assert (half["wins"]["BLEU"], rows[at(0.7).name]["wins"]["BLEU"]) == (2, 1)
    assert half["kept"] == {"de-en": 3, "en-de": 4}
    assert half["covered"] == {"de-en": 4, "en-de": 4}
    assert "wins" not in rows["dense"]


def test_what_was_not_run_again_has_the_figures_of_what_was(record):
    rows = {row["name"]: row for row in record["variants"]}
    same = rows[at(0.7, criterion="absolute").name]
    assert same["same_as"] == at(0.5).name
    assert same["scores"] == rows[at(0.5).name]["scores"]
    none = rows[at(0.0).name]
    assert none["same_as"] == "dense"
    assert none["averages"]["all"]["BLEU difference"] == 0.0
    assert none["wins"] == {"BLEU": 0, "chrF": 0}
    assert none["scores"] == rows["dense"]["scores"]


def test_a_series_differs_in_one_thing_only(record):
    found = series(record["variants"], "threshold")
    assert {
        dict(fixed)["criterion"]: [row["threshold"] for row in each]
        for fixed, each in found.items()
    } == {"taylor": [0.0, 0.5, 0.7], "absolute": [0.5, 0.7]}
    ((fixed, each),) = series(record["variants"], "general").items()
    assert dict(fixed) == {"criterion": "taylor", "by": "pair", "threshold": 0.7}
    assert [row["general"] for row in each] == [0.5, 0.9]
    assert series(record["variants"], "by") == {}


def test_markdown_has_the_curves_of_fig_4_and_the_table_3(record):
    lines = tables.to_markdown(NEURONS, record).splitlines()
    assert "| k | taylor | absolute |" in lines
    assert "| 0 | +0.000 |  |" in lines
    assert "| 0.7 | +1.000 | +1.250 |" in lines
    assert "Over ρ at criterion taylor, allocated to pair, k 0.7: BLEU." in lines
    place = lines.index("| ρ | de-en | en-de | mean |")
    assert lines[place + 2 : place + 5] == [
        "| dense | 20.00 | 10.00 | 15.00 |",
        "| 0.5 | 22.00 | 10.50 | 16.25 |",
        "| 0.9 | 23.00 | 9.00 | 16.00 |",
    ]
    (row,) = (line for line in lines if line.startswith(f"| {at(0.7).name} "))
    assert row.startswith(f"| {at(0.7).name} | taylor | pair | 0.9 | 0.7 | 87.5% |")
    assert row.endswith("| +1.00 | +1.00 | 1/2 | 1/2 |")
    assert f"{at(0.0).name} as dense" in "\n".join(lines)
    widths = {line.count("|") for line in lines if line.startswith("| taylor-")}
    assert len(widths) == 1


def test_csv_has_the_rule_of_every_line(record):
    rows = list(csv.DictReader(io.StringIO(tables.to_csv(NEURONS, record))))
    found = {(row["variant"], row["pairs"]): row for row in rows}
    row = found[at(0.7).name, "en-de"]
    assert (row["criterion"], row["by"]) == ("taylor", "pair")
    assert (row["general"], row["threshold"]) == ("0.9", "0.7")
    assert (row["BLEU"], row["BLEU_difference"]) == ("9.000000", "-1.000000")
    assert found[at(0.0).name, "all"]["same_as"] == "dense"
    assert found["dense", "all"]["criterion"] == ""


def test_losses_alone_make_the_same_tables(losses_only):
    text = tables.to_markdown(NEURONS, losses_only)
    assert "| 0.5 | 5.000 | 5.000 |" in text
    assert "| 0.9 | 4.250 | 5.250 | 4.750 |" in text
    assert "before any joint training" in text
    assert "BLEU" not in text


@pytest.mark.parametrize("which, level", [("record", "BLEU"), ("losses_only", "bits")])
def test_pictures_are_made_from_the_file_beside_them(which, level, tmp_path, request):
    written = tables.write(NEURONS, request.getfixturevalue(which), tmp_path)
    assert [path.name for path in written] == [
        *("sweep.json", "sweep.csv", "sweep.md"),
        *("sweep.threshold.png", "sweep.threshold.svg"),
        *("sweep.general.png", "sweep.general.svg"),
    ]
    svg = (tmp_path / "sweep.threshold.svg").read_bytes()
    for word in ("dense", "taylor", "absolute", "k (Eq. 9)", level):
        assert word.encode() in svg
    (tmp_path / "sweep.threshold.svg").unlink()
    tables.draw(NEURONS, tmp_path / "sweep.json")
    assert (tmp_path / "sweep.threshold.svg").read_bytes() == svg


def test_bars_of_each_pair_by_what_neurons_belong_to(record, tmp_path, monkeypatch):
    drawn = {}
    real = neuron_sweep.draw_bars

    def draw(labels, series, *words):
        drawn.update(labels=labels, series=series)
        return real(labels, series, *words)

    monkeypatch.setattr(neuron_sweep, "draw_bars", draw)
    rows = {row["name"]: row for row in record["variants"]}
    other = {**rows[at(0.5).name], "name": "other", "by": "target", "threshold": 0.7}
    record["variants"].append(other)
    written = tables.write(NEURONS, record, tmp_path)
    assert [path.name for path in written[-2:]] == ["sweep.by.png", "sweep.by.svg"]
    assert drawn["labels"] == ["de-en", "en-de"]
    assert drawn["series"] == {
        "by pair": pytest.approx([3.0, -1.0]),
        "by target": pytest.approx([2.0, 0.5]),
    }


@pytest.mark.parametrize("change", [{"version": 9}, {"format": "?"}, {"variants": []}])
def test_another_file_is_refused(record, tmp_path, change):
    (tmp_path / "x.json").write_text(json.dumps({**record, **change}))
    with pytest.raises(LassError, match="is (not )?a sweep.json of .lass neurons sw"):
        tables.draw(NEURONS, tmp_path / "x.json")
