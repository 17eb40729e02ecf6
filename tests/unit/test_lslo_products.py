"""Products of frozen matrices and low-rank factors against autograd's own steps."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lass_plugin.methods.lowrank.products import Factors, together

INPUTS = 5


def layers(count, bias=True):
    torch.manual_seed(0)
    found = [nn.Linear(INPUTS, 3 + number, bias=bias) for number in range(count)]
    return [layer.double().requires_grad_(False) for layer in found]


def factors(linear, rank, rows, seed=1):
    torch.manual_seed(seed)
    shapes = ((rank, INPUTS), (linear.out_features, rank), (rows, rank))
    return Factors(
        *(
            torch.randn(shape, dtype=torch.double, requires_grad=True)
            for shape in shapes
        )
    )


def by_steps(x, linears, beside, low=None):
    """Eq. 3 in operations whose gradients autograd knows."""
    low = x if low is None else low
    outputs = []
    for linear, its in zip(linears, beside, strict=True):
        y = F.linear(x, linear.weight, linear.bias)
        if its is not None:
            y = y + F.linear(F.linear(low, its.a) * its.scale, its.b)
        outputs.append(y)
    return outputs


@given(
    ranks=st.lists(st.sampled_from([0, 1, 2, 4]), min_size=1, max_size=3),
    sentences=st.integers(1, 4),
    mixed=st.booleans(),
    bias=st.booleans(),
    own_input=st.booleans(),
    transposed=st.booleans(),
)
@settings(max_examples=60)
def test_values_and_gradients_are_those_of_single_steps(
    ranks, sentences, mixed, bias, own_input, transposed
):
    linears = layers(len(ranks), bias)
    beside = [
        factors(linear, rank, sentences if mixed else 1, seed) if rank else None
        for seed, (linear, rank) in enumerate(zip(linears, ranks, strict=True))
    ]
    x = torch.randn(6, sentences, INPUTS, dtype=torch.double)
    if transposed:  # as fairseq's decoder hands it over
        x = x.transpose(0, 1).contiguous().transpose(0, 1)
    x.requires_grad_(True)
    low = torch.randn_like(x).requires_grad_(True) if own_input else None
    leaves = [x, *([] if low is None else [low])]
    leaves += [tensor for its in beside if its is not None for tensor in its]
    results = []
    for compute in (together, by_steps):
        outputs = compute(x, linears, beside, low)
        loss = sum((number + 2) * y.pow(2).sum() for number, y in enumerate(outputs))
        gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
        with torch.no_grad():
            for y, again in zip(outputs, compute(x, linears, beside, low), strict=True):
                assert torch.equal(y, again)
        results.append([*outputs, *gradients])
    for mine, other in zip(*results, strict=True):
        assert (mine is None) == (other is None)
        if mine is not None:
            torch.testing.assert_close(mine, other)


def test_numbers_worked_out_by_hand():
    """y = 2 x + 3 (b = 5, a = 7, scale 11): y = 2 x + 3 + 385 x."""
    linear = nn.Linear(1, 1).requires_grad_(False)
    linear.weight.fill_(2.0)
    linear.bias.fill_(3.0)
    its = Factors(*(torch.tensor([[v]], requires_grad=True) for v in (7.0, 5.0, 11.0)))
    x = torch.tensor([[[10.0]]], requires_grad=True)
    (y,) = together(x, [linear], [its])
    assert y.item() == 3873.0
    y.backward()
    assert x.grad.item() == 387.0
    assert [tensor.grad.item() for tensor in its] == [550.0, 770.0, 350.0]


def test_an_input_without_gradient_costs_none():
    (linear,) = layers(1)
    its = factors(linear, 2, 1)
    x = torch.randn(4, 2, INPUTS, dtype=torch.double)
    (y,) = together(x, [linear], [its])
    y.sum().backward()
    assert x.grad is None and all(tensor.grad is not None for tensor in its)
    (y,) = together(x, [linear], [None])
    assert not y.requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_is_as_precise_as_its_input_or_autocast(dtype):
    (linear,) = layers(1)
    linear = linear.to(torch.float32)
    its = Factors(*(each.detach().float() for each in factors(linear, 2, 1)))
    its = Factors(*(each.requires_grad_() for each in its))
    x = torch.randn(4, 2, INPUTS, requires_grad=True)
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        (y,) = together(x, [linear], [its])
    assert y.dtype == dtype
    y.sum().backward()
    assert x.grad.dtype == its.a.grad.dtype == torch.float32
    expected = by_steps(x, [linear], [its])[0]
    torch.testing.assert_close(y.float(), expected, rtol=0.05, atol=0.15)


def test_a_scale_is_not_rounded_to_half_precision():
    """255/128 · (1 + 1/256) is 2 in bfloat16, where the scale itself would be 1."""
    linear = nn.Linear(1, 1, bias=False).to(torch.bfloat16).requires_grad_(False)
    linear.weight.zero_()
    one = torch.ones(1, 1, dtype=torch.bfloat16)
    its = Factors(one, one, torch.tensor([[1 + 2**-8]]))
    x = torch.full((1, 1, 1), 255 / 128, dtype=torch.bfloat16)
    for allowed in (True, False):
        with torch.set_grad_enabled(allowed):
            (y,) = together(x, [linear], [its])
        assert y.item() == 2.0 and y.dtype == torch.bfloat16
