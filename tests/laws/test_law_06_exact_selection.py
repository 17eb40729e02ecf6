"""Law 6. Exactly round(ratio · n) of each matrix go, ties by index, always alike."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lass_plugin import devices, selection
from lass_plugin.errors import LassError
from lass_plugin.methods.search.one_search import SearchPlan
from lass_plugin.methods.search.searched_masks import scores_from_checkpoint
from lass_plugin.selection import select, select_each

KINDS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def slowly(scores: torch.Tensor, ratio: float) -> torch.Tensor:
    """Sort (score, index) and remove the first round(ratio · n) of them."""
    flat = scores.reshape(-1).double().numpy()
    order = np.argsort(flat, kind="stable")  # of equal scores the lowest index first
    keep = np.ones(len(flat), dtype=bool)
    keep[order[: round(ratio * len(flat))]] = False
    return torch.from_numpy(keep).view(scores.shape)


def test_by_hand():
    scores = torch.tensor([[0.5, 0.1, 0.1], [0.1, 0.7, -0.2]])
    # the lowest two: -0.2, then the first of three times 0.1
    expected = [[True, False, True], [True, True, False]]
    assert select(scores, 2 / 6).tolist() == expected


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("ratio", [0.0, 0.1, 1 / 3, 0.5, 0.6, 0.999])
def test_the_same_as_a_slow_sort_in_every_type(kind, ratio):
    generator = torch.Generator().manual_seed(1)
    # bfloat16 makes many ties of these
    scores = torch.randn(37, 53, generator=generator).to(kind)
    mask = select(scores, ratio)
    assert mask.dtype == torch.bool and mask.shape == scores.shape
    assert (~mask).sum() == round(ratio * scores.numel())
    assert torch.equal(mask, slowly(scores, ratio))


@pytest.mark.parametrize("most", [1, 64, 1 << 20])
@pytest.mark.parametrize("ratio", [0.0, 0.1, 1 / 3, 0.6, 0.999])
def test_matrices_of_one_shape_in_one_call(monkeypatch, ratio, most):
    """As on a GPU: of many ties, too, and in the order of the matrices."""
    monkeypatch.setattr(devices, "ONE_BY_ONE", frozenset())
    monkeypatch.setattr(selection, "AT_ONCE", most)
    generator = torch.Generator().manual_seed(2)
    shapes = [(4, 8), (3, 5), (4, 8), (32,), (4, 8)]
    scores = {
        str(n): torch.randint(-3, 3, shape, generator=generator).float()
        for n, shape in enumerate(shapes)
    }
    scores["2"][0, :3] = torch.tensor([float("inf"), float("-inf"), -0.0])
    kept = select_each(scores, ratio)
    assert list(kept) == list(scores)
    for name, score in scores.items():
        assert torch.equal(kept[name], slowly(score, ratio)), name
    scores["4"][0, 0] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        select_each(scores, ratio)


@given(
    scores=st.lists(st.sampled_from([-1.0, -0.0, 0.0, 2.0]), min_size=1, max_size=40),
    ratio=st.floats(0, 1, exclude_max=True),
)
def test_ties_go_by_index_and_never_all_at_once(scores, ratio):
    values = torch.tensor(scores)
    assert torch.equal(select(values, ratio), slowly(values, ratio))


@given(
    scores=st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=60),
    ratio=st.floats(0, 1, exclude_max=True),
)
def test_any_numbers_infinities_too(scores, ratio):
    values = torch.tensor(scores, dtype=torch.float32)
    assert torch.equal(select(values, ratio), slowly(values, ratio))


def test_scores_that_are_all_equal_lose_exactly_their_share():
    mask = select(torch.zeros(10, 10), 0.4)
    assert mask.view(-1).tolist() == [False] * 40 + [True] * 60


@pytest.mark.parametrize("ratio", [0.3, 0.6])
def test_a_million_scores_on_one_thread_and_on_two(ratio):
    generator = torch.Generator().manual_seed(2)
    # rounded, so that thousands are equal at the boundary
    scores = (torch.randn(1000, 1000, generator=generator) * 50).round()
    threads = torch.get_num_threads()
    try:
        masks = []
        for count in (1, 2):
            torch.set_num_threads(count)
            masks.append(select(scores, ratio))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*masks)
    assert torch.equal(masks[0], slowly(scores, ratio))


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_same_on_a_gpu(kind):
    generator = torch.Generator().manual_seed(2)
    scores = (torch.randn(700, 900, generator=generator) * 50).round().to(kind)
    for ratio in (0.0, 0.3, 0.6, 0.9):
        assert torch.equal(select(scores.cuda(), ratio).cpu(), select(scores, ratio))


def test_ratio_zero_keeps_everything():
    assert select(torch.full((3, 4), float("-inf")), 0.0).all()


@pytest.mark.parametrize("ratio", [-0.1, 1.0, 1.5, float("nan")])
def test_a_ratio_outside_is_refused(ratio):
    with pytest.raises(LassError, match="outside"):
        select(torch.zeros(4), ratio)


@pytest.mark.parametrize("ratio", [0.0, 0.5])
def test_nan_is_an_error(ratio):
    with pytest.raises(ValueError, match="NaN"):
        select(torch.tensor([1.0, float("nan")]), ratio)


def test_scores_are_left_as_they_are():
    scores = torch.randn(5, 5)
    before = scores.clone()
    select(scores, 0.5)
    assert torch.equal(scores, before)


@pytest.mark.parametrize("ratio", [0.0, 0.25, 0.6, 0.9])
def test_each_matrix_loses_its_own_share(ratio):
    """A mask taken from a checkpoint: by matrix, not over the whole model."""
    sizes = {
        "encoder.layers.0.fc1.weight": (7, 3),
        "decoder.layers.0.fc2.weight": (2, 9),
    }
    scores = {
        name: torch.randn(shape) * 10**power
        for power, (name, shape) in enumerate(sizes.items())
    }
    state = {
        "phase": "search",
        "version": 1,
        "plan": SearchPlan("de-en", "gradient").to_dict(),
        "updates": 3,
        "base": dict.fromkeys(sizes, 0.5),
        "halves": [scores, {name: torch.zeros(sizes[name]) for name in sizes}],
    }
    mask = scores_from_checkpoint(state, {}).mask(ratio)
    for name, (rows, columns) in sizes.items():
        assert rows * columns - mask.kept(name) == round(ratio * rows * columns)
        assert torch.equal(mask.unpack(name), slowly(scores[name], ratio))
