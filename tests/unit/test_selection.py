"""Exact selection: how many, which of equal ones, and the same everywhere."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lass_plugin.errors import LassError
from lass_plugin.selection import removed_units, select

SCORES = st.lists(
    st.sampled_from([-math.inf, -1.0, -0.0, 0.0, 0.25, 1.0, 3.0, math.inf]),
    min_size=1,
    max_size=60,
)


def slow(scores: torch.Tensor, ratio: float) -> torch.Tensor:
    """Sort by score, then by index, and remove from the front."""
    flat = scores.reshape(-1).tolist()
    order = sorted(range(len(flat)), key=lambda index: (flat[index], index))
    keep = torch.ones(len(flat), dtype=torch.bool)
    keep[order[: round(ratio * len(flat))]] = False
    return keep.view(scores.shape)


def test_the_lowest_of_a_small_matrix_go():
    scores = torch.tensor([[0.5, -1.0, 2.0], [0.1, 0.0, 3.0]])
    assert select(scores, 0.5).tolist() == [[True, False, True], [False, False, True]]


def test_of_equal_scores_those_with_the_lowest_index_go():
    scores = torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    assert select(scores, 4 / 6).tolist() == [
        [False, False, False],
        [True, True, False],
    ]


@given(SCORES, st.floats(0, 1, exclude_max=True))
@settings(max_examples=300)
def test_it_agrees_with_a_sort_by_score_and_index(values, ratio):
    scores = torch.tensor(values)
    kept = select(scores, ratio)
    assert torch.equal(kept, slow(scores, ratio))
    assert int((~kept).sum()) == removed_units(len(values), ratio)


@given(st.integers(1, 3000), st.floats(0, 1, exclude_max=True), st.integers(0, 9))
@settings(max_examples=50)
def test_exactly_the_rounded_share_goes_also_when_all_are_equal(size, ratio, seed):
    generator = torch.Generator().manual_seed(seed)
    for scores in (torch.zeros(size), torch.rand(size, generator=generator)):
        assert int((~select(scores, ratio)).sum()) == round(ratio * size)


def test_ratio_0_keeps_everything():
    assert bool(select(torch.tensor([-math.inf, 0.0, 1.0]), 0.0).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
def test_the_type_of_the_scores_makes_no_difference(dtype):
    scores = torch.tensor([3, 1, 2, 1, 0, 5, 1]).to(dtype)
    assert torch.equal(select(scores, 0.4), slow(scores, 0.4))


def test_any_number_of_threads_selects_the_same():
    scores = torch.from_numpy(np.random.default_rng(1).integers(0, 50, 200_000)).float()
    threads = torch.get_num_threads()
    try:
        masks = []
        for count in (1, 2, 4):
            torch.set_num_threads(count)
            masks.append(select(scores, 0.37))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(masks[0], masks[1]) and torch.equal(masks[0], masks[2])


def test_scores_are_left_as_they_were():
    scores = torch.tensor([[2.0, 1.0], [0.0, 3.0]], requires_grad=True)
    before = scores.detach().clone()
    assert not select(scores, 0.5).requires_grad
    assert torch.equal(scores.detach(), before)


def test_nan_is_an_error_at_every_ratio():
    for ratio in (0.0, 0.5):
        with pytest.raises(ValueError, match="NaN"):
            select(torch.tensor([1.0, math.nan]), ratio)


@pytest.mark.parametrize("ratio", [-0.1, 1.0, 1.5, math.nan])
def test_a_ratio_that_is_no_share_below_1_is_refused(ratio):
    with pytest.raises(LassError, match="outside"):
        select(torch.zeros(4), ratio)
