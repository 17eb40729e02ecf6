"""When a search has settled: agreement above chance, its growth, the rule to stop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lass_plugin.errors import LassError
from lass_plugin.methods.search.settling import StoppingRule, agreement, growth


def records(*values: float, step: int = 10, chance: float = 0.4, name: str = "halves"):
    """A record every *step* updates whose agreement above chance is each of *values*.

    s = c + (1 − c) · agreement.
    """
    return [
        {
            "updates": step * number,
            "chance": chance,
            name: chance + (1 - chance) * value,
        }
        for number, value in enumerate(values, start=1)
    ]


def test_agreement_is_what_is_shared_beyond_chance():
    # of the .6 that chance leaves open, half is shared: .4 + .3
    assert agreement({"updates": 9, "chance": 0.4, "halves": 0.7}) == pytest.approx(0.5)
    assert agreement({"updates": 9, "chance": 0.4, "halves": 0.4}) == 0.0
    assert agreement({"updates": 9, "chance": 0.4, "halves": 1.0}) == 1.0
    assert agreement({"updates": 9, "chance": 0.4}) is None


def test_the_halves_count_before_the_comparison_with_half_the_updates():
    both = {"updates": 9, "chance": 0.5, "halves": 0.6, "since_halfway": 0.9}
    assert agreement(both) == pytest.approx(0.2)
    del both["halves"]
    assert agreement(both) == pytest.approx(0.8)


def test_where_nothing_is_removed_every_two_masks_agree():
    assert agreement({"updates": 9, "chance": 1.0, "halves": 1.0}) == 1.0


def test_growth_is_since_half_the_updates():
    history = records(0.1, 0.2, 0.35, 0.5, 0.55)
    assert growth(history, 0) is None  # nothing at 5 updates or before
    assert growth(history, 1) == pytest.approx(0.1)  # 20 against 10
    assert growth(history, 2) == pytest.approx(0.25)  # 30 against 10: not yet 15
    assert growth(history, 3) == pytest.approx(0.3)  # 40 against 20
    assert growth(history) == pytest.approx(0.35)  # 50 against 20


def test_a_search_stops_when_its_agreement_reaches_the_threshold():
    rule = StoppingRule(settled=0.5)
    history = records(0.1, 0.2, 0.49, 0.51, 0.6)
    assert rule.stops_at(history) == 40
    assert rule.stops_at(history, earliest=50) == 50
    assert rule.stops_at(history[:3]) is None
    assert "0.510 has reached 0.5" in rule.reason(history[:4])


def test_growth_below_the_limit_stops_only_a_search_that_has_grown():
    rule = StoppingRule(growth=0.1)
    noise = records(0.0, 0.01, 0.0, 0.02, 0.01, 0.02)
    assert rule.stops_at(noise) is None
    grown = records(0.0, 0.05, 0.2, 0.4, 0.5, 0.55, 0.56, 0.57, 0.57, 0.58)
    # growth: –, .05, .2, .35, .45, .35 (60 against 30), .36, .17 (80 against 40),
    # .17, .08 (100 against 50)
    assert rule.stops_at(grown) == 100
    assert "has grown by 0.080" in rule.reason(grown)


def test_off_is_off():
    assert StoppingRule().stops_at(records(*[1.0] * 30)) is None
    assert StoppingRule(settled=0.5).reason([]) == ""
    assert StoppingRule(settled=0.5).reason([{"updates": 1, "chance": 0.4}]) == ""


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0.01, 1))
def test_the_threshold_is_passed_for_the_first_time(values, threshold):
    history = records(*values)
    stop = StoppingRule(settled=threshold).stops_at(history)
    passed = [r["updates"] for r in history if agreement(r) >= threshold]
    assert stop == (passed[0] if passed else None)


@pytest.mark.parametrize("wrong", [{"settled": 1.5}, {"settled": -0.1}, {"growth": 2}])
def test_a_share_outside_its_range_is_refused_by_name(wrong):
    name = "--stop-when-" + ("settled" if "settled" in wrong else "growth-below")
    with pytest.raises(LassError, match=f"{name} .* outside"):
        StoppingRule(**wrong)


def test_patience_compares_losses_of_the_same_batches():
    rule = StoppingRule(patience=2)
    measured = [(2, 5.0), (2, 4.0), (7, 6.0), (7, 5.5)]  # went on for longer, with more
    history = [
        {"updates": 10 * n, "chance": 0.4, "batches": batches, "losses": {"own": loss}}
        for n, (batches, loss) in enumerate(measured, start=1)
    ]
    assert not rule.reason(history)
    more = [{**history[-1], "updates": 10 * n, "losses": {"own": 6.0}} for n in (5, 6)]
    assert "5.500 at 2 reports" in rule.reason(history + more)
