"""Importance of neurons compared between pairs: rank correlation, peaks, files."""

import csv
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lass_plugin.analysis.similarity_files import read_similarity
from lass_plugin.anatomy.components import WHOLE
from lass_plugin.errors import LassError
from lass_plugin.neurons.importance import Counts, Importance
from lass_plugin.neurons.importance_curves import (
    Comparison,
    compare_pairs,
    compare_parts,
    draw_correlations,
    draw_importance,
    sites_to_draw,
    spearman,
    write_comparison,
)
from lass_plugin.scores.neuron import CRITERIA

FC1, FC2 = "encoder.layers.1.fc1", "decoder.layers.1.fc2"
EARLY, HEADS = "encoder.layers.0.fc1", "decoder.layers.1.self_attn.heads"
PAIRS = ("de-en", "en-de", "nl-en")
CURVES, CORRELATION = "importance_curves.json", "importance_correlation.json"


def test_ranks_by_hand():
    """Equal values share the mean of their ranks."""
    values = np.array([[3.0, 1.0, 3.0, 9.0], [2.5, 1.0, 2.5, 4.0]])
    assert spearman(values).tolist() == [[1.0, 1.0], [1.0, 1.0]]
    found = spearman(np.array([[3.0, 1.0, 3.0, 9.0], [1.0, 2.0, 3.0, 4.0]]))
    # 2.5, 1, 2.5, 4 and 1, 2, 3, 4: Σxy = 3, Σx² = 4.5, Σy² = 5
    assert found[0, 1] == pytest.approx(3 / 22.5**0.5, abs=1e-15)


def test_spearman_by_hand():
    values = np.array([[1.0, 2, 3, 4, 5], [5, 6, 7, 8, 7], [9, 4, 3, 2, 0]])
    found = spearman(values)
    # ranks of the second: 1, 2, 3.5, 5, 3.5; Σxy = 8, Σx² = 10, Σy² = 9.5
    assert found[0, 1] == pytest.approx(8 / 95**0.5, abs=1e-15)
    assert found[0, 2] == -1.0
    assert np.array_equal(found, found.T) and np.diagonal(found).tolist() == [1, 1, 1]


def test_a_pair_to_which_all_neurons_are_alike_has_no_correlation():
    found = spearman(np.array([[1.0, 2.0, 3.0], [7.0, 7.0, 7.0]]))
    assert found[0, 0] == 1.0
    assert np.isnan(found[0, 1]) and np.isnan(found[1, 0]) and np.isnan(found[1, 1])


@settings(max_examples=40)
@given(st.integers(2, 30), st.integers(1, 6), st.integers(0, 2**16))
def test_spearman_is_that_of_scipy(neurons, levels, seed):
    stats = pytest.importorskip("scipy.stats")
    rows = np.random.default_rng(seed).integers(0, levels + 1, (3, neurons)) / 7
    found = spearman(rows)
    for i in range(3):
        for j in range(3):
            if len(set(rows[i])) == 1 or len(set(rows[j])) == 1:
                assert np.isnan(found[i, j])
            else:
                expected = stats.spearmanr(rows[i], rows[j]).statistic
                assert found[i, j] == pytest.approx(expected, abs=1e-12)


def test_within_sites_and_in_one_ranking():
    """What one site has more of than the other is common to all pairs."""
    theta = {
        FC1: np.array([[1.0, 2.0], [2.0, 1.0]]),
        FC2: np.array([[11.0, 12.0], [12.0, 11.0]]),
    }
    found = compare_parts(theta, {WHOLE: [FC1, FC2]}, PAIRS[:2])[WHOLE]
    assert found.neurons == 4
    assert found.within[0, 1] == -1.0
    # ranks 1 2 3 4 and 2 1 4 3: 1 - 6 · 4 / (4 · 15)
    assert found.together[0, 1] == pytest.approx(0.6)


def test_sites_count_by_their_neurons_and_only_where_defined():
    theta = {
        FC1: np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 1.0]]),
        FC2: np.array([np.arange(6.0), np.arange(6.0), np.arange(6.0)[::-1]]),
    }
    found = compare_parts(theta, {WHOLE: [FC1, FC2], "one": [FC1]}, PAIRS[:3])
    assert found[WHOLE].within[0, 1] == pytest.approx((2 * -1 + 6 * 1) / 8)
    assert found[WHOLE].within[0, 2] == -1.0
    assert np.isnan(found["one"].within[0, 2])


def test_peaks_by_hand():
    theta = {
        FC1: np.array([[3.0, 1.0, 4.0, 0.0, 1.0], [1.0, 1.0, 2.0, 0.0, 0.0]]),
        FC2: np.array([[1.0], [5.0]]),
    }
    found = compare_parts(theta, {WHOLE: [FC1, FC2], "encoder": [FC1]}, PAIRS[:2])
    # twice the lowest is no peak; more than nothing is one
    assert found["encoder"].peaks == {"de-en": 2, "en-de": 0, "any": 2}
    assert found["encoder"].neurons == 5
    assert found[WHOLE].peaks == {"de-en": 2, "en-de": 1, "any": 3}
    assert found[WHOLE].neurons == 6


def importance_of(sites=(EARLY, FC1, FC2), pairs=PAIRS, neurons=6) -> Importance:
    generator = torch.Generator().manual_seed(3)
    sums = {
        name: {
            site: torch.rand(
                len(pairs), neurons, generator=generator, dtype=torch.float64
            )
            for site in sites
        }
        for name in CRITERIA
    }
    sides = {site: "source" if "encoder." in site else "target" for site in sites}
    counts = {pair: Counts(2, 10, 20) for pair in pairs}
    return Importance(sums, counts, sides, dict.fromkeys(sites, 0.0))


def test_theta_of_some_pairs():
    importance = importance_of()
    pairs = ["nl-en", "de-en"]
    theta = compare_pairs(importance, pairs, "absolute", "sentence").theta
    expected = importance.sums["absolute"][FC2][[2, 0]] / 2
    assert theta[FC2].tolist() == expected.tolist()


def test_the_default_sites_are_feed_forward_ones_of_the_last_layers():
    assert sites_to_draw(importance_of()) == [FC1, FC2]
    assert sites_to_draw(importance_of((EARLY, HEADS))) == [EARLY, HEADS]
    assert sites_to_draw(importance_of(), [EARLY, EARLY]) == [EARLY]


def test_what_the_importance_lacks():
    importance = importance_of()
    with pytest.raises(LassError, match=f"no site fc9; choose from {EARLY}, {FC1}"):
        sites_to_draw(importance, ["fc9"])
    with pytest.raises(
        LassError, match="is not of fr-en; it is of de-en, en-de, nl-en"
    ):
        compare_pairs(importance, ["de-en", "fr-en"])
    with pytest.raises(LassError, match="one pair only .de-en. and nothing to compare"):
        compare_pairs(importance, ["de-en"])
    with pytest.raises(LassError, match="one pair only"):
        compare_pairs(importance_of(pairs=("de-en",)))
    assert compare_pairs(importance).pairs == list(PAIRS)


@pytest.fixture
def comparison() -> Comparison:
    return compare_pairs(importance_of())


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_curves_are_written_as_they_are(comparison, tmp_path):
    written = write_comparison(comparison, [FC1, FC2], ["nl-en", "de-en"], tmp_path)
    assert all(path.stat().st_size > 100 for path in written)
    theta = comparison.theta
    text = (tmp_path / CURVES).read_text()
    assert len(text.splitlines()) < 20  # a pair of a site is one line
    record = json.loads(text)
    assert record["sites"][FC2] == theta[FC2][[2, 0]].tolist()
    rows = read(tmp_path / "importance_curves.csv")
    assert list(rows[0]) == ["site", "neuron", "nl-en", "de-en"]
    values = [float(row["de-en"]) for row in rows if row["site"] == FC1]
    assert values == theta[FC1][0].tolist()
    names = {path.name for path in written}
    assert "importance_curves.encoder-layers-1-fc1.svg" in names
    text = (tmp_path / "importance_curves.decoder-layers-1-fc2.svg").read_text()
    assert FC2 in text and "nl-en" in text and "en-de" not in text
    shares = {
        (r["part"], r["pair"]): r for r in read(tmp_path / "importance_peaks.csv")
    }
    any_pair = shares[WHOLE, "any"]
    count = comparison.parts[WHOLE].peaks["any"]
    assert int(any_pair["above_twice_the_lowest"]) == count
    assert float(any_pair["share"]) == count / 18


def test_correlations_are_read_as_similarity(comparison, tmp_path):
    write_comparison(comparison, [FC1], PAIRS, tmp_path)
    record = read_similarity(tmp_path / CORRELATION)
    assert record["keys"] == ["en-de", "de-en", "nl-en"]
    found = comparison.parts["encoder layer 1"].within
    expected = found[np.ix_([1, 0, 2], [1, 0, 2])]
    stored = record["parts"]["encoder layer 1"]["similarity"]
    assert stored.tolist() == expected.tolist()
    rows = read(tmp_path / "importance_correlation.csv")
    row = next(r for r in rows if (r["part"], r["second"]) == (WHOLE, "nl-en"))
    assert row["first"] == "en-de"
    whole = comparison.parts[WHOLE]
    assert float(row["within"]) == whole.within[1, 2]
    assert float(row["together"]) == whole.together[1, 2]


def test_a_part_without_correlation_is_in_the_table_only(tmp_path):
    theta = {FC1: np.ones((3, 4)), FC2: np.random.default_rng(1).random((3, 4))}
    write_comparison(Comparison(PAIRS, theta, "taylor"), [FC1], PAIRS, tmp_path)
    record = read_similarity(tmp_path / CORRELATION)
    assert "encoder" not in record["parts"] and "decoder" in record["parts"]
    rows = read(tmp_path / "importance_correlation.csv")
    assert {r["within"] for r in rows if r["part"] == "encoder"} == {""}


def test_a_long_site_goes_on_in_further_rows(tmp_path):
    data = tmp_path / CURVES
    sites = {FC1: [list(range(1030)), list(range(1030))]}
    data.write_text(json.dumps({"how": "h", "pairs": PAIRS[:2], "sites": sites}))
    _, svg = draw_importance(data)
    assert all(f"axes_{number}" in svg.read_text() for number in (1, 2, 3))
    assert "axes_4" not in svg.read_text()


def test_other_files_are_refused(tmp_path):
    (tmp_path / CURVES).write_text('{"how": "", "pairs": ["a-b"], "sites": 3}')
    with pytest.raises(LassError, match="is not an importance_curves.json"):
        draw_importance(tmp_path / CURVES)
    (tmp_path / CORRELATION).write_text('{"keys": 3}')
    with pytest.raises(LassError, match="is not an importance_correlation.json"):
        draw_correlations(tmp_path / CORRELATION)
