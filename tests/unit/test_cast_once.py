"""The frozen base under autocast: cast once, the same bits as cast at every use."""

import copy

import pytest
import torch
from runs import Run, assert_same, same_bits
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from lass_plugin.methods.frozen_linear import (
    FrozenLinear,
    as_given,
    cast_once,
    speed_up_frozen,
)
from lass_plugin.methods.lowrank import attaching

HALF = [torch.bfloat16, torch.float16]
PLACEMENTS = {
    "all": (),
    "some": ("--lslo-matrices", "q,v,fc1", "--lslo-placement", "source"),
    "without attention": ("--lslo-matrices", "fc1,fc2", "--lslo-placement", "learn"),
}


class Casts(TorchDispatchMode):
    """Names of tensors' shapes that are cast."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ == "_to_copy":
            self.shapes.append(tuple(args[0].shape))
        return func(*args, **(kwargs or {}))


def frozen(bias: bool = True) -> nn.Module:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 7, bias=bias), nn.Linear(7, 5, bias=bias))
    model.requires_grad_(False)
    speed_up_frozen(model)
    return model


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_gives_the_bits_of_autocast_and_is_cast_once(dtype, bias):
    usual, model = frozen(bias), frozen(bias)
    cast_once(model)
    x = torch.randn(4, 2, 5)
    results = []
    for each in (usual, model):
        given = x.clone().requires_grad_()
        with torch.autocast("cpu", dtype):
            y = each(given)
            y.float().square().sum().backward()
        results.append((y, given.grad))
    assert results[0][0].dtype == dtype
    assert all(same_bits(one, other) for one, other in zip(*results, strict=True))
    with Casts() as casts, torch.autocast("cpu", dtype):
        model(x)
    assert casts.shapes == [(8, 5)]  # the input alone
    assert model[0].weight.dtype == dtype  # not once more beside it
    assert same_bits(model(x), usual(x))
    assert_same(dict(model.state_dict()), dict(usual.state_dict()))


def test_another_precision_is_cast_from_what_was_given():
    usual, model = frozen(), frozen()
    cast_once(model)
    x = torch.randn(4, 5)
    for dtype in (*HALF, torch.bfloat16):
        with torch.autocast("cpu", dtype):
            assert same_bits(model(x), usual(x))
    moved = copy.deepcopy(model).double()
    assert same_bits(moved(x.double()), usual.double()(x.double()))
    as_given(model)
    assert_same(dict(model.float().state_dict()), dict(frozen().state_dict()))


def test_a_weight_that_an_embedding_has_too_stays_for_it():
    torch.manual_seed(3)
    model = nn.ModuleDict({"table": nn.Embedding(9, 5), "out": nn.Linear(5, 9, False)})
    model["out"].weight = model["table"].weight
    model.requires_grad_(False)
    speed_up_frozen(model)
    x, rows = torch.randn(4, 5), torch.arange(3)
    with torch.autocast("cpu", torch.bfloat16):
        expected, looked_up = model["out"](x), model["table"](rows)
        cast_once(model)
        for _ in range(2):
            assert same_bits(model["out"](x), expected)
        assert same_bits(model["table"](rows), looked_up)
        with Casts() as casts:
            model["out"](x)
    assert casts.shapes == [(4, 5)]
    assert model["out"].weight is model["table"].weight
    assert looked_up.dtype == model["out"].weight.dtype == torch.float32


def test_a_weight_that_is_trained_gets_its_gradient():
    model = frozen()
    cast_once(model)
    x = torch.randn(4, 5)
    with torch.autocast("cpu", torch.bfloat16):
        model(x)
        model.requires_grad_(True)
        model(x).float().sum().backward()
    for parameter in model.parameters():
        assert parameter.grad.dtype == parameter.dtype == torch.float32


# -- low-rank modules ------------------------------------------------------------------


@pytest.fixture
def start(data, base):
    def build(*flags) -> Run:
        task = ("--task", "translation_lslo", "--base", base, "--lslo-ranks", "3")
        return Run(data, *task, "--bf16-autocast", *flags)

    return build


def usual(build, monkeypatch):
    """What *build* makes where autocast casts at every use."""
    with monkeypatch.context() as patch:
        patch.setattr(attaching, "cast_once", lambda model: None)
        return build()


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_training_is_the_same_bit_for_bit(start, monkeypatch, placement):
    def build() -> Run:
        return start(*PLACEMENTS[placement])

    gradients = []
    runs = usual(build, monkeypatch), build()
    for run in runs:
        run.update(run.batch("de-en"), run.batch("en-nl"))
        run.update(run.batch("en-nl", 1))
        loss = run.backward(run.batch("de-en", 1))
        gradients.append({"loss": loss, **run.gradients()})
    assert len(gradients[0]) > 20
    assert_same(*gradients)
    assert_same(*(run.weights() for run in runs))
    layers = [m for m in runs[1].model.modules() if isinstance(m, FrozenLinear)]
    held = [m for m in layers if m.weight.dtype == torch.bfloat16]
    assert len(held) >= len(layers) - 1  # all but a projection that is shared
    with torch.no_grad():  # a validation without autocast, and back
        for enabled in (False, True):
            results = []
            for run in runs:
                run.model.eval()
                with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                    sample = run.batch("de-en", 2)
                    with run.task.method_of(run.model).using("de-en"):
                        results.append(run.trainer.criterion(run.model, sample)[0])
            assert same_bits(*results)
    for run in runs:
        as_given(run.model)
    assert_same(*(dict(run.model.named_parameters()) for run in runs))


def test_only_inputs_and_modules_are_cast_in_a_micro_batch(start, monkeypatch):
    counts = []
    for run in (usual(start, monkeypatch), start()):
        run.backward(run.batch("de-en"))
        with Casts() as casts:
            run.backward(run.batch("de-en"))
        layers = [m for m in run.model.modules() if isinstance(m, FrozenLinear)]
        shapes = {tuple(layer.weight.shape) for layer in layers}
        counts.append(sum(shape in shapes for shape in casts.shapes))
    assert counts[0] >= len(layers) - 1 and counts[1] == 0


def test_modules_are_merged_into_what_was_given(start, monkeypatch):
    merged = []
    for run in (usual(start, monkeypatch), start()):
        run.update(run.batch("de-en"), run.batch("en-nl"))
        attaching.merge(run.model, {"source": "de", "target": "en"})
        merged.append(dict(run.model.named_parameters()))
    assert_same(*merged)


def test_weights_that_are_loaded_after_a_cast_are_those_computed_with():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 3)).requires_grad_(False)
    speed_up_frozen(model)
    cast_once(model)
    x, others = torch.randn(2, 4), nn.Linear(4, 3)
    with torch.autocast("cpu", torch.bfloat16):
        model(x)
        model.load_state_dict({f"0.{k}": v for k, v in others.state_dict().items()})
        assert model(x).equal(others(x))
    assert model(x).equal(others(x)) and model[0].weight.dtype == torch.float32
