"""Specialised neurons (Tan 2024): counts of activations, and cumulative shares."""

import json
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import Run

from lass_plugin.errors import LassError
from lass_plugin.masks import MaskSet, Provenance
from lass_plugin.masks.neurons import neuron_mask
from lass_plugin.methods.subnetworks.joint import masked_weights
from lass_plugin.neurons import measuring
from lass_plugin.neurons.allocation import allocate, read_allocation, write_allocation
from lass_plugin.neurons.budget import Budget, Costs
from lass_plugin.neurons.importance import (
    Counts,
    Importance,
    add_parts,
    load_importance,
    save_importance,
)
from lass_plugin.neurons.layer_scores import spread_over_layers
from lass_plugin.neurons.recording import Recorder
from lass_plugin.neurons.settings import MEASURED, Rule
from lass_plugin.scores.neuron import ACTIVATION, CRITERIA
from lass_plugin.selection import keep_share

FC1 = "encoder.layers.0.fc1"
RULE = Rule(criterion=ACTIVATION, cumulative=0.9)


def counted(rows, pairs, criteria=CRITERIA, tokens=1) -> Importance:
    values = torch.tensor(rows, dtype=torch.float64)
    counts = {pair: Counts(1, tokens, tokens) for pair in pairs}
    sums = {name: {FC1: values.clone()} for name in criteria}
    return Importance(sums, counts, {FC1: "source"}, {FC1: 0.0})


def kept(scores, share) -> list[int]:
    found = keep_share(torch.tensor(scores, dtype=torch.float64), share)
    return found.int().tolist()


class TestShares:
    def test_by_hand(self):
        # 50, 50 + 30 and 50 + 30 + 15 of 100
        assert kept([15, 50, 5, 30], 0.5) == [0, 1, 0, 0]
        assert kept([15, 50, 5, 30], 0.51) == [0, 1, 0, 1]
        assert kept([15, 50, 5, 30], 0.8) == [0, 1, 0, 1]
        assert kept([15, 50, 5, 30], 0.95) == [1, 1, 0, 1]
        assert kept([15, 50, 5, 30], 0.951) == [1, 1, 1, 1]

    def test_of_equal_ones_those_with_the_highest_index_stay(self):
        assert kept([1, 1, 1, 1], 0.5) == [0, 0, 1, 1]
        assert kept([2, 1, 1, 1], 0.6) == [1, 0, 0, 1]

    def test_a_share_of_one_leaves_out_what_is_never_active_and_nothing_else(self):
        assert kept([1e-9, 0, 1e9, 0], 1.0) == [1, 0, 1, 0]

    def test_where_nothing_is_active_all_stay(self):
        assert kept([0, 0, 0], 0.5) == kept([0, 0, 0], 1.0) == [1, 1, 1]

    def test_a_sum_that_is_short_by_its_rounding_reaches_the_share(self):
        assert 0.07 * 100 > 7  # in floating point
        assert kept([7, *[1] * 93], 0.07) == [1, *[0] * 93]

    @pytest.mark.parametrize("value", [float("nan"), -1.0])
    def test_what_has_no_shares_is_refused(self, value):
        with pytest.raises(ValueError, match="negative or NaN"):
            kept([1.0, value], 0.5)

    @settings(max_examples=150)
    @given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.integers(1, 100))
    def test_no_smaller_set_reaches_it(self, scores, percent):
        """Every set is tried; exact fractions."""
        found = kept(scores, percent / 100)
        total = sum(scores)
        if not total:
            assert found == [1] * len(scores)
            return
        wanted = Fraction(percent, 100) * total
        own = [value for value, keep in zip(scores, found, strict=True) if keep]
        left = [value for value, keep in zip(scores, found, strict=True) if not keep]
        assert sum(own) >= wanted and min(own) >= max(left, default=0)
        smaller = combinations(scores, len(own) - 1)
        assert all(sum(each) < wanted for each in smaller)


class TestAllocation:
    def test_each_pair_has_its_own_and_general_is_what_all_have(self):
        rows = [[60, 30, 10, 0], [60, 0, 10, 30]]
        found = allocate(counted(rows, ["de-en", "en-de"]), RULE)
        own = {pair: found.kept[pair][FC1].int().tolist() for pair in found.kept}
        assert own == {"de-en": [1, 1, 0, 0], "en-de": [1, 0, 0, 1]}
        assert found.general[FC1].int().tolist() == [1, 0, 0, 0]
        assert found.count_specific("de-en") == 1
        (layer, *_) = spread_over_layers(found)
        assert (layer.specific, layer.nobodys) == (3, 1)
        assert layer.lscore("de-en") == pytest.approx(1 / 3)

    def test_one_key_of_several_pairs_has_the_mean_of_them(self):
        rows = [[90, 10, 0], [10, 90, 0], [0, 10, 90]]
        pairs = ["de-en", "de-nl", "nl-en"]
        found = allocate(counted(rows, pairs), replace(RULE, by="source"))
        own = [found.kept[pair][FC1].int().tolist() for pair in pairs]
        assert own == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]

    @pytest.mark.parametrize("share", [0.0, -0.5, 1.01, float("nan")])
    def test_a_share_outside_is_refused(self, share):
        with pytest.raises(LassError, match="--cumulative"):
            allocate(counted([[1.0]], ["de-en"]), replace(RULE, cumulative=share))

    def test_what_has_no_effect_beside_it_is_refused(self):
        of = counted([[1.0]], ["de-en"])
        for other in ({"general": 0.5}, {"threshold": 0.5}):
            with pytest.raises(LassError, match="no effect with --cumulative"):
                allocate(of, replace(RULE, **other))
        costs = Costs({FC1: 1}, {f"{FC1}.weight": (1, 1)})
        with pytest.raises(LassError, match="--budget and --cumulative exclude"):
            allocate(of, RULE, Budget(0.5, "parameters", costs))

    def test_it_is_read_as_it_was_written(self, tmp_path):
        of = counted([[60, 30, 10], [10, 60, 30]], ["de-en", "en-de"])
        allocation = allocate(of, RULE)
        write_allocation(tmp_path, allocation, of)
        again = read_allocation(tmp_path)
        assert again.rule == RULE and again.thresholds == allocation.thresholds
        for pair, sites in allocation.kept.items():
            assert torch.equal(again.kept[pair][FC1], sites[FC1])
        assert torch.equal(again.general[FC1], allocation.general[FC1])

    def test_that_of_an_earlier_release_is_read(self, tmp_path):
        of = counted([[60, 30], [10, 60]], ["de-en", "en-de"])
        write_allocation(tmp_path, allocate(of, Rule(general=0.5)), of)
        path = tmp_path / "allocation.json"
        record = json.loads(path.read_text())
        del record["cumulative"]
        record.pop("digest", None)
        record["version"] = 1
        path.write_text(json.dumps(record))
        assert read_allocation(tmp_path).rule == Rule(general=0.5)


class TestTheFile:
    OLD = tuple(each for each in CRITERIA if each != ACTIVATION)

    def test_the_criteria_of_the_options_are_those_that_there_are(self):
        assert MEASURED == CRITERIA

    def test_one_that_was_not_measured_is_refused_by_name(self, tmp_path):
        path = tmp_path / "importance.safetensors"
        save_importance(path, counted([[1.0, 2.0]], ["de-en"], self.OLD))
        found = load_importance(path)
        assert found.neurons == {FC1: 2} and list(found.sums) == list(self.OLD)
        with pytest.raises(LassError, match="without the criterion 'activation'"):
            allocate(found, RULE)
        allocate(found, Rule(general=0.5))

    def test_parts_that_an_earlier_release_began_have_what_all_of_them_have(self):
        parts = [
            counted([[1.0, 2.0]], ["de-en"], each) for each in (self.OLD, CRITERIA)
        ]
        for order in (parts, parts[::-1]):
            whole = add_parts(order)
            assert list(whole.sums) == list(self.OLD)
            assert whole.sums["absolute"][FC1].tolist() == [[2.0, 4.0]]

    def test_counts_alone(self, tmp_path):
        path = tmp_path / "importance.safetensors"
        save_importance(path, counted([[1.0, 2.0]], ["de-en"], (ACTIVATION,)))
        assert list(load_importance(path).sums) == [ACTIVATION]


@pytest.fixture(scope="module", params=["relu", "gelu"])
def run(data, request):
    return Run(data, "--dropout", 0, "--activation-fn", request.param)


def hidden_of(run, batch) -> dict[str, torch.Tensor]:
    """Site -> ``(positions, sentences, neurons)``, computed from what fc1 gives."""
    seen, handles = {}, []
    for name, module in run.model.named_modules():
        if name.endswith(".fc1"):

            def after(module, inputs, output, name=name):
                seen[name] = run_activation(run)(output.detach())

            handles.append(module.register_forward_hook(after))
    with torch.no_grad():
        run.model.eval()(**batch["net_input"])
    for handle in handles:
        handle.remove()
    return seen


def run_activation(run):
    return getattr(torch.nn.functional, run.cfg.model.activation_fn)


def test_counts_are_those_of_a_slow_loop_without_padding(run):
    batch = run.batch("de-en")
    source = batch["net_input"]["src_tokens"]
    pads = {"encoder": source.eq(run.task.source_dictionary.pad())}
    pads["decoder"] = batch["target"].eq(run.task.target_dictionary.pad())
    assert pads["encoder"].any() and pads["decoder"].any()
    recorder = Recorder(run.model.eval(), ["ffn-hidden"], [ACTIVATION])
    sums = recorder.zeros()
    with (
        torch.set_grad_enabled(recorder.goes_back),
        recorder.recording(sums, pads["encoder"], pads["decoder"]),
    ):
        output = run.model(**batch["net_input"])[0]
    assert not output.requires_grad and not recorder.goes_back
    seen = hidden_of(run, batch)
    assert sums.keys() == seen.keys()
    for site, hidden in seen.items():
        side = site.partition(".")[0]
        expected = torch.zeros(hidden.shape[-1])
        for position in range(hidden.shape[0]):
            for sentence in range(hidden.shape[1]):
                if not pads[side][sentence, position]:
                    expected += hidden[position, sentence] > 0
        assert list(sums[site]) == [ACTIVATION]
        assert torch.equal(sums[site][ACTIVATION].float(), expected)


def test_units_that_are_not_a_pairs_give_nothing(run):
    """fc1 without their rows and biases: zero, so fc2 adds its bias and the others."""
    batch = run.batch("de-en")
    sites = {name: hidden.shape[-1] for name, hidden in hidden_of(run, batch).items()}
    generator = torch.Generator().manual_seed(3)
    own = {
        name: torch.rand(count, generator=generator) < 0.5
        for name, count in sites.items()
    }
    with torch.no_grad():
        for name in sites:  # a unit with a bias is not zero by itself
            run.model.get_submodule(name).bias.fill_(0.5)
    masks = MaskSet([neuron_mask("de-en", own, Provenance(ACTIVATION, None))])
    applied = masked_weights(run.model, masks)
    first = "encoder.layers.0.fc1"
    with torch.no_grad(), applied.using("de-en"):
        hidden = hidden_of(run, batch)
        for name, values in hidden.items():
            assert bool((values[..., ~own[name]] == 0).all())
            assert bool((values[..., own[name]] != 0).any())
        inside = run.model.get_submodule("encoder.layers.0")
        result = inside.fc2(hidden[first])
    layer = run.model.get_submodule("encoder.layers.0")
    by_hand = hidden[first][..., own[first]] @ layer.fc2.weight[:, own[first]].T
    torch.testing.assert_close(result, by_hand + layer.fc2.bias)


@pytest.mark.parametrize(("split", "every"), [("train", True), ("valid", False)])
def test_training_text_is_measured_in_all_its_parts(monkeypatch, split, every):
    """fairseq trains on train, train1 …, and validates on valid alone."""
    asked = []
    task = SimpleNamespace(
        datasets={split: None},
        load_dataset=lambda name, combine=False: asked.append((name, combine)),
        max_positions=lambda: None,
    )
    model = SimpleNamespace(named_parameters=dict, max_positions=lambda: None)
    monkeypatch.setattr(measuring, "Recorder", lambda *_: SimpleNamespace(sites={}))
    monkeypatch.setattr(measuring, "list_parts", lambda *_: [])
    asked_for = SimpleNamespace(cpu=True, units=(), criteria=(), split=split)
    ready = SimpleNamespace(task=task, build_model=lambda *_, **__: model)
    measuring.Measuring(asked_for, ready)
    assert asked == [(split, every)]
