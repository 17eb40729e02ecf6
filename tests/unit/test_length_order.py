"""The order of sentences within a pair: by length, neighbours alike on both sides."""

import numpy as np

from lass_plugin.data.batching import make_batches, order_by_length


def _sizes(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    source = rng.lognormal(3.0, 0.6, count)
    target = source * rng.lognormal(0.0, 0.2, count)
    return np.stack([source, target], axis=1).astype(np.int32) + 2


def test_order_turns_at_every_length():
    sizes = np.array([[3, 1], [2, 2], [1, 2], [2, 1], [3, 3], [1, 3]])
    ordered = sizes[order_by_length(sizes, None)].tolist()
    assert ordered == [[1, 2], [2, 2], [2, 1], [3, 1], [3, 3], [1, 3]]


def test_order_is_a_permutation_by_the_longer_side():
    sizes = _sizes(1000)
    order = order_by_length(sizes, np.random.default_rng(1))
    assert sorted(order) == list(range(1000))
    assert (np.diff(sizes.max(axis=1)[order]) >= 0).all()


def test_equals_are_ordered_by_the_generator_alone():
    sizes = _sizes(1000)
    first, again, other = (
        order_by_length(sizes, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()
    assert (sizes[first] == sizes[other]).all()


def test_short_side_is_padded_less_than_by_order_of_source():
    sizes = _sizes(20000)
    by_source = np.lexsort((sizes[:, 0], sizes.max(axis=1)))
    every = np.arange(len(sizes))
    rng = np.random.default_rng(0)
    ours = make_batches(sizes, every, 4096, None, 8, rng)
    ends = np.cumsum([len(batch) for batch in ours])[:-1]
    assert _positions(sizes, ours) < 0.99 * _positions(sizes, np.split(by_source, ends))


def test_one_side_and_no_sentences():
    lengths = np.array([5, 2, 9, 2])
    assert order_by_length(lengths, None).tolist() == [1, 3, 0, 2]
    assert order_by_length(np.zeros((0, 2), dtype=np.int32), None).tolist() == []


def _positions(sizes: np.ndarray, batches: list) -> int:
    return sum(sizes[batch].max(axis=0).sum() * len(batch) for batch in batches)
