"""Scores of many pairs in the host's memory: the same sums as where nothing is moved.

The copies of a GPU are made by a lane that puts every copy off until it is waited for,
so that one which nobody waits for shows in the sums.
"""

import contextlib
import logging
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import Run, assert_same, differences

from lass_plugin import devices
from lass_plugin.errors import LassError
from lass_plugin.methods.search import method, score_room, score_sums
from lass_plugin.methods.search.score_room import HostMemory, OwnStream, ScoreRoom

A, B, C = "de-en", "en-nl", "en-de"
SHAPES = {"first": torch.zeros(3, 5), "second": torch.zeros(7)}


class PutOff:
    """A lane whose copies are made when somebody waits for them, and not before."""

    def __init__(self) -> None:
        self.waiting: list = []

    def copy(self, source, target) -> None:
        self.waiting.append((list(source), list(target)))

    def join(self) -> None:
        while self.waiting:
            for theirs, mine in zip(*self.waiting.pop(0), strict=True):
                mine.copy_(theirs)

    finish = join


def of(room: ScoreRoom, names) -> dict:
    return {
        f"{name} {site}": part.clone()
        for name in names
        for site, part in room.parts(name).items()
    }


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "fetch", "read"]), st.integers(0, 5)),
    max_size=40,
)


@pytest.mark.parametrize("one_by_one", [devices.ONE_BY_ONE, frozenset()])
@pytest.mark.parametrize("places", [1, 2, 5])
def test_sums_are_the_same_wherever_they_are(places, one_by_one, monkeypatch):
    monkeypatch.setattr(devices, "ONE_BY_ONE", one_by_one)
    monkeypatch.setattr(score_sums, "AT_ONCE", 16)
    names = [(key, half) for key in (A, B, C) for half in (0, 1)]
    before = {"second": torch.arange(7.0)}

    @settings(max_examples=40)
    @given(steps=STEPS)
    def check(steps) -> None:
        still = ScoreRoom(SHAPES, None)
        moving = ScoreRoom(SHAPES, places, PutOff())
        for room in (still, moving):
            for name in names:
                room.keep(name, before if name[1] else {})
        for number, (what, which) in enumerate(steps):
            name = names[which]
            for room in (still, moving):
                if what == "fetch":
                    room.fetch(name)
                elif what == "add":
                    for part in room.taken(name).parts.values():
                        part += number + 1
            if what == "read":
                assert_same(of(still, [name]), of(moving, [name]))
        assert_same(of(still, names), of(moving, names))
        assert still.copies.to_device == 0 and still.told() == ""

    check()


def test_the_sum_that_was_used_longest_ago_makes_room():
    lane = PutOff()
    room = ScoreRoom(SHAPES, 2, lane)
    names = [(A, 0), (B, 0), (C, 0)]
    for name in names:
        room.keep(name, {})
    made = []
    for number in (0, 1, 0, 2, 0, 1, 1):
        room.taken(names[number])
        made.append((room.copies.to_device, room.copies.to_host))
    # c takes the place of b, b that of c; a is used in between and stays
    assert made == [(1, 0), (2, 0), (2, 0), (3, 1), (3, 1), (4, 2), (4, 2)]
    assert room.told() == "scores of 7 updates: 4 copies to the device, 2 back"


def test_what_no_update_has_changed_is_not_copied_back():
    """An update that is dropped for an overflow has fetched its sum for nothing."""
    room = ScoreRoom(SHAPES, 1, PutOff())
    for key in (A, B):
        room.keep((key, 0), {"first": torch.ones(3, 5)})
    room.fetch((A, 0))
    room.fetch((B, 0))
    assert (room.copies.to_device, room.copies.to_host) == (2, 0)
    assert room.parts((A, 0))["first"].eq(1).all()


def test_copies_are_put_off_until_they_are_needed():
    lane = PutOff()
    room = ScoreRoom(SHAPES, 1, lane)
    room.keep((A, 0), {"second": torch.ones(7)})
    room.keep((B, 0), {})
    room.fetch((A, 0))
    assert len(lane.waiting) == 1  # beside the forward and backward pass
    room.taken((A, 0)).parts["second"].add_(1)
    assert not lane.waiting
    room.fetch((B, 0))
    assert len(lane.waiting) == 2
    assert room.parts((A, 0))["second"].eq(2).all() and not lane.waiting


def test_a_stream_of_its_own_waits_for_what_was_launched_and_is_waited_for(
    monkeypatch,
):
    told = []

    class Stream:
        def __init__(self, name):
            self.name = name

        def wait_stream(self, other):
            told.append(f"{self.name} waits for {other.name}")

        def synchronize(self):
            told.append(f"the host waits for {self.name}")

    @contextlib.contextmanager
    def using(stream):
        told.append(f"on {stream.name}")
        yield

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream("own"))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream("usual"))
    monkeypatch.setattr(torch.cuda, "stream", using)
    lane = score_room.lane_of(SimpleNamespace(type="cuda"))
    assert isinstance(lane, OwnStream)
    source, target = torch.ones(3), torch.zeros(3)
    lane.copy([source], [target])
    lane.join()
    lane.finish()
    assert told == [
        "own waits for usual",
        "on own",
        "usual waits for own",
        "the host waits for own",
    ]
    assert target.eq(1).all()


def test_memory_that_cannot_be_locked_is_said_once_and_does_without(
    monkeypatch, caplog
):
    zeros, locked = torch.zeros, []

    def refusing(*size, pin_memory=False, **more):
        if pin_memory:
            locked.append(size)
            if len(locked) > 1:
                raise RuntimeError("CUDA error: out of memory")
        return zeros(*size, **more)

    monkeypatch.setattr(torch, "zeros", refusing)
    memory = HostMemory(SimpleNamespace(type="cuda"))
    with caplog.at_level(logging.WARNING):
        made = [memory.zeros(4) for _ in range(4)]
    assert all(each.shape == (4,) and each.dtype == torch.float32 for each in made)
    assert len(locked) == 2
    assert caplog.text.count("no more page-locked memory") == 1


# -- in searches -----------------------------------------------------------------------

SEARCH = (
    "--task translation_subnetwork_search --pruning-criterion gradient "
    "--pruning-schedule gradual --pruning-ratio 0.6 --pruning-start 1 "
    "--pruning-ramp 3 --pruning-interval 2 --report-interval 3"
).split()
DRAWN = (A, B, B, A, B, A, A, A, B, A)


def searched(data, keys, drawn, places, patch, state=None, flags=()):
    """A run after the updates *drawn*, with room for so many sums."""
    patch.setattr(method, "places_of", lambda cfg: places)
    patch.setattr(score_room, "lane_of", lambda device: PutOff())
    run = Run(data, *SEARCH, "--lang-pairs", ",".join(keys), *flags)
    if state is not None:
        weights, search = state
        run.model.load_state_dict(weights)
        run.task.method.load_state_dict(search)
    for number, key in enumerate(drawn):
        run.update(run.batch(key, number))
    return run


@pytest.mark.parametrize("keys, places", [((A, B), 1), ((A, B), 3), ((A,), 1)])
def test_a_search_gives_the_same_bits(data, monkeypatch, keys, places):
    drawn = [key for key in DRAWN if key in keys]
    whole = searched(data, keys, drawn, None, monkeypatch)
    for one_by_one in (devices.ONE_BY_ONE, frozenset()):
        with monkeypatch.context() as patch:
            patch.setattr(devices, "ONE_BY_ONE", one_by_one)
            run = searched(data, keys, drawn, places, patch)
        assert_same(whole.weights(), run.weights())
        states = [each.task.method.state_dict() for each in (whole, run)]
        assert not differences(*states)
        copies = next(iter(run.task.method.searches.values())).room.copies
        assert copies.updates == len(drawn)
        assert copies.to_device <= copies.updates
        assert (places < 2 * len(keys)) == (copies.to_host > 0)


def test_a_search_that_goes_on_in_the_middle_gives_the_same_bits(data, monkeypatch):
    """Whatever it had room for before, with half of the sums on their way."""
    flags = ("--optimizer", "sgd", "--lr", 0.05, "--lr-scheduler", "fixed")
    flags += ("--warmup-updates", 0, "--dropout", 0)
    keys = (A, B)
    whole = searched(data, keys, DRAWN[:5], None, monkeypatch, flags=flags)
    whole.task.method.state_dict()  # a save, which has a mask to compare with later
    first = searched(data, keys, DRAWN[:5], 1, monkeypatch, flags=flags)
    state = first.weights(), first.task.method.state_dict()
    run = searched(data, keys, (), 3, monkeypatch, state, flags)
    for number in range(5, len(DRAWN)):
        for each in (whole, run):
            each.update(each.batch(DRAWN[number], number))
    assert_same(whole.weights(), run.weights())
    states = [each.task.method.state_dict() for each in (whole, run)]
    assert not differences(*states)


@pytest.mark.parametrize(
    "flags, named",
    [
        (("--scores-on-gpu", 2), "--scores-on-gpu has no effect without"),
        (("--scores-on-gpu", 0, "--scores-on-cpu"), "--scores-on-gpu 0 is below 1"),
    ],
)
def test_room_that_nothing_needs_is_refused(data, flags, named):
    with pytest.raises(LassError, match=named):
        Run(data, *SEARCH, "--lang-pairs", f"{A},{B}", *flags)
