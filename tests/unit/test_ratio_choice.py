"""Each pair its own ratio, against trying everything."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lass_plugin.errors import LassError
from lass_plugin.experiments.sweeps.own_ratios import choose_ratios, lower_envelope


def test_the_envelope_of_points_by_hand():
    points = {0.1: 2.0, 0.3: 1.9, 0.5: 2.4, 0.7: 2.5, 0.9: 4.0}
    # .5 lies above the line from .3 to .7 (at 2.2)
    assert lower_envelope(points) == ((0.1, 2.0), (0.3, 1.9), (0.7, 2.5), (0.9, 4.0))
    assert lower_envelope({0.5: 1.0}) == ((0.5, 1.0),)
    # three points on a line: the one between is no corner
    assert lower_envelope({0.0: 1.0, 0.5: 2.0, 1.0: 3.0}) == ((0.0, 1.0), (1.0, 3.0))


def test_the_pair_that_can_spare_more_is_pruned_more():
    losses = {
        "de-en": {0.2: 1.0, 0.4: 1.1, 0.6: 1.5, 0.8: 3.0},
        "en-de": {0.2: 2.0, 0.4: 2.3, 0.6: 2.9, 0.8: 4.0},
    }
    # slopes: de-en .5, 2, 7.5; en-de 1.5, 3, 5.5. From a mean of .2 to .5 there are
    # three steps: .5 (de-en to .4), 1.5 (en-de to .4), 2 (de-en to .6)
    found = choose_ratios(losses, 0.5)
    assert found.ratios == {"de-en": 0.6, "en-de": 0.4}
    assert found.mean_ratio == pytest.approx(0.5)
    assert found.mean_loss == pytest.approx((1.5 + 2.3) / 2)
    assert found.single is None  # nobody was measured at .5


def test_the_last_step_goes_as_far_as_is_needed():
    losses = {
        "a-b": {0.0: 1.0, 0.5: 1.0, 0.9: 9.0},
        "b-a": {0.0: 1.0, 0.5: 2.0, 0.9: 3.0},
    }
    found = choose_ratios(losses, 0.4)  # .8 in all: .5 of a-b for nothing, .3 of b-a
    assert found.ratios == {"a-b": 0.5, "b-a": 0.3}
    assert found.losses["b-a"] == pytest.approx(1.6)


def test_one_ratio_for_all_is_compared_where_it_was_measured():
    losses = {"a-b": {0.0: 1.0, 0.5: 3.0}, "b-a": {0.0: 1.0, 0.5: 2.0}}
    found = choose_ratios(losses, 0.5)
    assert found.single == pytest.approx(2.5) == found.mean_loss


def test_the_budget_is_met_even_where_more_would_lower_the_loss():
    losses = {"a-b": {0.1: 2.0, 0.5: 1.0, 0.9: 3.0}, "b-a": {0.1: 1.0, 0.9: 2.0}}
    assert choose_ratios(losses, 0.1).ratios == {"a-b": 0.1, "b-a": 0.1}
    assert choose_ratios(losses, 0.2).ratios == {"a-b": 0.3, "b-a": 0.1}


@pytest.mark.parametrize(
    "losses, budget, message",
    [
        ({}, 0.5, "no losses"),
        ({"a-b": {0.1: 1.0, 0.9: 2.0}}, 0.95, "budget 0.95 is outside .* 0.1 to 0.9"),
        ({"a-b": {0.2: 1.0, 0.9: 2.0}}, 0.1, "budget 0.1 is outside .* 0.2 to 0.9"),
        ({"a-b": {0.2: float("nan")}}, 0.2, "loss of a-b is not known"),
    ],
)
def test_what_cannot_be_is_named(losses, budget, message):
    with pytest.raises(LassError, match=message):
        choose_ratios(losses, budget)


def value(corners, ratio: float) -> float:
    """The envelope at *ratio*, by interpolation."""
    for (x1, y1), (x2, y2) in zip(corners, corners[1:], strict=False):
        if x1 - 1e-9 <= ratio <= x2 + 1e-9:
            return y1 + (y2 - y1) * (ratio - x1) / (x2 - x1)
    return corners[0][1]


def brute_force(losses, budget: float) -> float:
    """The least mean loss: all corners of all pairs, one pair anywhere between.

    A linear programme with one equation beside the bounds has an optimum in which at
    most one pair is not at a corner.
    """
    envelopes = [lower_envelope(points) for points in losses.values()]
    best = float("inf")
    for corners in product(*envelopes):
        ratios, values = map(list, zip(*corners, strict=True))
        missing = budget * len(ratios) - sum(ratios)
        for place, envelope in enumerate(envelopes):
            wanted = ratios[place] + missing
            if envelope[0][0] - 1e-9 <= wanted <= envelope[-1][0] + 1e-9:
                rest = sum(values) - values[place]
                best = min(best, rest + value(envelope, wanted))
    return best / len(losses)


GRID = (0.1, 0.3, 0.5, 0.7, 0.9)


@settings(max_examples=200)
@given(
    st.lists(
        st.lists(st.integers(0, 40), min_size=5, max_size=5), min_size=1, max_size=3
    ),
    st.integers(10, 90),
)
def test_no_other_choice_has_a_lower_loss(table, percent):
    losses = {
        f"p{number}-en": dict(zip(GRID, map(float, row), strict=True))
        for number, row in enumerate(table)
    }
    budget = percent / 100
    found = choose_ratios(losses, budget)
    assert found.mean_ratio == pytest.approx(budget, abs=1e-6)
    assert found.mean_loss == pytest.approx(brute_force(losses, budget), abs=1e-6)
    for key, points in losses.items():
        envelope = lower_envelope(points)
        assert found.losses[key] == pytest.approx(
            value(envelope, found.ratios[key]), abs=1e-6
        )


@settings(max_examples=100)
@given(st.lists(st.integers(0, 40), min_size=5, max_size=5))
def test_the_envelope_is_convex_and_below_all_points(row):
    points = dict(zip(GRID, map(float, row), strict=True))
    corners = lower_envelope(points)
    slopes = [
        (y2 - y1) / (x2 - x1)
        for (x1, y1), (x2, y2) in zip(corners, corners[1:], strict=False)
    ]
    assert slopes == sorted(slopes)
    assert all(value(corners, x) <= y + 1e-9 for x, y in points.items())
    assert all(points[x] == y for x, y in corners)
