"""Low-rank modules against the equations of Cao 2024, sentence by sentence."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lass_plugin.languages import written
from lass_plugin.methods.drawn import gaussian
from lass_plugin.methods.frozen_linear import FrozenLinear
from lass_plugin.methods.lowrank.modules import (
    LowRankLinear,
    LowRankModules,
    put_beside,
    take_away,
)
from lass_plugin.methods.routing import Chosen, Routing

RANKS = {"de": 3, "fr": 1, "nl": 2, "or": 0}
POSITIONS, OUTPUTS, INPUTS = 4, 6, 5


def beside(ranks=RANKS, index="source", dropout=0.0, scales=None, seed=1):
    """A linear layer with low-rank modules whose B is not zero any more."""
    torch.manual_seed(0)
    linear, routing = nn.Linear(INPUTS, OUTPUTS), Routing()
    scales = scales or dict.fromkeys(ranks, 1.0)
    low = LowRankModules(
        "fc", index, OUTPUTS, INPUTS, ranks, scales, dropout, seed, routing
    )
    with torch.no_grad():
        for weight in low.B.values():
            weight.normal_()
    return put_beside(linear, [low]), low, routing


def slow(linear, low, x, languages, scales=None):
    """Eq. 3 for every sentence and position by itself."""
    y = torch.empty(*x.shape[:2], OUTPUTS)
    for sentence, language in enumerate(languages):
        for position in range(len(x)):
            vector = x[position, sentence]
            out = linear.weight @ vector + linear.bias
            if RANKS[language]:
                a, b = low.factors(language)
                out = out + (scales or {}).get(language, 1.0) * (b @ (a @ vector))
            y[position, sentence] = out
    return y


@given(
    languages=st.lists(st.sampled_from(list(RANKS)), min_size=1, max_size=6),
    alpha=st.sampled_from([0.0, 4.0]),
)
@settings(max_examples=40)
def test_a_batch_of_any_languages_is_eq_3_of_each_sentence(languages, alpha):
    scales = {code: alpha / rank for code, rank in RANKS.items() if rank and alpha}
    scales = scales or dict.fromkeys(RANKS, 1.0)
    linear, low, routing = beside(scales=scales)
    x = torch.randn(POSITIONS, len(languages), INPUTS)
    routing.choose(Chosen.of(languages), Chosen.of(["xx"] * len(languages)))
    expected = slow(linear, low, x, languages, scales)
    torch.testing.assert_close(linear(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("index", ["source", "target"])
def test_the_index_decides_whose_modules_they_are(index):
    linear, low, routing = beside(index=index)
    x = torch.randn(POSITIONS, 2, INPUTS)
    routing.choose(Chosen.of(["de", "de"]), Chosen.of(["fr", "fr"]))
    language = {"source": "de", "target": "fr"}[index]
    expected = slow(linear, low, x, [language] * 2)
    torch.testing.assert_close(linear(x), expected, rtol=1e-5, atol=1e-5)


def test_without_a_choice_or_with_rank_0_or_zero_b_it_is_the_base_to_the_bit():
    linear, low, routing = beside()
    x = torch.randn(POSITIONS, 2, INPUTS)
    base = nn.functional.linear(x, linear.weight, linear.bias)
    assert torch.equal(linear(x), base)
    routing.choose(Chosen.of(["or"]), Chosen.of(["de"]))
    assert torch.equal(linear(x), base)
    routing.choose(Chosen.of(["de"]), Chosen.of(["de"]))
    assert not torch.equal(linear(x), base)
    with torch.no_grad():
        low.B["de"].zero_()
    assert torch.equal(linear(x), base)


def test_only_the_chosen_languages_get_gradients():
    linear, low, routing = beside()
    linear.weight.requires_grad_(False)
    routing.choose(Chosen.of(["de", "nl"]), Chosen.of(["fr", "fr"]))
    linear(torch.randn(POSITIONS, 2, INPUTS)).pow(2).sum().backward()
    for language in ("de", "nl"):
        for parameter in low.factors(language):
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in low.factors("fr"))
    assert linear.weight.grad is None


def test_gradients_of_a_mixed_batch_are_those_of_its_sentences():
    languages = ["de", "nl", "de", "fr"]
    x = torch.randn(POSITIONS, 4, INPUTS)
    linear, low, routing = beside()
    routing.choose(Chosen.of(languages), Chosen.of(languages))
    linear(x).pow(2).sum().backward()
    mixed = {name: p.grad.clone() for name, p in low.named_parameters()}
    linear, low, routing = beside()
    for number, language in enumerate(languages):
        routing.choose(Chosen.of([language]), Chosen.of([language]))
        linear(x[:, number : number + 1]).pow(2).sum().backward()
    for name, parameter in low.named_parameters():
        torch.testing.assert_close(parameter.grad, mixed[name], rtol=1e-4, atol=1e-4)


def test_learned_weights_sum_both_indices_as_eq_5_does():
    torch.manual_seed(0)
    routing, linear = Routing(), nn.Linear(INPUTS, OUTPUTS)
    weights = nn.Parameter(torch.tensor([0.3, -0.5]))
    modules = []
    for number, index in enumerate(("source", "target")):
        low = LowRankModules(
            *("fc", index, OUTPUTS, INPUTS, {"de": 2, "fr": 3}),
            *({"de": 1.0, "fr": 1.0}, 0.0, 1, routing),
        )
        with torch.no_grad():
            for weight in low.B.values():
                weight.normal_()
        low.mixed_by(weights, number)
        modules.append(low)
    put_beside(linear, modules)
    x = torch.randn(POSITIONS, 1, INPUTS)
    routing.choose(Chosen.of(["de"]), Chosen.of(["fr"]))
    total = math.exp(0.3) + math.exp(-0.5)
    expected = x @ linear.weight.t() + linear.bias
    for low, language, weight in zip(modules, ("de", "fr"), (0.3, -0.5), strict=True):
        a, b = low.factors(language)
        expected = expected + math.exp(weight) / total * (x @ a.t() @ b.t())
    output = linear(x)
    torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-5)
    output.sum().backward()
    assert weights.grad.abs().min() > 0
    # softmax: the two gradients cancel
    assert weights.grad.sum().abs() < 1e-5
    delta = sum(
        low.delta(language) for low, language in zip(modules, ("de", "fr"), strict=True)
    )
    torch.testing.assert_close(
        x @ (linear.weight + delta).t() + linear.bias, expected, rtol=1e-5, atol=1e-5
    )


def test_dropout_is_of_the_modules_input_and_in_training_only():
    linear, low, routing = beside(dropout=0.5)
    x = torch.ones(POSITIONS, 1, INPUTS)
    routing.choose(Chosen.of(["de"]), Chosen.of(["de"]))
    linear.eval()
    once = linear(x)
    assert torch.equal(once, linear(x))
    linear.train()
    torch.manual_seed(1)
    assert not torch.equal(once, linear(x))
    with torch.no_grad():
        low.B["de"].zero_()
    assert torch.equal(linear(x), nn.functional.linear(x, linear.weight, linear.bias))


def test_the_scale_of_a_language_is_made_once_for_all_batches():
    _, low, routing = beside(scales=dict.fromkeys(RANKS, 0.5))
    code = next(code for code, rank in RANKS.items() if rank)
    kept = []
    for _ in range(2):
        routing.choose(Chosen.of([code, code]), Chosen.of([code]))
        kept.append(low.chosen_factors().scale)
    assert kept[0] is kept[1] and kept[0].tolist() == [[0.5] * RANKS[code]]


def test_a_is_normal_and_each_languages_own():
    drawn = gaussian("1/encoder.layers.0.fc1/source/de", 64, 1024)
    assert abs(float(drawn.mean())) < 1e-3
    assert float(drawn.std()) == pytest.approx(1 / 32, rel=0.02)
    _, alone, _ = beside({"de": 3})
    _, among, _ = beside(RANKS)
    assert torch.equal(alone.A["de"], among.A["de"])
    assert not torch.equal(among.A["de"][:1], among.A["fr"])
    _, other, _ = beside(seed=2)
    assert not torch.equal(other.A["de"], among.A["de"])
    _, fresh, _ = beside()
    assert all(torch.equal(fresh.A[name], among.A[name]) for name in among.A)


def test_it_stays_the_same_linear_layer():
    linear = nn.Linear(INPUTS, OUTPUTS)
    weight, names = linear.weight, list(linear.state_dict())
    low = LowRankModules(
        *("fc", "source", OUTPUTS, INPUTS, {"zh_Hans.x": 2}, {"zh_Hans.x": 1.0}),
        *(0.0, 1, Routing()),
    )
    put_beside(linear, [low])
    assert isinstance(linear, LowRankLinear) and linear.weight is weight
    assert [name for name in linear.state_dict() if "lslo" not in name] == names
    assert f"lslo_source.A.{written('zh_Hans.x')}" in linear.state_dict()
    take_away(linear)
    assert type(linear) is FrozenLinear and list(linear.state_dict()) == names


@pytest.mark.parametrize("bias", [True, False])
def test_a_frozen_layer_is_the_layer(bias):
    torch.manual_seed(0)
    linear = nn.Linear(INPUTS, OUTPUTS, bias=bias)
    x = torch.randn(3, POSITIONS, INPUTS)
    for tensor in (x, x.transpose(0, 1), x[0], x[0, 0]):
        linear.__class__ = nn.Linear
        expected = linear(tensor)
        linear.__class__ = FrozenLinear
        torch.testing.assert_close(linear(tensor), expected)
