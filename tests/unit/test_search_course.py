"""What a search trains with where nobody says: stages, warm-up, rate, clipping."""

import copy
from dataclasses import replace

import pytest
import torch
from conftest import load
from runs import Run

from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.base import Base
from lass_plugin.experiments.launching.flags import FlagBuilder
from lass_plugin.experiments.searches.course import course_of, peak_rate
from lass_plugin.experiments.searches.run import _heading
from lass_plugin.experiments.searches.searches import SEARCH
from lass_plugin.experiments.searches.settings import SearchSettings
from lass_plugin.languages import parse_pairs
from lass_plugin.methods.search.advice import Training, departures
from lass_plugin.methods.search.plan import SearchPlan, stages_of
from lass_plugin.places.devices import Device
from lass_plugin.schedules import cubic

STAGES = {
    10: (0, 4, 6),
    24: (1, 10, 13),
    80: (4, 36, 40),
    300: (15, 135, 150),
    2000: (100, 900, 1000),
    80_000: (4000, 36_000, 40_000),  # He 2023, App. C.1
    100_000: (5000, 45_000, 50_000),
}
GRADIENT = SearchPlan("de-en", "gradient", "gradual", 0.6, 30, 270)
SOUND = Training(600, rate=0.003, peak=0.003, warmup=30, clip=1.0)


@pytest.mark.parametrize("updates", STAGES)
def test_stages_are_those_of_the_paper_at_any_length(updates, tmp_path):
    start, ramp, rest = STAGES[updates]
    values = dict(data="data", base=tmp_path / "base.pt", out=tmp_path)
    (pair,) = parse_pairs("de-en")
    plan = SearchSettings(**values, pairs=(pair,), updates=updates).plan_of(pair)
    assert (plan.start, plan.ramp) == (start, ramp)
    assert start + ramp + rest == updates and rest >= updates / 2
    assert plan.ratio_at(start) == 0.0 and plan.ratio_at(start + ramp) == plan.ratio
    assert plan.ratio_at(updates - 1) == cubic(updates, 0.6, start, ramp) == 0.6


def test_the_heading_tells_the_stages_that_a_longer_search_keeps(tmp_path):
    values = dict(data="data", base=tmp_path / "base.pt", out=tmp_path)
    settings = SearchSettings(**values, pairs=tuple(parse_pairs("de-en")), updates=80)
    begun = settings.plan_of(settings.pairs[0])
    longer = replace(settings, updates=800)
    told = _heading(longer, begun, longer.pairs, [Device(None, 1)])
    assert "gradual (T1 4, T2 36)" in told and "800 updates" in told


@pytest.mark.parametrize("updates", range(1, 60))
def test_stages_are_never_longer_than_the_search(updates):
    start, ramp = stages_of(updates, None, None)
    assert ramp >= 1 and start + ramp <= updates
    for given in range(1, updates):
        assert sum(stages_of(updates, given, None)) <= updates
        assert sum(stages_of(updates, None, given)) <= updates


def training(data, *flags):
    task = ("--task", "translation_subnetwork_search", "--pruning-schedule", "gradual")
    return Run(data, *task, "--pruning-criterion", "gradient", *flags).task.method


def test_fairseq_train_derives_what_is_not_given(data, caplog):
    one = ("--lang-pairs", "de-en", "--max-update", 80)
    plans = [
        training(data, *one, *more).only.plan
        for more in (
            (),
            ("--pruning-start", 9),
            ("--pruning-ramp", 7),
            ("--pruning-start", 2, "--pruning-ramp", 3),
        )
    ]
    found = [(plan.start, plan.ramp) for plan in plans]
    assert found == [(4, 36), (9, 36), (0, 7), (2, 3)]
    both = ("--lang-pairs", "de-en,en-de", "--max-update", 80)
    searches = training(data, *both).searches.values()
    assert {(each.plan.start, each.plan.ramp) for each in searches} == {(2, 18)}


def test_a_search_that_goes_on_keeps_its_stages_and_says_so(data, caplog):
    one = ("--lang-pairs", "de-en", "--max-update")
    state = training(data, *one, 80).state_dict()
    longer = training(data, *one, 200)
    with caplog.at_level("INFO"):
        longer.load_state_dict(state)
    assert "the stages that it began with: T1 4, T2 36" in caplog.text
    assert (longer.only.plan.start, longer.only.plan.ramp) == (4, 36)
    earlier = {**state, "plan": {**state["plan"], "start": 0, "ramp": 50}}
    longer.load_state_dict(earlier)
    assert (longer.only.plan.start, longer.only.plan.ramp) == (0, 50)
    with pytest.raises(LassError, match="--pruning-ramp 36 .*--max-update 30"):
        training(data, *one, 30).load_state_dict(state)
    with pytest.raises(LassError, match="begun with ramp 36, not 40"):
        given = ("--pruning-start", 4, "--pruning-ramp", 40)
        training(data, *one, 80, *given).load_state_dict(state)


# -- rate, warm-up, clipping -----------------------------------------------------


def changed(base, folder, **sections):
    """The base, trained with other options."""
    state = load(base)
    for name, values in sections.items():
        section = copy.deepcopy(state["cfg"][name])
        plain = section if isinstance(section, dict) else vars(section)
        plain.update(values)
        state["cfg"][name] = section
    torch.save(state, folder / "changed.pt")
    return folder / "changed.pt"


def course(path, *given, plan=GRADIENT, updates=600, **more):
    builder = FlagBuilder(Base.read(path), given, updates, True, SEARCH)
    return course_of(builder, plan, updates, **more)


def test_the_bases_peak_rate_is_reached_where_pruning_begins(base, tmp_path):
    found = course(base)
    assert found.flags == (
        *("--lr", "0.003", "--warmup-updates", "30", "--clip-norm", "1.0"),
    )
    said = found.described(GRADIENT, 600)
    assert "rate 0.003 (the base's peak), inverse_sqrt, warm-up 30" in said
    assert (
        "T1 30, T2 270, third stage 300 of a pair's 600 updates (5%, 45%, 50%)" in said
    )
    assert not found.departures(GRADIENT, 600, 1, 0.003)
    together = course(base, plan=replace(GRADIENT, start=15), pairs=2)
    assert together.warmup == 30  # updates of both
    oneshot = SearchPlan("de-en", "gradient", "oneshot")
    assert course(base, plan=oneshot, updates=10).warmup == 1
    lr = changed(base, tmp_path, optimization={"lr": [0.001, 0.004]})
    assert course(lr).rates == (0.004,)


def test_what_the_user_gives_holds_and_is_warned_of(base):
    given = ("--lr", "0.001", "--warmup-updates", "100", "--clip-norm", "0")
    found = course(base, *given)
    assert found.flags == () and found.rates == (0.001,)
    warned = found.departures(GRADIENT, 600, 1, peak_rate(Base.read(base)))
    assert [each for each in warned if "--clip-norm 0" in each]
    assert [each for each in warned if "0.33 times the base's peak of 0.003" in each]
    assert [each for each in warned if "peak after 100 updates" in each]


def test_a_scheduler_that_does_not_warm_up_is_replaced(base, tmp_path):
    path = changed(base, tmp_path, lr_scheduler={"_name": "tri_stage"})
    found = course(path)
    assert found.flags[:4] == ("--lr-scheduler", "inverse_sqrt", "--lr", "0.003")
    begun = course(path, begun=Base.read(path))
    assert begun.scheduler == "tri_stage" and begun.warmup is None
    given = course(path, "--lr-scheduler", "tri_stage")
    assert given.warmup is None and "--warmup-updates" not in given.flags


def test_a_base_without_clipping_is_searched_with_it(base, tmp_path):
    path = changed(base, tmp_path, optimization={"clip_norm": 0.0})
    assert course(path).clip == 1.0
    magnitude = replace(GRADIENT, criterion="magnitude")
    assert course(path, plan=magnitude).clip == 0.0


def test_a_search_that_has_begun_goes_on_as_it_began(base, tmp_path):
    """An earlier version took the base's warm-up and clipping as they were."""
    path = changed(
        base,
        tmp_path,
        optimization={"lr": [0.0007], "clip_norm": 0.0},
        lr_scheduler={"warmup_updates": 77},
    )
    found = course(base, begun=Base.read(path))
    assert (found.rates, found.warmup, found.clip) == ((0.0007,), 77, 0.0)


def test_departures_from_what_is_known_to_work():
    assert departures(GRADIENT, SOUND) == []
    assert departures(replace(GRADIENT, criterion="magnitude"), Training(9)) == []
    cases = [
        (replace(SOUND, clip=0.0), "mask freezes"),
        (replace(SOUND, rate=0.01), "3.3 times the base's peak"),
        (replace(SOUND, warmup=31), "pruning begins after 30"),
    ]
    for training_of, said in cases:
        (only,) = departures(GRADIENT, training_of)
        assert said in only
    (only,) = departures(replace(GRADIENT, ramp=400), SOUND)
    assert "only 170 of 600 updates" in only
    short = replace(GRADIENT, start=29, ramp=200)
    (only,) = departures(short, replace(SOUND, updates=599, warmup=29))
    assert "599 updates are few" in only
    unsigned = replace(short, criterion="sensitivity")
    assert departures(unsigned, replace(SOUND, updates=599, warmup=29)) == []
    short = replace(unsigned, start=7, ramp=60)
    (only,) = departures(short, replace(SOUND, updates=149, warmup=7))
    assert "149 updates are few: 150 are the least" in only
