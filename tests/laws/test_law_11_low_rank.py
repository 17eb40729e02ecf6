"""Law 11 for low-rank modules: merged once, or switched and nothing lost.

For inference the modules of a direction are added to the base's matrices one time; from
then on nothing of this package runs in a forward pass. A model that is switched between
directions keeps its base, bit for bit, and gives the same outputs whenever it comes
back to one.
"""

import pytest
import torch
from conftest import load
from in_process import (
    as_stock,
    load_model,
    logits,
    translation_config,
    translation_task,
)
from runs import same_bits
from torch import nn

from lass_plugin.errors import LassError
from lass_plugin.methods.lowrank import attention, modules
from lass_plugin.methods.lowrank.modules import LowRankLinear, LowRankModules


@pytest.fixture
def several(low_rank, data):
    """Task and model of two directions at a time, as an evaluation has them."""
    task = translation_task(data, "--lang-pairs de-en,en-nl")
    return task, load_model(low_rank, task)


@pytest.fixture
def merged(low_rank, data):
    """Task and model of one direction, after its generator has been built."""
    task = translation_task(data, "-s de -t en")
    model = load_model(low_rank, task)
    generation = translation_config(data, "-s de -t en --beam 2").generation
    generator = task.build_generator([model], generation)
    return task, model, generator


def under(key, several):
    task, model = several
    with task.method_of(model).using(key):
        return logits(model, task, "test")


def of_base(model, base):
    """Name, weight in *model* and weight in the base, of every entry of the base."""
    mine = nn.Module.state_dict(model)
    for name, weight in load(base)["model"].items():
        yield name, mine[name], weight


def test_switching_there_and_back_gives_identical_outputs(several):
    first, other = under("de-en", several), under("en-nl", several)
    assert same_bits(first, under("de-en", several))
    assert same_bits(other, under("en-nl", several))
    assert not torch.equal(first, other)


def test_switching_leaves_the_base_as_it_was(several, base):
    task, model = several
    places = {name: p.data_ptr() for name, p in model.named_parameters()}
    for key in ("de-en", "en-nl", "de-en"):
        under(key, several)
    with pytest.raises(KeyError):
        with task.method_of(model).using("en-nl"):
            raise KeyError("interrupted")
    for name, mine, weight in of_base(model, base):
        assert same_bits(mine, weight), name
    assert {name: p.data_ptr() for name, p in model.named_parameters()} == places
    assert not model.method.routing.chosen


def test_outside_of_a_direction_the_model_is_the_base(several, base, data):
    task, model = several
    under("de-en", several)
    other = translation_task(data, "--lang-pairs de-en")
    stock = logits(load_model(base, other), other, "test")
    # the same weights: only how torch sums in attention is another
    torch.testing.assert_close(logits(model, task, "test"), stock, rtol=0, atol=2e-5)


def test_a_merged_model_is_a_stock_model_with_these_weights(merged, base):
    task, model, _ = merged
    stock = as_stock(base, task)
    stock.load_state_dict(nn.Module.state_dict(model))
    assert same_bits(logits(model, task, "test"), logits(stock, task, "test"))


def test_a_direction_within_a_direction_gives_way(several):
    task, model = several
    outer = under("de-en", several)
    with task.method_of(model).using("de-en"):
        under("en-nl", several)
        assert same_bits(logits(model, task, "test"), outer)


def test_merged_weights_are_base_plus_product_exactly(merged, low_rank, base):
    task, model, _ = merged
    modules, changed = load(low_rank)["model"], 0
    for name, mine, weight in of_base(model, base):
        matrix = name.removesuffix(".weight")
        for index, language in (("source", "de"), ("target", "en")):
            a, b = (modules.get(f"{matrix}.lslo_{index}.{f}.{language}") for f in "AB")
            if a is not None:
                weight, changed = weight + b @ a, changed + 1
        assert same_bits(mine, weight), name
    assert changed == 26


def test_merging_again_changes_nothing(merged, data):
    task, model, _ = merged
    once = {name: w.clone() for name, w in nn.Module.state_dict(model).items()}
    task.method_of(model).bake("de-en")
    generation = translation_config(data, "-s de -t en --beam 2").generation
    task.build_generator([model], generation)
    again = nn.Module.state_dict(model)
    assert all(same_bits(again[name], weight) for name, weight in once.items())


def test_after_merging_nothing_of_ours_runs_in_a_forward_pass(merged, monkeypatch):
    task, model, generator = merged

    def never(*arguments, **more):
        raise AssertionError("a low-rank module is computed after merging")

    monkeypatch.setattr(LowRankLinear, "forward", never)
    monkeypatch.setattr(modules, "together", never)
    monkeypatch.setattr(attention, "project", never)
    assert not [
        m for m in model.modules() if isinstance(m, (LowRankModules, LowRankLinear))
    ]
    task.load_dataset("test")
    dataset = task.dataset("test")
    batch = dataset.collater([dataset[number] for number in range(5)])
    assert len(task.inference_step(generator, [model], batch)) == 5
    for module in model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks


def test_no_weight_is_frozen_where_it_is_translated_with(merged, several):
    """Of a frozen matrix torch makes slow products, a batch of them for each position:
    dense speed would be lost."""
    for model in (merged[1], several[1]):
        assert all(parameter.requires_grad for parameter in model.parameters())


def test_merged_and_switched_to_agree_to_rounding(merged, several):
    task, model, _ = merged
    torch.testing.assert_close(
        logits(model, task, "test"), under("de-en", several), rtol=0, atol=2e-5
    )


def test_a_merged_model_refuses_another_direction(merged):
    task, model, _ = merged
    with pytest.raises(LassError, match="de-en .* en-de"):
        with task.method_of(model).using("en-de"):
            pass
