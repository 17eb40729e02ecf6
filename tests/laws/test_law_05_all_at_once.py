"""Law 5 where all matrices are worked on at once, as on a GPU: the same bits."""

import pytest
import torch
from conftest import PAIRS
from runs import differences, random_masks, same_bits
from torch import nn

from lass_plugin import devices, selection
from lass_plugin.masks import find_sites, load_masks, save_masks
from lass_plugin.methods.search import score_sums
from lass_plugin.methods.subnetworks.joint import JointTraining
from lass_plugin.optim import pieces
from lass_plugin.training.masked_gradients import reduces_in_backward
from lass_plugin.training.stretches import torch_optimizer

UPDATES = (("de-en",), ("en-nl", "de-en"), ("en-nl", "en-nl", "de-en", "en-nl"))
"""Pairs of the micro-batches of each update."""


def trained(run, updates=UPDATES) -> dict[str, torch.Tensor]:
    """Weights and state of the optimizer after a few updates."""
    for number, keys in enumerate(updates):
        run.update(*(run.batch(key, 2 * number + i) for i, key in enumerate(keys)))
    found = dict(run.weights())
    for index, state in torch_optimizer(run.optimizer).state_dict()["state"].items():
        for name, value in state.items():
            if torch.is_tensor(value):
                found[f"{index} {name}"] = value.clone()
    return found


@pytest.fixture
def both_ways(start, monkeypatch, half_precision_on_cpu):
    """Train with *flags* one matrix after another, and all at once; compare."""

    def compare(*flags, updates=UPDATES) -> None:
        expected = trained(start(*flags), updates)
        with monkeypatch.context() as patch:
            patch.setattr(devices, "ONE_BY_ONE", frozenset())
            got = trained(start(*flags), updates)
        assert got.keys() == expected.keys()
        for name, value in expected.items():
            assert same_bits(got[name], value), name

    return compare


PRECISIONS = {
    "float32": (),
    "flat fp16": ("--fp16",),
    "fp16 by matrix": ("--fp16", "--fp16-no-flatten-grads"),
    "bf16 autocast": ("--bf16-autocast",),
}


@pytest.mark.parametrize("optimizer", ["strict_adam", "adam"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision(draw_masks, both_ways, precision, optimizer):
    flags = ("--optimizer", optimizer, "--weight-decay", 0.01)
    both_ways("--masks", draw_masks(), *flags, *PRECISIONS[precision])


def test_memory_efficient_fp16(draw_masks, both_ways):
    flags = ("--optimizer", "adam", "--fp16", "--memory-efficient-fp16")
    both_ways("--masks", draw_masks(), *flags)


def test_layers_that_are_left_out_get_no_gradient(draw_masks, both_ways):
    flags = ("--encoder-layerdrop", 0.5, "--decoder-layerdrop", 0.5)
    both_ways(
        "--masks",
        draw_masks(),
        "--optimizer",
        "strict_adam",
        *flags,
        updates=2 * UPDATES,
    )


def test_tied_embeddings_among_the_targets(start, both_ways, tmp_path):

    tied = ("--share-all-embeddings",)
    sites = find_sites(start(*tied).model, ("attention", "embeddings"))
    save_masks(tmp_path / "masks", random_masks(sites, PAIRS))
    flags = ("--masks", tmp_path / "masks", "--optimizer", "strict_adam", *tied)
    both_ways(*flags)


FLAGS = {"float32": (), "fp16": ("--fp16",), "dropped": ("--encoder-layerdrop", 0.5)}


@pytest.mark.parametrize(
    ("criterion", "flags"),
    [
        pytest.param(
            *(criterion, flags),
            # every criterion and every way of training once, the other pairs slowly
            marks=() if "gradient" in criterion or not flags else pytest.mark.slow,
            id=f"{criterion}-{name}",
        )
        for criterion in ("gradient", "fisher", "magnitude")
        for name, flags in FLAGS.items()
    ],
)
def test_a_search(start, monkeypatch, half_precision_on_cpu, criterion, flags):
    task = ("--task", "translation_subnetwork_search", "--lang-pairs", "de-en")
    gradual = ("--pruning-schedule", "gradual", "--pruning-ramp", 3)
    flags += (*task, *gradual, "--pruning-interval", 1, "--pruning-ratio", 0.6)
    states = []
    for one_by_one in (devices.ONE_BY_ONE, frozenset()):
        monkeypatch.setattr(devices, "ONE_BY_ONE", one_by_one)
        monkeypatch.setattr(score_sums, "AT_ONCE", 5000)
        monkeypatch.setattr(selection, "AT_ONCE", 5000)
        run = start(*flags, "--pruning-criterion", criterion)
        weights = trained(run, (("de-en",), ("de-en", "de-en")) * 2)
        run.task.method.only.report()  # takes a snapshot of the mask
        states.append((weights, run.task.method.only.state_dict()))
    (expected, state), (got, other) = states
    assert all(same_bits(got[name], value) for name, value in expected.items())
    for name in ("bits", "snapshots"):
        assert not differences(state[name], other[name])
    assert not differences(state["halves"], other["halves"])
    assert state["settled"] == other["settled"]


@pytest.mark.parametrize("most", [64, 2048])
def test_pieces_of_any_size(draw_masks, both_ways, monkeypatch, most):
    monkeypatch.setattr(pieces, "GPU_PIECE", most)
    both_ways("--masks", draw_masks(), "--optimizer", "strict_adam")


@pytest.mark.parametrize("together", [0, 1 << 30])
def test_matrices_joined_on_a_cpu_or_not(start, draw_masks, monkeypatch, together):
    flags = ("--masks", draw_masks(), "--optimizer", "strict_adam")
    expected = trained(start(*flags))
    monkeypatch.setattr(pieces, "CPU_TOGETHER", together)
    got = trained(start(*flags))
    assert all(same_bits(got[name], value) for name, value in expected.items())


def test_a_failed_backward_pass_leaves_earlier_gradients(
    start, draw_masks, monkeypatch
):
    monkeypatch.setattr(devices, "ONE_BY_ONE", frozenset())
    run = start("--masks", draw_masks(), "--optimizer", "strict_adam")
    run.backward(run.batch("de-en"))
    before = run.gradients()
    method = run.task.method
    with pytest.raises(RuntimeError, match="out of memory"):
        with method.joint.micro_batch("en-nl"):
            raise RuntimeError("out of memory")
    after = run.gradients()
    assert before.keys() == after.keys()
    assert all(same_bits(after[name], value) for name, value in before.items())


def test_gradients_reduced_in_the_backward_pass_are_masked_before(
    start, draw_masks, monkeypatch
):
    monkeypatch.setattr(devices, "ONE_BY_ONE", frozenset())
    folder = draw_masks()
    run = start("--optimizer", "strict_adam")
    wrapper = nn.Module()
    wrapper.module = run.model
    assert reduces_in_backward(wrapper) and not reduces_in_backward(run.model)
    masks = load_masks(folder)
    seen = {}
    joint = JointTraining(wrapper, masks, run.optimizer)
    for name, site in joint.weights.sites.items():
        site.register_hook(lambda gradient, name=name: seen.update({name: gradient}))
    with joint.micro_batch("de-en"):
        sample = run.batch("de-en")
        loss, _, _ = run.trainer.criterion(run.model, sample)
        loss.backward()
    for name, gradient in seen.items():
        removed = ~masks["de-en"].unpack(name)
        assert removed.any() and (gradient[removed] == 0).all()
