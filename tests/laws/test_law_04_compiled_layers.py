"""Law 4 where layers are compiled: they see W ⊙ M all the same."""

from copy import deepcopy

import pytest
import torch
from conftest import PAIRS
from torch import nn
from torch._dynamo.utils import counters

from lass_plugin.errors import LassError
from lass_plugin.masks import load_masks
from lass_plugin.training import compiled_layers
from lass_plugin.training.compiled_layers import compile_layers
from lass_plugin.training.masked_weights import MaskedWeights

SEARCH = (
    "--task translation_subnetwork_search --lang-pairs de-en "
    "--pruning-criterion gradient --pruning-schedule gradual --pruning-ratio 0.6 "
    "--pruning-ramp 2 --pruning-interval 1"
).split()


@pytest.fixture(autouse=True)
def anew():
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


class Layer(nn.Module):
    """x -> x + relu(W x)."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 8, bias=False)

    def forward(self, x):
        return x + torch.relu(self.fc1(x))


@pytest.fixture
def layers(monkeypatch):
    """A model of two layers, which is compiled without generating code."""
    monkeypatch.setattr(compiled_layers, "BACKEND", "aot_eager")
    torch.manual_seed(0)
    model = nn.Module()
    model.encoder = nn.Module()
    model.encoder.layers = nn.ModuleList([Layer(), Layer()])
    return model


def outputs(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    for layer in model.encoder.layers:
        x = layer(x)
    return x


def test_each_key_sees_its_own_mask(layers):
    sites = dict(layers.named_parameters())
    weights = MaskedWeights(sites)
    for number, key in enumerate(("de-en", "en-de")):
        bits = {
            name: torch.full((8,), 0b10101010 >> number, dtype=torch.uint8)
            for name in sites
        }
        weights.set_mask(key, bits)

    def computed(x: torch.Tensor, key: str) -> list[torch.Tensor]:
        with weights.applied(key):
            output = outputs(layers, x)
            output.sum().backward()
        gradients = [parameter.grad.clone() for parameter in sites.values()]
        layers.zero_grad()
        return [output.detach(), *gradients]

    batches = [torch.randn(3, 5, 8), torch.randn(4, 7, 8).transpose(0, 1)]
    batches = [x.requires_grad_() for x in batches]  # as embeddings do
    runs = [(x, key) for x in batches for key in ("de-en", "en-de")]
    expected = [computed(*run) for run in runs]
    compile_layers(layers, torch.device("cpu"))
    for run, known in zip(runs, expected, strict=True):
        for got, value in zip(computed(*run), known, strict=True):
            torch.testing.assert_close(got, value)
    assert not counters["graph_break"]
    assert counters["stats"]["unique_graphs"] == 2  # the probe; both layers, any batch


def test_a_copy_computes_with_its_own_weights(layers):
    compile_layers(layers, torch.device("cpu"))
    x = torch.randn(3, 5, 8)
    outputs(layers, x)
    twin = deepcopy(layers)
    for parameter in twin.parameters():
        parameter.data.zero_()
    assert torch.equal(outputs(twin, x), x)
    assert not torch.equal(outputs(layers, x), x)
    assert twin.state_dict().keys() == layers.state_dict().keys()


@pytest.mark.slow
def test_joint_training(start, draw_masks):
    folder = draw_masks()
    flags = ("--masks", folder, "--dropout", 0, "--optimizer", "strict_adam")
    plain, compiled = start(*flags), start(*flags, "--compile-layers")
    for key in PAIRS:
        for run in (plain, compiled):
            run.backward(run.batch(key))
        assert plain.gradients().keys() == compiled.gradients().keys()
        for name, gradient in plain.gradients().items():
            torch.testing.assert_close(
                compiled.gradients()[name], gradient, atol=1e-5, rtol=1e-3
            )
    compiled.trainer.zero_grad()
    assert not counters["graph_break"]
    before = compiled.weights()
    compiled.update("de-en")
    compiled.update("de-en")  # the rate of the first may be 0
    after, mask = compiled.weights(), load_masks(folder)["de-en"]
    moved = 0
    for site in compiled.sites:
        differs = after[site] != before[site]
        assert not differs[~mask.unpack(site)].any()
        moved += int(differs.sum())
    assert moved


@pytest.mark.slow
def test_search(start):
    plain = start(*SEARCH, "--dropout", 0)
    compiled = start(*SEARCH, "--dropout", 0, "--compile-layers")
    for run in (plain, compiled):
        run.update("de-en")
        run.backward(run.batch("de-en"))
    for name, gradient in plain.gradients().items():
        torch.testing.assert_close(
            compiled.gradients()[name], gradient, atol=1e-4, rtol=1e-2
        )


def test_without_a_compiler(start, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("no working C++ compiler found\nmore")

    monkeypatch.setattr(torch, "compile", fails)
    run = start("--compile-layers")
    with pytest.raises(LassError, match="no working C.. compiler found.*leave the opt"):
        run.update("de-en")


def test_not_where_layers_differ_by_key(start):
    flags = "--task translation_gates --gates-learn --compile-layers".split()
    with pytest.raises(LassError, match="--compile-layers cannot compile a model with"):
        start(*flags)


def test_not_in_translation(start):
    flags = "--source-lang de --target-lang en --compile-layers".split()
    with pytest.raises(LassError, match="--compile-layers has no effect with"):
        start(*flags)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_tf32_needs_a_gpu(start):
    with pytest.raises(LassError, match="--tf32 needs a GPU of compute capability 8"):
        start("--tf32")
