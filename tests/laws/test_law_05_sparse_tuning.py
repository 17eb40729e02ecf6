"""Law 5 for sparse differences: only those of an update's keys move.

A weight outside a key's K has no number that could move; the base is frozen; a key that
takes no part keeps values and moments, with weight decay and momentum.
"""

import pytest
import torch
from conftest import load
from runs import same_bits
from sparse_models import random_masks, sparse_run, values_of
from torch import nn

from lass_plugin.methods.sparse_tuning.stored import is_difference
from lass_plugin.training.stretches import find_stretches, torch_optimizer

OPTIMIZERS = (
    ("--optimizer", "strict_adam", "--weight-decay", 0.1),
    ("--optimizer", "adam", "--weight-decay", 0.1),
    ("--optimizer", "sgd", "--momentum", 0.9, "--weight-decay", 0.1),
)


@pytest.fixture(params=OPTIMIZERS, ids=["strict_adam", "adam", "sgd"])
def run(data, base, tmp_path, request):
    return sparse_run(data, base, tmp_path, random_masks(base), *request.param)


def state_of(run) -> dict[str, dict[str, torch.Tensor]]:
    """Key -> its values and moments."""
    values = values_of(run)
    inner = torch_optimizer(run.optimizer)
    stretches = find_stretches(run.optimizer, values)
    return {
        key: {"values": each.detach().clone()}
        | {name: s.clone() for name, s in stretches[key].state(inner).items()}
        for key, each in values.items()
    }


def moved(before, after) -> set[str]:
    """Keys of which a number changed."""
    return {
        key
        for key, numbers in after.items()
        if numbers.keys() != before[key].keys()
        or any(not same_bits(each, before[key][name]) for name, each in numbers.items())
    }


def test_only_the_source_and_target_of_the_batch_move(run, base):
    run.update("de-en")
    run.update("en-nl")
    run.update("nl-en")
    before = state_of(run)
    run.update("de-en")
    after = state_of(run)
    assert moved(before, after) == {"source@de", "target@en"}
    run.update("en-nl", "nl-en")  # two keys in one update, --update-freq 2
    both = {"source@en", "target@nl", "source@nl", "target@en"}
    assert moved(after, state_of(run)) == both
    mine = nn.Module.state_dict(run.model)
    for name, weight in load(base)["model"].items():
        assert same_bits(mine[name], weight), name


PRECISIONS = {
    "flat fp16": ("--fp16",),
    "fp16 by tensor": ("--fp16", "--fp16-no-flatten-grads"),
    "bfloat16": ("--bf16-autocast",),
}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_in_reduced_precision(data, base, tmp_path, half_precision_on_cpu, precision):
    flags = ("--weight-decay", 0.1, *PRECISIONS[precision])
    run = sparse_run(data, base, tmp_path, random_masks(base), *flags)
    run.update("de-en")
    run.update("en-nl")
    frozen = {
        name: weight.clone()
        for name, weight in nn.Module.state_dict(run.model).items()
        if not is_difference(name)
    }
    before = state_of(run)
    run.update("de-en")
    after = state_of(run)
    assert moved(before, after) == {"source@de", "target@en"}
    run.update("en-nl", "de-en")
    both = {"source@de", "target@en", "source@en", "target@nl"}
    assert moved(after, state_of(run)) == both
    mine = nn.Module.state_dict(run.model)
    assert all(same_bits(mine[name], weight) for name, weight in frozen.items())


def test_a_key_that_takes_no_part_has_no_state(run):
    run.update("de-en")
    states = torch_optimizer(run.optimizer).state
    values = values_of(run)
    assert values["target@nl"] not in states or not states[values["target@nl"]]
    assert not bool(values["target@nl"].any())


@pytest.fixture
def plain(data, base, tmp_path):
    return sparse_run(data, base, tmp_path, random_masks(base))


def test_gradients_are_those_of_the_summed_weights(plain, data, base):
    """Of the dense model with these weights, at the positions of each key."""
    from runs import Run

    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for values in values_of(plain).values():
            values.copy_(0.1 * torch.randn(values.shape, generator=generator))
    dense = Run(data, "--dropout", 0)
    entry = plain.model.method.stored
    with torch.no_grad():
        parameters = dict(dense.model.named_parameters())
        for name, weight in load(base)["model"].items():
            if name in parameters:
                parameters[name].copy_(weight)
        for key in ("source@de", "target@en"):
            start = 0
            for site, positions in entry.positions[key].items():
                flat = parameters[site].view(-1)
                own = values_of(plain)[key][start : start + len(positions)]
                flat[positions.long()] += own
                start += len(positions)
    batch = plain.batch("de-en")
    first, second = plain.backward(batch), dense.backward(dense.batch("de-en"))
    torch.testing.assert_close(first, second)
    gradients = dense.gradients()
    for key, values in values_of(plain).items():
        if key not in ("source@de", "target@en"):
            assert values.grad is None
            continue
        expected = torch.cat(
            [
                gradients[site].view(-1)[positions.long()]
                for site, positions in entry.positions[key].items()
            ]
        )
        torch.testing.assert_close(values.grad, expected, rtol=1e-4, atol=1e-5)


def gradients_of(run):
    every = values_of(run).items()
    return {key: v.grad.clone() for key, v in every if v.grad is not None}


def test_micro_batches_of_one_key_add_up(plain):
    first, second = plain.batch("de-en", 0), plain.batch("de-en", 1)
    plain.backward(first)
    once = {
        k: v.grad.clone() for k, v in values_of(plain).items() if v.grad is not None
    }
    plain.optimizer.zero_grad()
    plain.backward(second)
    alone = {
        k: v.grad.clone() for k, v in values_of(plain).items() if v.grad is not None
    }
    plain.backward(first)
    for key, gradient in once.items():
        both = values_of(plain)[key].grad
        torch.testing.assert_close(both, gradient + alone[key])


def test_at_the_start_the_model_is_the_base(plain, data, base):
    """Law 1: differences of zero change nothing, forward and back."""
    from runs import Run

    stock = Run(data, "--dropout", 0)
    stock.model.load_state_dict(load(base)["model"])
    batch = plain.batch("en-nl")
    assert same_bits(plain.backward(batch), stock.backward(stock.batch("en-nl")))


def test_a_shared_embedding_changes_under_all_its_names(data, base, tmp_path):
    targets = ("attention", "feed-forward", "embeddings")
    masks = random_masks(base, targets=targets)
    run = sparse_run(data, base, tmp_path, masks, "--lang-pairs", "de-en")
    values = values_of(run)["source@de"]
    with torch.no_grad():
        values.fill_(0.25)
    run.backward(run.batch("de-en"))
    name = "encoder.embed_tokens.weight"
    differences = run.model.method.differences
    assert [site for _, _, site in differences._owners].count(name) == 2
    with run.model.method.using("de-en"):
        model = run.model
        shared = model.decoder.output_projection.weight
        assert shared is model.encoder.embed_tokens.weight
        kept = masks["source@de"].unpack(name)
        shift = shared.detach() - load(base)["model"][name]
        torch.testing.assert_close(shift[kept], torch.full_like(shift[kept], 0.25))
        assert not bool(shift[~kept].any())
    assert values.grad is not None and bool(values.grad.any())
