"""Law 2. One batch, one language key; pairs are drawn by the temperature."""

from collections import Counter

import numpy as np
import pytest
import torch
from conftest import PAIRS
from hypothesis import given
from hypothesis import strategies as st
from in_process import translation_task

from lass_plugin.data.sampling import draw, passes, sampling_weights
from lass_plugin.errors import LassError

OPTIONS = {"max_tokens": 160, "max_sentences": None, "required_batch_size_multiple": 8}


def iterator(run, split="train", *, seed=3, epoch=1, shards=1, shard=0):
    if split not in run.task.datasets:
        run.task.load_dataset(split)
    # what the trainer alone passes, see the task
    training = {"update_epoch_batch_itr": False} if split == "train" else {}
    return run.task.get_batch_iterator(
        run.task.dataset(split),
        **OPTIONS,
        **training,
        max_positions=(1024, 1024),
        seed=seed,
        epoch=epoch,
        num_shards=shards,
        shard_id=shard,
    )


def ids(iterable) -> list[tuple[int, ...]]:
    return [tuple(batch["id"].tolist()) if batch else () for batch in iterable]


def keys_of(dataset, numbers) -> set[str]:
    return {dataset.locate(number)[0] for number in numbers}


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_every_batch_holds_one_pair_and_says_which(start, split):
    run = start()
    seen = set()
    tokens = run.task.tokens
    for batch in iterator(run, split).next_epoch_itr(shuffle=True):
        keys = keys_of(run.task.dataset(split), batch["id"].tolist())
        assert keys == {batch["language_key"]}
        seen |= keys
        (pair,) = [p for p in run.task.pairs if str(p) == batch["language_key"]]
        source = tokens.encoder_token(pair, run.task.source_dictionary)
        target = tokens.decoder_token(pair, run.task.target_dictionary)
        assert (batch["net_input"]["src_tokens"] == source).sum() == len(batch["id"])
        assert (batch["target"][:, 0] == target).all()
    assert seen == set(PAIRS)


def test_a_batch_that_mixes_pairs_is_refused(start):
    run = start()
    dataset = run.task.dataset("train")
    with pytest.raises(RuntimeError, match="mixes the pairs"):
        dataset.collater([dataset[0], dataset[len(dataset) - 1]])


def test_sentences_typed_in_are_of_the_pair_to_translate(data):
    task = translation_task(data, "-s en -t de")
    tokens = [torch.tensor([5, 6, 2]), torch.tensor([7, 2])]
    typed = task.build_dataset_for_inference(tokens, [3, 2])
    batch = typed.collater([typed[0], typed[1]])
    assert batch["language_key"] == "en-de"


def test_training_validation_and_translation_apply_the_mask_of_the_batch(
    start, draw_masks
):
    """The mask in force while the model computes is always that of the batch's key."""
    run = start("--masks", draw_masks())
    run.update("de-en")
    weights = run.task.method.joint.weights
    seen = []
    run.model.encoder.layers[0].register_forward_hook(
        lambda *_: seen.append(weights._applied)
    )
    run.update("en-nl", "de-en")
    for key in ("nl-en", "en-de"):
        batch = run.batch(key, split="valid")
        run.task.valid_step(batch, run.model, run.trainer.criterion)
    generator = run.task.build_generator([run.model], run.cfg.generation)
    run.task.inference_step(generator, [run.model], run.batch("de-en", split="test"))
    assert seen == ["en-nl", "de-en", "nl-en", "en-de", "de-en"]
    assert weights._applied is None


def test_temperature_by_hand():
    # 800 and 50 sentences: (16/17)^(1/2) : (1/17)^(1/2) = 4 : 1
    np.testing.assert_allclose(
        sampling_weights([800, 50], "temperature", 2.0), [0.8, 0.2], rtol=1e-15
    )
    # the larger is seen once, 800 sentences; the smaller gives 800 / 4 = 4 x 50
    np.testing.assert_allclose(passes([800, 50], "temperature", 2.0), [1.0, 4.0])
    np.testing.assert_allclose(passes([800, 50], "concat"), [1.0, 1.0])
    np.testing.assert_allclose(passes([800, 50], "uniform"), [1.0, 16.0])
    np.testing.assert_allclose(passes([50, 800], "temperature", 1.0), [1.0, 1.0])
    with pytest.raises(LassError, match="--sampling-temperature"):
        sampling_weights([800, 50], "temperature", 0.0)
    with pytest.raises(LassError, match="'urn'"):
        sampling_weights([800, 50], "urn")


@given(
    sizes=st.lists(st.integers(1, 10**6), min_size=1, max_size=8),
    temperature=st.floats(0.5, 100),
)
def test_sentences_seen_are_in_the_proportion_of_the_temperature(sizes, temperature):
    seen = passes(sizes, "temperature", temperature) * np.array(sizes)
    expected = np.array(sizes, dtype=float) ** (1 / temperature)
    np.testing.assert_allclose(seen / seen.sum(), expected / expected.sum(), rtol=1e-9)
    largest = int(np.argmax(sizes))
    assert seen[largest] == pytest.approx(sizes[largest])


@given(size=st.integers(1, 60), times=st.floats(0, 9), seed=st.integers(0, 99))
def test_a_draw_is_exact_and_even(size, times, seed):
    drawn = draw(size, times, np.random.default_rng(seed))
    assert len(drawn) == max(1, round(times * size))
    counts = np.bincount(drawn, minlength=size)
    assert len(counts) == size and counts.max() - counts.min() <= 1


def test_an_epoch_draws_every_pair_as_often_as_the_temperature_says(start):
    """150 and 60 sentences at T = 2: the smaller pairs are gone through 1.58 times."""
    run = start()
    dataset = run.task.dataset("train")
    own = {key: Counter() for key in PAIRS}
    for numbers in iterator(run).frozen_batches:
        (key,) = keys_of(dataset, numbers)
        own[key].update(numbers.tolist())
    for key in ("de-en", "en-de"):
        assert set(own[key].values()) == {1} and len(own[key]) == 150
    times = (150 / 60) ** 0.5
    for key in ("en-nl", "nl-en"):
        assert set(own[key].values()) == {1, 2} and len(own[key]) == 60
        # whole batches are drawn, so it is exact up to half a batch
        assert abs(sum(own[key].values()) - 60 * times) <= 8


def test_the_trainer_draws_and_other_readers_of_the_training_data_do_not(start):
    run = start()
    trained = run.trainer.get_train_iterator(epoch=1, load_dataset=False)
    assert ids(trained.next_epoch_itr()) == ids(iterator(run).next_epoch_itr())
    assert len([n for batch in trained.frozen_batches for n in batch]) > 420
    read = run.task.get_batch_iterator(run.task.dataset("train"), **OPTIONS)
    numbers = [n for batch in ids(read.next_epoch_itr(shuffle=False)) for n in batch]
    assert sorted(numbers) == list(range(2 * 150 + 2 * 60))


def test_same_seed_same_order_and_another_in_every_epoch(start):
    first, second = start(), start()
    a, b = iterator(first), iterator(second)
    epochs = []
    for _ in range(3):
        epochs.append(ids(a.next_epoch_itr(shuffle=True)))
        assert ids(b.next_epoch_itr(shuffle=True)) == epochs[-1]
    assert len(set(map(tuple, epochs))) == 3
    assert {len(epoch) for epoch in epochs} == {len(epochs[0])}
    # not only the order of the batches differs, but what is in them
    assert set(epochs[0]) != set(epochs[1])
    assert ids(iterator(first, seed=4).next_epoch_itr()) != epochs[0]


@pytest.mark.parametrize("taken", [0, 1, 7, "all", "all and 5"])
def test_a_resumed_iterator_goes_on_where_the_other_stood(start, taken):
    run = start()
    whole = iterator(run)
    order = [ids(whole.next_epoch_itr(shuffle=True)) for _ in range(3)]
    flat = [batch for epoch in order for batch in epoch]

    stopped = iterator(run)
    current = stopped.next_epoch_itr(shuffle=True)
    count = {"all": len(order[0]), "all and 5": len(order[0]) + 5}.get(taken, taken)
    for _ in range(count):
        if not current.has_next():
            current = stopped.next_epoch_itr(shuffle=True)
        next(current)
    state = stopped.state_dict()

    # as fairseq resumes: an iterator of the epoch that the state names
    resumed = iterator(start(), epoch=state["epoch"])
    assert resumed.first_batch is not None  # the trainer looks at it first
    resumed.load_state_dict(state)
    going_on = []
    while len(going_on) < len(flat) - count:
        going_on += ids(resumed.next_epoch_itr(shuffle=True))
    assert going_on == flat[count:]


def test_an_iterator_may_be_resumed_at_another_epoch_than_it_was_made_for(start):
    run = start()
    whole = iterator(run)
    whole.next_epoch_itr(shuffle=True)
    list(whole._cur_epoch_itr)
    second = whole.next_epoch_itr(shuffle=True)
    expected = ids(second)[3:]
    resumed = iterator(run)
    assert resumed.first_batch is not None
    resumed.load_state_dict(
        {**resumed_state(run), "epoch": 2, "iterations_in_epoch": 3, "shuffle": True}
    )
    assert ids(resumed.next_epoch_itr(shuffle=True)) == expected


def resumed_state(run) -> dict:
    started = iterator(run)
    started.next_epoch_itr(shuffle=True)
    return started.state_dict()


def test_two_shards_partition_the_batches(start):
    run = start()
    whole = ids(iterator(run).next_epoch_itr(shuffle=True))
    shards = [
        ids(iterator(run, shards=2, shard=shard).next_epoch_itr(shuffle=True))
        for shard in range(2)
    ]
    assert len(shards[0]) == len(shards[1]) == (len(whole) + 1) // 2
    together = [batch for both in zip(*shards, strict=True) for batch in both if batch]
    assert together == whole


def test_search_too_sees_only_its_pair(start):
    run = start(
        *("--task", "translation_subnetwork_search", "--lang-pairs", "en-nl"),
    )
    keys = {batch["language_key"] for batch in iterator(run).next_epoch_itr()}
    assert keys == {"en-nl"}
