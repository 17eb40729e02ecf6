"""Several pairs searched in one training: against the equations, one pair at a time."""

import contextlib
import math
from collections import Counter

import numpy as np
import pytest
import torch
from conftest import PAIRS
from hypothesis import given
from hypothesis import strategies as st
from runs import Run, assert_same

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.data.updates import shuffle_updates, whole_updates
from lass_plugin.errors import LassError
from lass_plugin.masks.packing import unpack
from lass_plugin.methods.search.cut_down import cut_down, is_cut_down
from lass_plugin.methods.search.method import Search
from lass_plugin.methods.search.one_search import SubnetworkSearch, states_of
from lass_plugin.methods.search.plan import SearchPlan
from lass_plugin.methods.search.searched_masks import (
    scores_from_checkpoint,
    search_states,
    searched_mask,
)
from lass_plugin.schedules import cubic

A, B = "de-en", "en-nl"
TASK = ("--task", "translation_subnetwork_search")
RATE = 0.05
GRADUAL = (
    "--pruning-criterion gradient --pruning-schedule gradual --pruning-ratio 0.6 "
    "--pruning-start 1 --pruning-ramp 2 --pruning-interval 1"
).split()
PLAIN = (
    f"--dropout 0 --clip-norm 0 --optimizer sgd --lr {RATE} --lr-scheduler fixed "
    "--warmup-updates 0"
).split()


def together(data, *flags, keys=(A, B)) -> Run:
    return Run(data, *TASK, "--lang-pairs", ",".join(keys), *GRADUAL, *flags)


@pytest.mark.parametrize("keys", [(A,), (A, B)])
def test_what_is_cut_down_gives_the_same_masks_and_is_no_start(data, tmp_path, keys):
    run = together(data, keys=keys)
    for number, key in enumerate(3 * keys):
        run.update(run.batch(key, number))
    state = run.task.method.state_dict()
    content = {
        "model": run.weights(),
        "extra_state": {"train_iterator": {"subnetwork": state}},
        "last_optimizer_state": {"state": {}},
    }
    whole = Checkpoint(tmp_path / "whole.pt", content)
    small = Checkpoint(tmp_path / "small.pt", cut_down(whole))
    assert is_cut_down(small) and not is_cut_down(whole)
    assert list(search_states(small)) == list(keys)
    for key in keys:
        for ratio in (0.2, 0.6):
            one, other = (
                searched_mask(each, ratio, None, key) for each in (whole, small)
            )
            assert one.provenance == other.provenance and one.base == other.base
            assert all(torch.equal(one.bits[n], other.bits[n]) for n in one.bits)
    with pytest.raises(LassError, match="cut down to its scores when it had ended"):
        together(data, keys=keys).task.method.load_state_dict(
            small.iterator_state["subnetwork"]
        )


def slow_mask(scores: list[float], ratio: float) -> list[bool]:
    """Eq. 3: without the lowest scores, of equal ones the first."""
    lowest = sorted(range(len(scores)), key=lambda i: (scores[i], i))
    removed = set(lowest[: round(ratio * len(scores))])
    return [i not in removed for i in range(len(scores))]


def test_scores_masks_and_weights_are_those_of_the_equations(data):
    """Eq. 2–6, one weight at a time: an update of A moves nothing of B but W."""
    run = together(data, *PLAIN)
    by_hand = Run(data, "--lang-pairs", f"{A},{B}", "--dropout", 0)
    sites = {name: site.shape for name, site in run.sites.items()}
    weights = run.weights()
    tensors = by_hand.model.state_dict()
    names_of = {  # an embedding that is shared has several names
        name: [n for n in tensors if tensors[n].data_ptr() == one.data_ptr()]
        for name, one in by_hand.model.named_parameters()
    }
    scores = {key: {n: [0.0] * s.numel() for n, s in sites.items()} for key in (A, B)}
    masks = {key: {n: torch.ones(s) for n, s in sites.items()} for key in (A, B)}
    own = Counter()
    for number, key in enumerate([A, B, A, A, B, A, B]):
        batches = [run.batch(key, number), run.batch(key, number + 9, size=3)]
        masked = {n: w * masks[key].get(n, 1) for n, w in weights.items()}
        by_hand.model.load_state_dict(masked)
        by_hand.trainer.zero_grad()
        for batch in batches:
            by_hand.backward(batch)
        tokens = sum(batch["ntokens"] for batch in batches)
        for name, gradient in by_hand.gradients().items():
            gradient = gradient / tokens
            if name in sites:
                values = zip(
                    gradient.view(-1).tolist(),
                    weights[name].view(-1).tolist(),
                    strict=True,
                )
                for i, (slope, weight) in enumerate(values):
                    scores[key][name][i] -= slope * weight
            moved = weights[name] - RATE * gradient * masks[key].get(name, 1)
            weights.update(dict.fromkeys(names_of[name], moved))
        own[key] += 1
        run.update(*batches)
        search = run.task.method.searches[key]
        assert search.updates == own[key]
        ratio = cubic(own[key], 0.6, 1, 2)
        for name, shape in sites.items():
            score = search.scores()[name].view(-1)
            expected = torch.tensor(scores[key][name])
            most = float(expected.abs().max())
            torch.testing.assert_close(score, expected, rtol=1e-3, atol=1e-4 * most)
            if ratio > 0:
                bits = search.weights.bits(key)[name]
                kept = unpack(bits, (shape.numel(),)).tolist()
                assert kept == slow_mask(score.tolist(), ratio)
                masks[key][name] = torch.tensor(kept).float().view(shape)
        for name, weight in run.weights().items():
            torch.testing.assert_close(weight, weights[name], rtol=1e-4, atol=1e-5)
    assert own == {A: 4, B: 3} and run.task.method.updates == 7
    assert run.trainer.get_num_updates() == 7


@pytest.mark.parametrize("flags", [(), ("--pruning-criterion", "magnitude")])
def test_one_pair_is_searched_as_before(data, flags):
    """A run of one pair and the search by itself: the same bytes of everything."""
    run = together(data, *flags, keys=(A,))
    other = together(data, *flags, keys=(A,))
    alone = SubnetworkSearch(other.task.method.only.plan)
    for number in range(5):
        run.update(run.batch(A, number))

    # what the task did before it could search several pairs
    @contextlib.contextmanager
    def micro_batch(batch):
        alone.begin(batch.model, batch.optimizer)
        with torch.enable_grad(), alone.micro_batch():
            yield

    other.task.method.micro_batch = micro_batch
    other.task.method.step = alone.step
    for number in range(5):
        other.update(other.batch(A, number))
    assert_same(run.weights(), other.weights())
    states = [run.task.method.state_dict(), alone.state_dict()]
    assert states[0].keys() == states[1].keys()
    assert states[0]["version"] == 1 and states[0]["updates"] == 5
    for half in (0, 1):
        assert_same(*(state["halves"][half] for state in states))
    assert_same(*(state["bits"] for state in states))
    assert states[0]["settled"] == states[1]["settled"]


def test_a_pair_that_alone_is_drawn_is_searched_as_in_a_run_of_its_own(data):
    both, alone = together(data), together(data, keys=(A,))
    for number in range(4):
        both.update(both.batch(A, number))
        alone.update(alone.batch(A, number))
    assert_same(both.weights(), alone.weights())
    search = both.task.method.searches[A]
    assert_same(search.scores(), alone.task.method.only.scores())
    assert_same(search.weights.bits(A), alone.task.method.only.weights.bits(A))
    other = both.task.method.searches[B]
    assert other.updates == 0
    assert not any(score.any() for score in other.scores().values())


def test_validation_sees_the_sub_network_of_its_pair(data):
    run = together(data, "--dropout", 0)
    for key in (A, B, A, B, A, B):
        run.update(key)
    for key in (A, B):
        batch = run.batch(key, split="valid")
        loss, _, output = run.task.valid_step(batch, run.model, run.trainer.criterion)
        multiplied = Run(data, "--lang-pairs", f"{A},{B}", "--dropout", 0)
        multiplied.model.load_state_dict(run.weights())
        bits = run.task.method.searches[key].weights.bits(key)
        with torch.no_grad():
            for name, weight in multiplied.sites.items():
                weight.mul_(unpack(bits[name], weight.shape))
        expected = multiplied.task.valid_step(
            batch, multiplied.model, multiplied.trainer.criterion
        )[0]
        assert torch.equal(loss, expected)
        assert output[f"key_tokens:{key}"] > 0


def test_an_update_of_two_pairs_is_refused(data):
    run = together(data)
    with pytest.raises(LassError, match="de-en and en-nl.*--update-freq"):
        run.update(A, B)


# -- the state -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def searched(data) -> Run:
    run = together(data)
    for key in (A, B, A, B, B):
        run.update(key)
    return run


def test_the_state_gives_every_pairs_mask_at_any_ratio(searched):
    state = searched.task.method.state_dict()
    for ratio in (0.6, 0.2, 0.9):
        for single, key in zip(states_of(state), (A, B), strict=True):
            mask = scores_from_checkpoint(single, {}).mask(ratio)
            assert mask.key == key
            assert mask.provenance.updates == {A: 2, B: 3}[key]
            assert "1 other pair" in mask.provenance.note
            scores = searched.task.method.searches[key].scores()
            for name, score in scores.items():
                kept = slow_mask(score.view(-1).tolist(), ratio)
                assert mask.unpack(name).view(-1).tolist() == kept


def test_weights_that_pairs_share_give_no_mask_by_magnitude():
    plan = SearchPlan(A, "gradient", "oneshot")
    state = {**SubnetworkSearch(plan).state_dict(), "together": [A, B]}
    with pytest.raises(LassError, match="de-en .*together.* gives no mask by magn"):
        scores_from_checkpoint(state, {}, "magnitude")


def test_a_state_is_taken_up_whole(searched):
    state = searched.task.method.state_dict()
    plans = [search.plan for search in searched.task.method.searches.values()]
    again = Search(plans)
    again.load_state_dict(state)
    assert again.updates == 5
    for key, search in again.searches.items():
        before = searched.task.method.searches[key]
        assert_same(search.scores(), before.scores())
        assert search.base == before.base


@pytest.mark.parametrize(
    "keys, message",
    [
        ((B, A), "is of de-en, en-nl, not of en-nl, de-en"),
        ((A, "en-de"), "not of de-en, en-de"),
        ((A,), "one training of de-en, en-nl together"),
    ],
)
def test_the_state_of_other_pairs_is_refused(searched, keys, message):
    state = searched.task.method.state_dict()
    plan = searched.task.method.searches[A].plan
    run = Search([SearchPlan(**{**plan.__dict__, "key": key}) for key in keys])
    with pytest.raises(LassError, match=message):
        run.load_state_dict(state)


def test_the_state_of_one_pair_or_of_another_version_is_refused(searched):
    state = searched.task.method.state_dict()
    with pytest.raises(LassError, match="is of de-en, not of de-en, en-nl"):
        searched.task.method.load_state_dict(state["searches"][A])
    with pytest.raises(LassError, match="format version 3"):
        states_of({**state, "version": 3})


def test_what_is_saved_changes_no_report(data):
    """Of several processes one saves, and all have to stop at the same report."""
    found = []
    for saves in (False, True):
        run = together(data, keys=(A,))
        search = run.task.method.only
        for number in range(4):
            run.update(run.batch(A, number))
            if number in (0, 3):
                search.report()
            elif saves:
                run.task.method.state_dict()
        found.append((search.history, list(search.state_dict()["snapshots"])))
    assert "since_halfway" in found[0][0][-1]
    assert found[0] == found[1] and found[0][1] == [1, 4]


def test_all_pairs_go_on_until_all_have_settled(data):
    """A rule that every agreement fulfils, after T1 + T2 = 3 updates of the pair."""
    run = together(data, "--stop-when-settled", 1e-6)
    method = run.task.method
    reasons = []
    for key in (A, A, A, A, B, B, B, A):
        run.update(key)
        assert len(method.report()) == len({A, B} & set(run_keys(method)))
        reasons.append(method.stopped)
    settled = {key: s.history[-1] for key, s in method.searches.items()}
    assert [bool(reason) for reason in reasons[:6]] == [False] * 6
    assert settled[A]["updates"] >= 4 and settled[B]["updates"] == 3
    if reasons[6]:  # both halves agree by more than nothing
        assert "de-en: agreement" in reasons[6] and "en-nl: agreement" in reasons[6]
        assert method.updates == 7  # the last update came too late
        states = run.task.method.state_dict()["searches"]
        assert all(state["stopped"] for state in states.values())


def run_keys(method: Search) -> list[str]:
    return [key for key, search in method.searches.items() if search.updates]


# -- updates of one pair ---------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 99))
def test_whole_updates_hold_every_batch_and_no_more_than_needed(count, size, seed):
    batches = [np.array([number]) for number in range(count)]
    result = whole_updates(batches, size, np.random.default_rng(seed))
    assert len(result) == math.ceil(count / size) * size
    times = Counter(int(batch[0]) for batch in result)
    assert times.keys() == set(range(count))
    assert max(times.values()) <= 1 + math.ceil(size / count)
    shuffled = shuffle_updates(result, size, np.random.default_rng(seed))
    starts = range(0, len(result), size)
    cut, moved = (
        [
            tuple(int(batch[0]) for batch in some[start : start + size])
            for start in starts
        ]
        for some in (result, shuffled)
    )
    assert sorted(cut) == sorted(moved)


@pytest.mark.parametrize("ranks", [1, 2])
def test_all_batches_of_an_update_are_of_one_pair(data, ranks):
    """Accumulation that differs by epoch, one rank and two; no sentence is lost."""
    run = together(data, "--update-freq", "2,3", keys=PAIRS)
    dataset = run.task.datasets["train"]
    readers = [
        run.task.get_batch_iterator(
            dataset,
            max_tokens=160,
            seed=3,
            num_shards=ranks,
            shard_id=rank,
            update_epoch_batch_itr=False,
        )
        for rank in range(ranks)
    ]
    for frequency in (2, 3, 3):
        shards = []
        for reader in readers:
            reader.next_epoch_itr(shuffle=True)
            shards.append(list(reader.ordered_batches(reader.epoch, False, True)))
            reader._cur_epoch_itr.n = reader._cur_epoch_itr.total
        steps = len(shards[0])
        assert steps % frequency == 0
        order = []
        for start in range(0, steps, frequency):
            keys = {
                dataset.locate(int(index))[0]
                for shard in shards
                for batch in shard[start : start + frequency]
                for index in batch
            }
            assert len(keys) == 1
            order += keys
        assert set(order) == set(PAIRS) and order != sorted(order)
        seen = {int(i) for shard in shards for batch in shard for i in batch}
        assert seen == set(range(len(dataset)))


# -- what is refused -------------------------------------------------------------------


def test_a_schedule_longer_than_a_pairs_updates_is_refused_by_the_pair():
    plan = SearchPlan(A, "gradient", "gradual", ratio=0.5, start=4, ramp=6)
    plan.check_together({A: 0.75, B: 0.25}, 40)
    plan.check_together({A: 0.75, B: 0.25}, 0)
    with pytest.raises(LassError, match="en-nl gets about 10 of --max-update 39.*40"):
        plan.check_together({A: 0.75, B: 0.25}, 39)


def test_a_pair_that_is_drawn_too_rarely_is_named_before_training(data):
    run = together(data, "--max-update", 20, "--sampling-temperature", 0.4)
    with pytest.raises(LassError, match="en-nl gets about . of --max-update 20"):
        run.trainer.get_train_iterator(epoch=1)
    run = together(data, "--max-update", 20)
    run.trainer.get_train_iterator(epoch=1)


@pytest.mark.parametrize(
    "flags, named",
    [
        (("--pruning-criterion", "magnitude"), "--pruning-criterion magnitude"),
        (("--max-update", 5), "--max-update 5"),
        (("--scores-on-cpu",), "--scores-on-cpu has no effect"),
    ],
)
def test_what_cannot_be_searched_together_is_refused(data, flags, named):
    with pytest.raises(LassError, match=named):
        together(data, *flags)


def test_grouped_shuffling_is_refused(data):
    run = together(data, "--grouped-shuffling")
    with pytest.raises(LassError, match="--grouped-shuffling"):
        run.trainer.get_train_iterator(epoch=1)


@pytest.mark.gpu
def test_scores_kept_on_the_cpu_are_the_same(data):
    runs = []
    for flags in ((), ("--scores-on-cpu",)):
        run = together(data, "--dropout", 0)
        plans = [search.plan for search in run.task.method.searches.values()]
        places = 1 if flags else None
        run.task.method.searches = Search(plans, places).searches
        run.trainer.cuda = True
        run.model.cuda()
        for key in (A, B, A, B, A):
            batch = run.batch(key)
            batch["net_input"] = {k: v.cuda() for k, v in batch["net_input"].items()}
            batch["target"] = batch["target"].cuda()
            run.backward(batch)
            run.task.method.step(run.optimizer)
            run.optimizer.zero_grad()
        runs.append(run)
    for key in (A, B):
        first, second = (run.task.method.searches[key] for run in runs)
        copies = second.room.copies
        assert copies.updates == 5 and copies.to_device >= 4 and copies.to_host >= 3
        assert_same(first.scores(), second.scores())
