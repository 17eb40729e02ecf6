"""Allocation of neurons: Eq. 1 and 9, their variants, and budgets."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lass_plugin.errors import LassError
from lass_plugin.languages import keys_of
from lass_plugin.masks import load_masks
from lass_plugin.neurons.allocation import (
    allocate,
    read_allocation,
    write_allocation,
)
from lass_plugin.neurons.budget import Budget, Costs
from lass_plugin.neurons.importance import Counts, Importance, load_importance
from lass_plugin.neurons.settings import Rule
from lass_plugin.scores.neuron import CRITERIA

FC1, FC2 = "encoder.layers.0.fc1", "decoder.layers.0.fc2"


def importance_of(rows, pairs, sites=(FC1,)) -> Importance:
    """The same sums at every site; one token and one sentence a pair."""
    values = torch.tensor(rows, dtype=torch.float64)
    sums = {name: {site: values.clone() for site in sites} for name in CRITERIA}
    sides = {site: "source" if "encoder" in site else "target" for site in sites}
    counts = {pair: Counts(1, 1, 1) for pair in pairs}
    return Importance(sums, counts, sides, dict.fromkeys(sites, 0.0))


def kept(allocation, pair, site=FC1):
    return allocation.kept[pair][site].int().tolist()


def test_by_hand():
    importance = importance_of(
        [[9.0, 1.0, 4.0, 0.0], [9.0, 2.0, 1.0, 0.0]], ["de-en", "en-de"]
    )
    allocation = allocate(importance, Rule(general=0.25, threshold=0.6))
    assert allocation.general[FC1].int().tolist() == [1, 0, 0, 0]
    # Θ / max: 1/2 and 1; 1 and 1/4; a neuron that nobody needs belongs to all
    assert kept(allocation, "de-en") == [1, 0, 1, 1]
    assert kept(allocation, "en-de") == [1, 1, 0, 1]
    lower = allocate(importance, Rule(general=0.25, threshold=0.5))
    assert kept(lower, "de-en") == [1, 1, 1, 1]


def test_the_ends_of_k_are_what_the_paper_says_of_them():
    rows = torch.rand(3, 8, dtype=torch.float64).tolist()
    pairs = ["a-b", "b-a", "a-c"]
    importance = importance_of(rows, pairs)
    everything = allocate(importance, Rule(general=0.5, threshold=0.0))
    assert all(sum(kept(everything, pair)) == 8 for pair in pairs)
    alone = allocate(importance, Rule(general=0.5, threshold=1.0))
    best = torch.tensor(rows).argmax(dim=0)
    for number, pair in enumerate(pairs):
        specific = alone.specific(pair, FC1)
        assert torch.equal(specific, (best == number) & ~alone.general[FC1])


@settings(max_examples=60)
@given(
    st.integers(1, 5),
    st.integers(1, 12),
    st.floats(0.05, 1.0),
    st.floats(0.0, 1.0),
    st.integers(0, 2**16),
)
def test_it_is_the_slow_loop_of_the_equations(pairs, neurons, rho, k, seed):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.rand(pairs, neurons, generator=generator, dtype=torch.float64)
    names = [f"x{number}-y" for number in range(pairs)]
    rule = Rule(general=rho, threshold=k)
    if round(rho * neurons) < 1:
        with pytest.raises(LassError, match="without a general neuron"):
            allocate(importance_of(rows.tolist(), names), rule)
        return
    allocation = allocate(importance_of(rows.tolist(), names), rule)
    mean = rows.mean(dim=0).tolist()
    order = sorted(range(neurons), key=lambda i: mean[i], reverse=True)
    general = set(order[: round(rho * neurons)])
    for number, name in enumerate(names):
        for i in range(neurons):
            most = max(float(row[i]) for row in rows)
            own = float(rows[number][i]) / most >= k
            assert bool(allocation.kept[name][FC1][i]) == (i in general or own)
    for i in general:
        assert bool(allocation.general[FC1][i])


def test_ties_go_by_index():
    importance = importance_of([[1.0] * 6], ["a-b"])
    general = allocate(importance, Rule(general=0.5)).general[FC1]
    assert general.int().tolist() == [0, 0, 0, 1, 1, 1]


def test_variants_share_by_source_target_or_both():
    assert keys_of("de-en", "separate") == ("de", "en")
    pairs = ["de-en", "de-nl", "nl-en"]
    rows = [[4.0, 0.0, 1.0, 9.0], [2.0, 0.0, 3.0, 9.0], [0.0, 6.0, 3.0, 9.0]]
    importance = importance_of(rows, pairs, (FC1, FC2))
    by_source = allocate(importance, Rule(0.25, 0.9, "source"))
    # de: mean of the first two rows [3, 0, 2, 9]; nl: [0, 6, 3, 9]
    for site in (FC1, FC2):
        assert kept(by_source, "de-en", site) == [1, 0, 0, 1]
        assert kept(by_source, "de-nl", site) == [1, 0, 0, 1]
        assert kept(by_source, "nl-en", site) == [0, 1, 1, 1]
    by_target = allocate(importance, Rule(0.25, 0.9, "target"))
    # en: [2, 3, 2, 9]; nl: [2, 0, 3, 9]
    assert kept(by_target, "de-en") == kept(by_target, "nl-en") == [1, 1, 0, 1]
    assert kept(by_target, "de-nl") == [1, 0, 1, 1]
    separate = allocate(importance, Rule(0.25, 0.9, "separate"))
    for pair in pairs:
        assert kept(separate, pair, FC1) == kept(by_source, pair, FC1)
        assert kept(separate, pair, FC2) == kept(by_target, pair, FC2)


def test_the_mean_of_eq_1_is_over_keys_not_pairs():
    """Three pairs of one source do not outvote one pair of another."""
    pairs = ["a-x", "a-y", "a-z", "b-x"]
    rows = [[2.0, 0.0]] * 3 + [[0.0, 3.0]]
    general = allocate(importance_of(rows, pairs), Rule(0.5, 0.5, "source")).general
    assert general[FC1].int().tolist() == [0, 1]


@pytest.mark.parametrize(
    "rule, words",
    [
        (Rule(general=0.0), "--general 0 is not a share"),
        (Rule(general=1.1), "--general 1.1 is not a share"),
        (Rule(general=float("nan")), "--general nan"),
        (Rule(threshold=-0.1), "--threshold -0.1 is not between 0 and 1"),
        (Rule(threshold=float("nan")), "--threshold nan"),
        (Rule(by="family"), "--by family is unknown; choose from pair, source"),
        (Rule(criterion="fisher"), "unknown criterion 'fisher'"),
        (Rule(general=0.1), "leaves encoder.layers.0.fc1 .2 neurons. without"),
    ],
)
def test_rules_out_of_range(rule, words):
    with pytest.raises(LassError, match=words):
        allocate(importance_of([[1.0, 2.0]], ["a-b"]), rule)


SHAPES = {
    "encoder.layers.0.fc1.weight": (6, 2),
    "encoder.layers.0.fc1.bias": (6,),
    "encoder.layers.0.fc2.weight": (2, 6),
}


def test_costs_by_hand():
    costs = Costs({FC1: 6}, SHAPES)
    counts = Counts(2, 10, 99)
    assert costs.dense(counts, "parameters") == 12 + 6 + 12
    assert float(costs.of({FC1: 3}, counts, "parameters")) == 15
    # 2 operations a weight and source token, 5 tokens a sentence
    assert float(costs.of({FC1: 3}, counts, "flops")) == 15 * 2 * 5


def test_weights_between_two_kinds_of_neurons_are_a_product():
    shapes = {**SHAPES, "encoder.layers.0.fc2.bias": (2,)}
    costs = Costs({FC1: 6, "encoder.layers.0.fc2": 2}, shapes)
    half = costs.of({FC1: 3, "encoder.layers.0.fc2": 1}, Counts(1, 1, 1), "parameters")
    assert float(half) == 6 + 3 + 3 + 1


@settings(max_examples=60)
@given(
    st.floats(0.34, 1.0),
    st.integers(0, 2**16),
    st.sampled_from(("parameters", "flops")),
)
def test_a_budget_is_used_up_and_never_exceeded(share, seed, kind):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.rand(3, 6, generator=generator, dtype=torch.float64)
    pairs = ["a-b", "b-a", "a-c"]
    costs = Costs({FC1: 6}, SHAPES)
    budget = Budget(share, kind, costs)
    allocation = allocate(
        importance_of(rows.tolist(), pairs), Rule(general=1 / 3), budget
    )
    for number, pair in enumerate(pairs):
        count = int(allocation.kept[pair][FC1].sum())
        assert count / 6 <= share
        assert count == 6 or (count + 1) / 6 > share
        # what is left out is needed less, compared with others, than what is taken
        relative = rows[number] / rows.max(dim=0).values
        taken = relative[allocation.specific(pair, FC1)]
        left = relative[~allocation.kept[pair][FC1]]
        if len(taken) and len(left):
            assert float(taken.min()) >= float(left.max())


def test_budgets_that_cannot_be_kept():
    importance = importance_of([[1.0] * 6], ["a-b"])
    costs = Costs({FC1: 6}, SHAPES)
    with pytest.raises(LassError, match="general neurons alone take 50.0% of the para"):
        allocate(importance, Rule(general=0.5), Budget(0.4, "parameters", costs))
    with pytest.raises(LassError, match="does not go with --by source"):
        allocate(importance, Rule(by="source"), Budget(0.5, "parameters", costs))
    with pytest.raises(LassError, match="--budget 1.5 is not a share"):
        allocate(importance, Rule(general=0.5), Budget(1.5, "parameters", costs))
    with pytest.raises(LassError, match="--budget-of time is none of"):
        allocate(importance, Rule(general=0.5), Budget(0.9, "time", costs))


def test_of_what_a_pair_needs_most_it_gets_what_it_is_furthest_ahead_in():
    rows = [[9.0, 8.0, 4.0, 6.0, 5.0, 0.0], [9.0, 8.0, 1.0, 5.0, 4.0, 3.0]]
    importance = importance_of(rows, ["a-b", "b-a"])
    costs = Costs({FC1: 6}, SHAPES)
    # four of six; of 2, 3 and 4, where a-b is first, it is furthest ahead in 2
    allocation = allocate(
        importance, Rule(general=1 / 3), Budget(0.5, "parameters", costs)
    )
    assert kept(allocation, "a-b") == [1, 1, 1, 0, 0, 0]
    assert allocation.thresholds["a-b"] == 1.0
    more = allocate(importance, Rule(general=1 / 3), Budget(0.7, "parameters", costs))
    assert kept(more, "a-b") == [1, 1, 1, 0, 1, 0]
    assert kept(more, "b-a") == [1, 1, 0, 1, 0, 1]
    assert more.thresholds["b-a"] == pytest.approx(5 / 6)
    none = allocate(importance, Rule(general=1 / 3), Budget(0.34, "parameters", costs))
    assert kept(none, "b-a") == [1, 1, 0, 0, 0, 0]


def test_masks_and_importance_are_written_together(tmp_path):
    importance = importance_of([[9.0, 1.0], [1.0, 9.0]], ["de-en", "en-de"], (FC1, FC2))
    allocation = allocate(importance, Rule(general=0.5, threshold=0.7))
    write_allocation(tmp_path, allocation, importance)
    masks = load_masks(tmp_path)
    assert list(masks) == ["de-en", "en-de"]
    assert masks["de-en"].provenance.note == "general 0.5, threshold 0.7"
    assert masks["de-en"].unpack(FC2).tolist() == allocation.kept["de-en"][FC2].tolist()
    back = read_allocation(tmp_path)
    assert back.rule == allocation.rule and back.thresholds == allocation.thresholds
    for site in (FC1, FC2):
        assert torch.equal(back.general[site], allocation.general[site])
        assert torch.equal(back.kept["en-de"][site], allocation.kept["en-de"][site])
    again = allocate(load_importance(tmp_path / "importance"), Rule(0.5, 0.0))
    assert kept(again, "de-en") == [1, 1]
    (tmp_path / "fr-en.safetensors").touch()
    with pytest.raises(LassError, match="fr-en.safetensors, a mask of another set"):
        write_allocation(tmp_path, allocation, importance)


def test_a_record_with_a_rule_out_of_range(tmp_path):
    importance = importance_of([[9.0, 1.0]], ["de-en"])
    write_allocation(tmp_path, allocate(importance, Rule(general=0.5)), importance)
    path = tmp_path / "allocation.json"
    path.write_text(path.read_text().replace('"general": 0.5', '"general": 7'))
    with pytest.raises(LassError, match="allocation.json: --general 7 is not a share"):
        read_allocation(tmp_path)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": "x", "version": 1}'])
def test_a_record_that_is_damaged_or_missing(tmp_path, content):
    importance = importance_of([[9.0, 1.0]], ["de-en"])
    write_allocation(tmp_path, allocate(importance, Rule(general=0.5)), importance)
    (tmp_path / "allocation.json").write_text(content)
    with pytest.raises(LassError, match="is not an allocation.json of .*write it"):
        read_allocation(tmp_path)
    (tmp_path / "allocation.json").unlink()
    with pytest.raises(LassError, match="there is no .*allocation.json; give a folder"):
        read_allocation(tmp_path)
