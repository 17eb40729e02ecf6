"""Law 7. A schedule ends at its target exactly, is 7/8 there half-way, never falls."""

import pytest
from conftest import PAIRS
from hypothesis import given
from hypothesis import strategies as st

from lass_plugin.errors import LassError
from lass_plugin.methods.search.one_search import SearchPlan
from lass_plugin.schedules import check_ratio, cubic

RATIOS = st.floats(0, 1, exclude_max=True)
STARTS = st.integers(0, 10**6)
LENGTHS = st.integers(1, 10**6)


def test_by_hand():
    """Eq. 4 with R_p = 0.8, T1 = 2, T2 = 4."""
    ratios = [cubic(step, 0.8, 2, 4) for step in range(9)]
    ramp = [0.8 * (1 - (3 / 4) ** 3), 0.8 * 7 / 8, 0.8 * (1 - (1 / 4) ** 3)]
    assert ratios == pytest.approx([0, 0, 0, *ramp, 0.8, 0.8, 0.8])


@given(target=RATIOS, start=STARTS, length=LENGTHS, after=st.integers(0, 10**6))
def test_exactly_the_target_from_the_end_of_the_ramp_on(target, start, length, after):
    assert cubic(start + length, target, start, length) == target
    assert cubic(start + length + after, target, start, length) == target


@given(target=RATIOS, start=STARTS, half=st.integers(1, 10**6))
def test_seven_eighths_half_way(target, start, half):
    assert cubic(start + half, target, start, 2 * half) == target * 0.875


@given(target=RATIOS, start=STARTS, length=st.integers(0, 10**6), data=st.data())
def test_nothing_until_the_ramp_begins(target, start, length, data):
    step = data.draw(st.integers(0, start))
    assert cubic(step, target, start, length) == 0.0


@given(
    target=RATIOS, start=st.integers(0, 500), length=st.integers(0, 500), data=st.data()
)
def test_never_falls_and_never_passes_the_target(target, start, length, data):
    steps = sorted(data.draw(st.lists(st.integers(0, 1200), min_size=2, max_size=30)))
    ratios = [cubic(step, target, start, length) for step in steps]
    assert ratios == sorted(ratios)
    assert 0.0 <= ratios[0] and ratios[-1] <= target


def test_every_step_of_one_ramp():
    ratios = [cubic(step, 0.6, 100, 333) for step in range(600)]
    assert ratios == sorted(ratios) and ratios[100] == 0.0 < ratios[101]
    assert ratios[432] < ratios[433] == ratios[-1] == 0.6


def test_a_ramp_of_no_length_is_a_jump_after_the_start():
    assert [cubic(step, 0.5, 2, 0) for step in range(5)] == [0, 0, 0, 0.5, 0.5]


@pytest.mark.parametrize("ratio", [-0.01, 1.0, 2, float("nan")])
def test_what_is_no_share_is_refused(ratio):
    with pytest.raises(LassError, match="--pruning-ratio"):
        check_ratio(ratio, "--pruning-ratio")


def test_oneshot_removes_nothing_while_it_trains():
    plan = SearchPlan("de-en", "magnitude", "oneshot", ratio=0.7)
    assert [plan.ratio_at(updates) for updates in (0, 1, 10**6)] == [0.0] * 3


def test_a_ramp_longer_than_the_run_is_refused():
    plan = SearchPlan("de-en", "magnitude", "gradual", ratio=0.7, start=5, ramp=6)
    plan.check(11)
    with pytest.raises(LassError, match="--max-update 10"):
        plan.check(10)


def test_the_mask_in_use_follows_the_schedule(start):
    """After each update of a search: Eq. 4 at the updates done, anew every third."""
    run = start(
        *("--task", "translation_subnetwork_search", "--lang-pairs", PAIRS[0]),
        *("--pruning-criterion", "magnitude", "--pruning-schedule", "gradual"),
        *("--pruning-ratio", 0.7, "--pruning-start", 2, "--pruning-ramp", 5),
        *("--pruning-interval", 3),
    )
    search = run.task.method.only
    seen = {}
    for updates in range(1, 10):
        run.update(run.batch(PAIRS[0], updates))
        if search._bits:
            weights = search.weights
            for name, site in run.sites.items():
                kept = sum(
                    int(byte).bit_count()
                    for byte in weights.bits(PAIRS[0])[name].tolist()
                )
                seen.setdefault(updates, set()).add(
                    (site.numel() - kept) / site.numel()
                )
    chosen = {3: cubic(3, 0.7, 2, 5), 6: cubic(6, 0.7, 2, 5), 7: 0.7}
    assert min(seen) == 3  # nothing is removed until then
    for updates, shares in seen.items():
        expected = chosen[max(n for n in chosen if n <= updates)]
        assert shares == {round(expected * 1024) / 1024} | {
            round(expected * 2048) / 2048
        }
