"""Batches of a small pair that is gone through several times: all of them full."""

import numpy as np
from fairseq.data import FairseqDataset
from hypothesis import given
from hypothesis import strategies as st

from lass_plugin.data.batching import split_batches, split_full_batches
from lass_plugin.data.pairs_dataset import PairsDataset

LIMITS = {
    "lengths": st.lists(st.integers(1, 60), min_size=1, max_size=120),
    "max_tokens": st.none() | st.integers(60, 400),
    "max_sentences": st.none() | st.integers(1, 40),
    "multiple": st.sampled_from([1, 2, 3, 8]),
}


@given(**LIMITS, seed=st.integers(0, 99))
def test_full_batches_leave_nothing_out_and_respect_the_limits(
    lengths, max_tokens, max_sentences, multiple, seed
):
    ordered = np.sort(np.array(lengths))
    limits = (max_tokens, max_sentences, multiple)
    bounds = split_full_batches(ordered, *limits, np.random.default_rng(seed))
    assert bounds[0][0] == 0 and bounds[-1][1] == len(ordered)
    overlaps = [
        end - start for (_, end), (start, _) in zip(bounds, bounds[1:], strict=False)
    ]
    assert min(overlaps, default=0) >= 0
    assert sum(overlap > 0 for overlap in overlaps) <= 1
    for start, end in bounds:
        count = end - start
        assert 1 <= count <= (max_sentences or len(ordered))
        assert count == 1 or ordered[end - 1] * count <= (max_tokens or 10**9)
        assert count <= multiple or count % multiple == 0 or len(bounds) == 1
    assert len(bounds) <= len(split_batches(ordered, *limits)) + 1


def test_all_batches_of_equal_lengths_are_full():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        bounds = split_full_batches(np.full(100, 10), 240, None, 8, rng)
        assert [end - start for start, end in bounds] == [24] * 5


def test_the_overlap_moves_about():
    places = set()
    for seed in range(30):
        rng = np.random.default_rng(seed)
        bounds = split_full_batches(np.full(100, 10), 240, None, 8, rng)
        places.update(
            number for number in range(4) if bounds[number][1] > bounds[number + 1][0]
        )
    assert places == {0, 1, 2, 3}


def test_a_small_pair_keeps_its_share_and_every_sentence():
    rng = np.random.default_rng(0)
    counts = {"a-b": 4000, "c-d": 150}
    parts = {key: _data(rng.integers(3, 40, (n, 2))) for key, n in counts.items()}
    dataset = PairsDataset(parts, "train", "temperature", 5.0)
    options = {"max_tokens": 640, "max_sentences": None, "multiple": 8}
    options |= {"limits": None, "drop_too_long": False, "training": True, "seed": 1}
    epochs = [dataset.batches(epoch, **options) for epoch in (1, 2)]
    for batches in epochs:
        small = [batch for batch in batches if batch[0] >= 4000]
        assert all(len(np.unique(batch)) == len(batch) for batch in small)
        seen = np.bincount(np.concatenate(small) - 4000, minlength=150)
        times = (4000 / 150) ** 0.8  # 13.8
        assert seen.min() >= 1 and seen.max() <= 2 * times
        assert abs(seen.sum() - 150 * times) <= 30
    again = dataset.batches(1, **options)
    assert [b.tolist() for b in again] == [b.tolist() for b in epochs[0]]


def _data(table: np.ndarray) -> FairseqDataset:
    class Lengths(FairseqDataset):
        sizes = table

        def __len__(self) -> int:
            return len(table)

    return Lengths()
