"""Kinds of the searches that a sweep is given: told apart by what differs, no more."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lass_plugin.errors import LassError
from lass_plugin.experiments.stage import Stage
from lass_plugin.experiments.sweeps import sources as sources_module
from lass_plugin.experiments.sweeps.sources import Source, Sources
from lass_plugin.experiments.sweeps.weight_variants import (
    RATIO,
    WeightVariant,
    parse_kind,
)
from lass_plugin.methods.search.plan import SearchPlan


def sources(*searches: tuple[str, str, int, bool]) -> Sources:
    """Searches of two pairs each: criterion, schedule, updates, together."""
    found = object.__new__(Sources)
    found.recut, found.every = False, []
    for number, (criterion, schedule, updates, together) in enumerate(searches):
        for key in ("de-en", "en-de"):
            path = Path(f"{number}") / ("together" if together else key) / "last.pt"
            plan = SearchPlan(key, criterion, schedule, 0.4, 1, 2)
            found.every.append(Source(path, plan, updates, together))
    return found


GRADUAL = ("gradient", "gradual")


@pytest.mark.parametrize(
    "searches, kinds",
    [
        ([(*GRADUAL, 30, True)], ["gradient-gradual"]),
        ([(*GRADUAL, 30, False), ("gradient", "oneshot", 60, False)], None),
        (
            [(*GRADUAL, 30, False), (*GRADUAL, 60, False)],
            ["gradient-gradual-30", "gradient-gradual-60"],
        ),
        (
            [(*GRADUAL, 30, False), (*GRADUAL, 30, True)],
            ["gradient-gradual-separate", "gradient-gradual-together"],
        ),
        (
            [(*GRADUAL, 30, False), (*GRADUAL, 30, True), (*GRADUAL, 60, True)],
            [
                "gradient-gradual-separate-30",
                "gradient-gradual-together-30",
                "gradient-gradual-together-60",
            ],
        ),
    ],
)
def test_a_kind_says_what_tells_it_apart(searches, kinds):
    given = sources(*searches)
    names = list(map(str, given.kinds))
    assert names == (kinds or ["gradient-gradual", "gradient-oneshot"])
    assert list(map(parse_kind, names)) == given.kinds
    for name, kind in zip(names, given.kinds, strict=True):
        chosen = [source for source in given.every if source.gives(kind)]
        assert len(chosen) == 2, name
        for source in chosen:
            variant = WeightVariant(RATIO, kind, 0.4)
            assert given.find(source.plan.key, variant, 0.4) == source


@pytest.fixture(autouse=True)
def weights(monkeypatch) -> dict[str, float]:
    """The one weight of the searches whose path begins so; 0 in all others."""
    found: dict[str, float] = {}

    def read(path: Path) -> SimpleNamespace:
        weight = torch.tensor([found.get(path.parts[0], 0.0)])
        return SimpleNamespace(weights={"weight": weight})

    monkeypatch.setattr(sources_module.Checkpoint, "read", read)
    sources_module._trained_alike.cache_clear()
    yield found
    sources_module._trained_alike.cache_clear()


def test_magnitude_is_taken_from_any_of_equal_trainings(weights):
    both = ("gradient", "oneshot", 30, False), ("sensitivity", "oneshot", 30, False)
    given, variant = (
        sources(*both),
        WeightVariant(RATIO, parse_kind("magnitude-oneshot")),
    )
    assert given.find("de-en", variant, 0.4) == given.every[0]
    weights["1"] = 1.0
    sources_module._trained_alike.cache_clear()
    with pytest.raises(LassError, match="both hold a search of de-en by magnitude"):
        given.find("de-en", variant, 0.4)
    twice = sources(both[0], both[0])
    weights.clear()
    with pytest.raises(LassError, match="both hold a search of de-en by gradient"):
        twice.find("de-en", WeightVariant(RATIO, parse_kind("gradient-oneshot")), 0.4)


def test_magnitude_has_the_length_of_the_search_that_it_is_taken_from(weights):
    weights["1"] = 1.0
    given = sources(
        ("gradient", "oneshot", 30, False), ("fisher", "oneshot", 60, False)
    )
    variant = WeightVariant(RATIO, parse_kind("magnitude-oneshot-60"), 0.4)
    assert given.find("de-en", variant, 0.4).updates == 60
    with pytest.raises(
        LassError, match="say in --methods magnitude-oneshot-separate-30 or "
    ):
        given.find("de-en", WeightVariant(RATIO, parse_kind("magnitude-oneshot")), 0.4)


@pytest.mark.parametrize(
    "text", ["gradient", "gradient-gradually", "gradient-gradual-", "together-30", ""]
)
def test_what_is_no_kind_is_named(text):
    with pytest.raises(LassError, match=f"unknown method '{text}'; choose .*-UPD"):
        parse_kind(text)


def test_what_to_say_of_a_separate_search_and_one_together(weights):
    given = sources(
        ("gradient", "gradual", 60, False), ("gradient", "gradual", 60, True)
    )
    variant = WeightVariant(RATIO, parse_kind("gradient-gradual-60"), 0.4)
    with pytest.raises(LassError) as raised:
        given.find("de-en", variant, 0.4)
    advice = raised.value.message.partition("say in --methods ")[2]
    for name, together in zip(advice.split(" or "), (False, True), strict=True):
        variant = WeightVariant(RATIO, parse_kind(name), 0.4)
        assert given.find("de-en", variant, 0.4).together == together


def test_a_search_that_its_stage_says_goes_on_is_refused(tmp_path, monkeypatch):
    """One-shot scores of 30 of 300 updates look like those of a shorter search."""
    monkeypatch.setattr(sources_module, "search_states", lambda checkpoint: {})
    stage = Stage(tmp_path, "search of de-en", {"command": "lass search"})
    stage.begin()
    last, earlier = tmp_path / "checkpoint_last.pt", tmp_path / "checkpoint_1_20.pt"
    with pytest.raises(LassError, match="search of de-en in .* has not ended"):
        Sources([last], dict)
    assert Sources([earlier], dict).every == []  # asked for by name
    stage.finish([])
    assert Sources([last], dict).every == []
