"""The cubic schedule of He 2023, Eq. 4."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lass_plugin.errors import LassError
from lass_plugin.schedules import check_ratio, cubic

RAMPS = st.tuples(
    st.floats(0, 1, exclude_max=True), st.integers(0, 500), st.integers(1, 2000)
)


def test_a_ramp_of_four_steps_by_hand():
    ratios = [cubic(step, 0.8, 2, 4) for step in range(9)]
    ramp = [0.8 * (1 - (3 / 4) ** 3), 0.8 * 7 / 8, 0.8 * (1 - (1 / 4) ** 3)]
    assert ratios == pytest.approx([0, 0, 0, *ramp, 0.8, 0.8, 0.8], abs=1e-15)


@given(RAMPS)
def test_the_target_is_reached_exactly_and_kept(ramp):
    target, start, length = ramp
    for step in (start + length, start + length + 1, 10**9):
        assert cubic(step, target, start, length) == target


@given(RAMPS)
def test_nothing_is_removed_before_the_ramp(ramp):
    target, start, length = ramp
    assert cubic(0, target, start, length) == cubic(start, target, start, length) == 0.0


@given(RAMPS)
def test_half_way_seven_eighths_are_reached(ramp):
    target, start, length = ramp
    half = cubic(start + length, target, start, 2 * length)
    assert half == pytest.approx(7 / 8 * target)


@given(RAMPS)
def test_it_never_decreases_and_never_passes_the_target(ramp):
    target, start, length = ramp
    ratios = [cubic(step, target, start, length) for step in range(start + length + 3)]
    assert ratios == sorted(ratios)
    assert ratios[-1] == target


def test_a_ramp_of_length_0_jumps_after_its_start():
    assert [cubic(step, 0.6, 3, 0) for step in (0, 3, 4, 5)] == [0.0, 0.0, 0.6, 0.6]


@pytest.mark.parametrize("ratio", [-1e-9, 1.0, 60.0, math.nan, math.inf])
def test_a_ratio_outside_0_to_1_is_refused_by_name(ratio):
    with pytest.raises(LassError, match="--pruning-ratio .* outside"):
        check_ratio(ratio, "--pruning-ratio")


@pytest.mark.parametrize("ratio", [0.0, 0.5, 0.999])
def test_a_ratio_is_passed_on(ratio):
    assert check_ratio(ratio) == ratio
