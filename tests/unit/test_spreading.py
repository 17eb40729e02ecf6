"""Packed masks as numbers, and the fused step that holds weights still with them."""

import functools

import pytest
import torch
from fairseq import utils

from lass_plugin import devices
from lass_plugin.errors import LassError
from lass_plugin.masks import Mask, MaskSet, Provenance
from lass_plugin.masks.packing import pack
from lass_plugin.optim import pieces
from lass_plugin.optim.strict_adam import (
    FairseqStrictAdam,
    StrictAdam,
    StrictAdamConfig,
)
from lass_plugin.training.masked_weights import MaskedWeights
from lass_plugin.training.side_by_side import SideBySide
from lass_plugin.training.spreading import factors, held_pattern
from lass_plugin.training.stretches import Stretch
from lass_plugin.training.strict_update import Region, restore_held, restore_outside

TYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def _mask(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(3)) < 0.5


@pytest.mark.parametrize("number", TYPES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (8, 16), (7, 33)])
def test_factors_multiply_as_the_mask_does(shape, number):
    weight = torch.randn(shape).to(number)
    weight.view(-1)[0] = -0.0
    mask = _mask(*shape)
    spread = factors(pack(mask), weight)
    assert spread.shape == weight.shape
    integer = {2: torch.int16, 4: torch.int32, 8: torch.int64}[number.itemsize]
    product, expected = weight * spread, weight * mask
    assert torch.equal(product.view(integer), expected.view(integer))


def test_what_is_held_is_spread_where_gradients_are_masked_alone(monkeypatch):
    """On a GPU; an evaluation asks for the mask and no more."""
    monkeypatch.setattr(devices, "ONE_BY_ONE", frozenset())
    spread = []
    usual = SideBySide.spread

    def counted(self, mask, memory):
        spread.append(mask)
        return usual(self, mask, memory)

    monkeypatch.setattr(SideBySide, "spread", counted)
    weight, mask = torch.nn.Parameter(torch.randn(5, 8)), _mask(5, 8)
    held = mask & (torch.arange(40).view(5, 8) % 3 == 0)
    made = Provenance("random", 0.5)
    masks = MaskSet([Mask.from_tensors("de-en", {"w": mask}, made)])
    weights = MaskedWeights({"w": weight}, masks, {"w": pack(held)})
    given = weight.detach().clone()
    for _ in range(2):
        spread.clear()
        with torch.no_grad(), weights.using("de-en"):
            assert torch.equal(weight, given * mask)
        assert len(spread) <= 1
        weight.grad = None
        with weights.applied("de-en"):
            weight.sum().backward()
        assert torch.equal(weight.grad, (mask & ~held).float())
    with pytest.raises(LassError), weights.applied("en-de"):
        pass
    with weights.applied("de-en", mask_gradients=False):
        weight.grad = None
        weight.sum().backward()
    assert weight.grad.eq(1).all()


@pytest.mark.parametrize("number", TYPES)
@pytest.mark.parametrize("units", [1, 7, 8, 1001])
def test_held_pattern_is_all_ones_outside_the_mask(units, number):
    mask = _mask(units)
    held = held_pattern(pack(mask), torch.zeros(units, dtype=number))
    assert torch.equal(held, mask.to(held.dtype) - 1)


def test_both_ways_to_restore_agree_on_every_bit():
    mask = _mask(64)
    new, old = torch.randn(64), torch.randn(64)
    old[:4] = torch.tensor([float("nan"), float("inf"), -0.0, 0.0])
    one, other = new.clone(), new.clone()
    restore_outside(one, old.clone(), mask)
    restore_held(other, old.clone(), held_pattern(pack(mask), new))
    expected = torch.where(mask, new, old)
    assert torch.equal(one.view(torch.int32), expected.view(torch.int32))
    assert torch.equal(other.view(torch.int32), expected.view(torch.int32))


@pytest.mark.parametrize("units", [5, 64, 200, 1000])
def test_a_held_step_in_pieces_is_the_free_step_inside_the_mask(monkeypatch, units):
    monkeypatch.setattr(pieces, "CPU_PIECE", 64)
    generator = torch.Generator().manual_seed(units)
    free, held = (torch.nn.Parameter(torch.zeros(units)) for _ in range(2))
    start = torch.randn(units, generator=generator)
    optimizers = []
    for parameter in (free, held):
        parameter.data.copy_(start)
        optimizers.append(StrictAdam([parameter], lr=0.1, weight_decay=0.1))
    for number in range(3):
        mask = torch.rand(units, generator=generator) < 0.5
        gradient = torch.randn(units, generator=generator)
        free.data.copy_(held.data)
        states = [o.state[p] for o, p in zip(optimizers, (free, held), strict=True)]
        for name in states[0]:
            states[0][name].copy_(states[1][name])
        before = [held.data.clone()]
        before += [states[1][n].clone() for n in states[1] if n != "step"]
        for parameter in (free, held):
            parameter.grad = gradient.clone()
        optimizers[0].step()
        region = Region(Stretch(held, 0, units), pack(mask))
        with optimizers[1].hold([region]):
            optimizers[1].step()
        after = [held.data, *(states[1][n] for n in states[1] if n != "step")]
        stepped = [free.data, *(states[0][n] for n in states[0] if n != "step")]
        if number:  # the first step makes the moments
            for new, old, other in zip(after, before, stepped, strict=True):
                assert torch.equal(new, torch.where(mask, other, old))
        assert not optimizers[1]._copies


@pytest.mark.parametrize("most", [0.0, 0.5, 1e9])
def test_gradients_are_clipped_as_fairseq_clips_them(most):
    generator = torch.Generator().manual_seed(4)
    parameters = [torch.nn.Parameter(torch.zeros(n, 3)) for n in (5, 1, 8)]
    parameters.append(torch.nn.Parameter(torch.zeros(2)))  # without a gradient
    gradients = [torch.randn(p.shape, generator=generator) for p in parameters[:3]]
    found = []
    for clip in (
        FairseqStrictAdam(StrictAdamConfig(lr=[0.1]), parameters).clip_grad_norm,
        functools.partial(utils.clip_grad_norm_, parameters),
    ):
        for parameter, gradient in zip(parameters[:3], gradients, strict=True):
            parameter.grad = gradient.clone()
        norm = clip(most)
        found.append([norm, *(parameter.grad for parameter in parameters[:3])])
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)
