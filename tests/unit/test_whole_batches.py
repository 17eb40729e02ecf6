"""Batches that are made at once are those that fairseq makes one by one."""

import pickle
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from fairseq.data import Dictionary, LanguagePairDataset, indexed_dataset
from hypothesis import given
from hypothesis import strategies as st

from lass_plugin.data.pair_data import prepend
from lass_plugin.data.pairs_dataset import PairsDataset
from lass_plugin.data.whole_batches import whole_batches

SYMBOLS = 30


@pytest.fixture(scope="module")
def dictionary() -> Dictionary:
    made = Dictionary()
    for number in range(SYMBOLS):
        made.add_symbol(f"w{number}")
    return made


@pytest.fixture(scope="module")
def mapped(tmp_path_factory, dictionary):
    """Symbols of the dictionary -> mapped sentences , as 2 or 4 bytes a token."""
    folder = tmp_path_factory.mktemp("mapped")

    @cache
    def load(name: str, seed: int, vocabulary: int) -> Any:
        generator = torch.Generator().manual_seed(seed)
        builder = indexed_dataset.make_builder(
            str(folder / f"{name}{seed}{vocabulary}.bin"),
            impl="mmap",
            vocab_size=vocabulary,
        )
        for _ in range(40):
            length = int(torch.randint(0, 12, (), generator=generator))
            # the end of a sentence stands within some, as text may have it
            words = torch.randint(2, 4 + SYMBOLS, (length,), generator=generator)
            builder.add_item(torch.cat([words, torch.tensor([2])]).int())
        builder.finalize(str(folder / f"{name}{seed}{vocabulary}.idx"))
        return indexed_dataset.make_dataset(
            str(folder / f"{name}{seed}{vocabulary}"), impl="mmap"
        )

    return load


def same(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            same(one[name], other[name])
    elif isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype and torch.equal(one, other)
    else:
        assert one == other


def pair(mapped, dictionary, seed=0, token=None, with_target=True, **more) -> Any:
    source = prepend(mapped("s", seed, SYMBOLS + 4), token)
    target = prepend(mapped("t", seed, 70_000), token) if with_target else None
    return LanguagePairDataset(
        source,
        source.sizes,
        dictionary,
        target,
        target.sizes if with_target else None,
        dictionary,
        **more,
    )


@given(
    numbers=st.lists(st.integers(0, 39), min_size=1, max_size=9),
    token=st.sampled_from([None, 9]),
    with_target=st.booleans(),
    left_source=st.booleans(),
    left_target=st.booleans(),
)
def test_a_batch_is_the_one_that_fairseq_makes(
    mapped, dictionary, numbers, token, with_target, left_source, left_target
):
    data = pair(
        *(mapped, dictionary, 0, token, with_target),
        left_pad_source=left_source,
        left_pad_target=left_target,
    )
    ids = np.asarray(numbers) + 100
    whole = whole_batches(data)
    assert whole is not None
    samples = [{**data[n], "id": int(i)} for n, i in zip(numbers, ids, strict=True)]
    same(whole.batch(np.asarray(numbers), ids), data.collater(samples))


def test_several_pairs_in_a_loader_of_torch_and_after_pickling(mapped, dictionary):
    parts = {"de-en": pair(mapped, dictionary, 0, 9), "en-de": pair(mapped, dictionary)}
    data = PairsDataset(parts, "train")
    batches = [[3, 1, 2], [41, 79, 40], [39]]
    expected = [data.collater([data[n] for n in batch]) for batch in batches]
    loader = torch.utils.data.DataLoader(
        data, collate_fn=data.collater, batch_sampler=batches
    )
    for found, batch in zip(loader, expected, strict=True):
        same(found, batch)
    numbers = np.array([44, 79, 40])
    assert np.array_equal(data.sizes_of(numbers), data.sizes[numbers])
    again = pickle.loads(pickle.dumps(data))
    same(again.batch(batches[1]), expected[1])
    with pytest.raises(RuntimeError, match="mixes the pairs"):
        data.batch([1, 50])


def test_other_data_are_made_one_by_one(mapped, dictionary):
    plain = pair(mapped, dictionary)
    assert whole_batches(plain) is not None
    assert whole_batches(pair(mapped, dictionary, append_bos=True)) is None
    assert whole_batches(pair(mapped, dictionary, pad_to_multiple=8)) is None
    of_words = [torch.tensor([5, 2])] * 3
    from fairseq.data import ListDataset

    listed = LanguagePairDataset(ListDataset(of_words, [2] * 3), [2] * 3, dictionary)
    assert whole_batches(listed) is None
    data = PairsDataset({"a-b": listed, "b-a": listed}, "test", mixed=True)
    assert data.batch([0, 4])["language_keys"] == ["a-b", "b-a"]
