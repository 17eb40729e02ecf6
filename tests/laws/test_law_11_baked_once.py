"""Law 11: baked once.

For inference the mask of a pair is multiplied into the weights one time; from then on
nothing of this package runs in a forward pass. Switching between pairs loses nothing.
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

from lass_plugin.errors import LassError
from lass_plugin.masks import load_masks
from lass_plugin.training import masked_weights


@pytest.fixture
def opened(joint, data):
    """Task and model, as fairseq-generate has them before it builds a generator."""
    task = translation_task(data, "-s de -t en")
    return task, load_model(joint, task)


@pytest.fixture(scope="module")
def generation(data):
    return translation_config(data, "-s de -t en --beam 2").generation


def test_baked_weights_are_weight_times_mask_exactly(opened, generation, joint, masks):
    task, model = opened
    task.build_generator([model], generation)
    mask = load_masks(masks)["de-en"]
    changed = 0
    for name, weight in load(joint)["model"].items():
        baked = model.state_dict()[name]
        if name in mask.shapes:
            weight = weight * mask.unpack(name)
            changed += 1
        assert torch.equal(baked, weight), name
    assert changed == len(mask.shapes) > 0


def test_baking_again_changes_nothing(opened, generation):
    task, model = opened
    task.build_generator([model], generation)
    once = {name: weight.clone() for name, weight in model.state_dict().items()}
    task.build_generator([model], generation)
    task.method_of(model).bake("de-en")
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, once[name])


def test_after_baking_nothing_of_ours_runs_in_a_forward_pass(
    opened, generation, monkeypatch
):
    task, model = opened
    places = {name: p.data_ptr() for name, p in model.named_parameters()}
    generator = task.build_generator([model], generation)

    def never(*arguments, **more):
        raise AssertionError("masks are read after baking")

    monkeypatch.setattr(masked_weights, "unpack", never)
    monkeypatch.setattr(masked_weights.MaskedWeights, "apply", never)
    task.load_dataset("test")
    dataset = task.dataset("test")
    batch = dataset.collater([dataset[number] for number in range(5)])
    assert len(task.inference_step(generator, [model], batch)) == 5
    for module in model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks
    assert {name: p.data_ptr() for name, p in model.named_parameters()} == places


def test_baking_needs_no_second_copy_of_the_weights(opened, generation):
    task, model = opened
    task.build_generator([model], generation)
    weights = task.method_of(model)._weights
    assert weights is None or not (weights._working or weights._dense)


def test_a_baked_model_is_a_stock_model_with_the_masked_weights(
    opened, generation, joint
):
    task, model = opened
    task.build_generator([model], generation)
    stock = as_stock(joint, task)
    stock.load_state_dict(model.state_dict())
    assert torch.equal(logits(model, task, "test"), logits(stock, task, "test"))


def test_a_baked_model_refuses_another_pair(opened, generation):
    task, model = opened
    task.build_generator([model], generation)
    with pytest.raises(LassError, match="sub-network of de-en .* en-de"):
        task.method_of(model).bake("en-de")
    with pytest.raises(LassError, match="sub-network of de-en .* en-de"):
        with task.method_of(model).using("en-de"):
            pass


@pytest.fixture
def several(joint, data):
    """Task and model for two pairs at a time, as an evaluation has them."""
    task = translation_task(data, "--lang-pairs de-en,en-nl")
    return task, load_model(joint, task)


def under(key, several):
    task, model = several
    with task.method_of(model).using(key):
        return logits(model, task, "test")


def test_switching_there_and_back_gives_identical_outputs(several):
    first = under("de-en", several)
    other = under("en-nl", several)
    again = under("de-en", several)
    assert torch.equal(first, again)
    assert torch.equal(other, under("en-nl", several))
    assert not torch.equal(first, other)


def test_switching_leaves_the_weights_as_they_were(several, joint):
    task, model = several
    places = {name: p.data_ptr() for name, p in model.named_parameters()}
    for key in ("de-en", "en-nl", "de-en"):
        under(key, several)
    for name, weight in load(joint)["model"].items():
        assert torch.equal(model.state_dict()[name], weight), name
    assert {name: p.data_ptr() for name, p in model.named_parameters()} == places


def test_switching_survives_an_error_in_the_block(several, joint):
    task, model = several
    with pytest.raises(KeyError):
        with task.method_of(model).using("de-en"):
            raise KeyError("interrupted")
    for name, weight in load(joint)["model"].items():
        assert torch.equal(model.state_dict()[name], weight), name


def test_switched_to_and_baked_are_the_same_model(several, opened, generation):
    task, model = opened
    task.build_generator([model], generation)
    task, _ = several
    assert torch.equal(under("de-en", several), logits(model, task, "test"))
