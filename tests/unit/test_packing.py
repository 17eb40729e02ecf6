"""Bits: packing, unpacking and counting."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from lass_plugin import devices
from lass_plugin.masks import packing

MATRICES = hypothesis_numpy.arrays(
    bool, hypothesis_numpy.array_shapes(min_dims=1, max_dims=3, max_side=17)
)


def test_the_first_weight_is_the_lowest_bit():
    mask = torch.tensor([[True, False, False, True], [False, False, False, True]])
    assert packing.pack(mask).tolist() == [0b10001001]


def test_the_last_byte_is_filled_with_zeros():
    packed = packing.pack(torch.ones(3, 3, dtype=torch.bool))
    assert packed.tolist() == [0xFF, 1]


@given(MATRICES)
@settings(max_examples=200)
def test_unpack_undoes_pack_and_count_counts(array):
    mask = torch.from_numpy(array)
    packed = packing.pack(mask)
    assert packed.dtype == torch.uint8
    assert packed.numel() == packing.packed_size(mask.numel())
    assert torch.equal(packing.unpack(packed, mask.shape), mask)
    assert packing.count(packed) == int(array.sum())


@given(MATRICES)
@settings(max_examples=100)
def test_a_gpu_packs_the_same_without_the_host(array):
    mask = torch.from_numpy(array)
    expected = packing.pack(mask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "ONE_BY_ONE", frozenset())
        packed = packing.pack(mask)
        several = packing.pack_each({"a": mask, "b": ~mask, "c": mask})
    assert packed.dtype == torch.uint8 and torch.equal(packed, expected)
    assert torch.equal(several["a"], expected) and torch.equal(several["c"], expected)
    assert torch.equal(several["b"], packing.pack(~mask))


@given(st.integers(1, 200), st.integers(0, 2**32))
@settings(max_examples=100)
def test_shared_ones_are_those_of_the_intersection(size, seed):
    generator = np.random.default_rng(seed)
    first, second = (torch.from_numpy(generator.random(size) < 0.5) for _ in "ab")
    shared = packing.count_shared(packing.pack(first), packing.pack(second))
    assert shared == int((first & second).sum())


def test_a_mask_that_is_not_contiguous_is_packed_row_by_row():
    mask = torch.tensor([[True, False, True], [True, True, False]]).T
    assert torch.equal(packing.unpack(packing.pack(mask), mask.shape), mask)


def test_counts_are_the_same_without_numpy_2(monkeypatch):
    packed = torch.arange(256).to(torch.uint8)
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert packing.count(packed) == 1024


def test_only_boolean_tensors_are_packed():
    with pytest.raises(TypeError, match="boolean"):
        packing.pack(torch.ones(3))


def test_masks_of_different_length_share_nothing_countable():
    with pytest.raises(ValueError, match="1 and 2 bytes"):
        packing.count_shared(torch.zeros(1), torch.zeros(2))
