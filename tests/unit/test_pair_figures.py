"""Figures of each pair in what a training logs."""

import re

import pytest
from conftest import PAIRS
from fairseq.logging import metrics
from fairseq.logging.meters import MetersDict

from lass_plugin.training.pair_figures import (
    IN_EVERY_LINE,
    add_words,
    log_figures,
    log_shares,
)


@pytest.fixture(autouse=True)
def no_meters():
    metrics.reset()
    yield
    metrics.reset()


def keys_of(count: int) -> list[str]:
    return [f"a{number}-b" for number in range(count)]


def update(keys: list[str], words: dict[str, int], ranks: int = 1) -> None:
    """Log an update; several ranks send one summed output, as fairseq has it."""
    outputs = []
    for key, count in words.items():
        output = {"ntokens": count}
        add_words(output, key, keys)
        outputs.append(output)
    if ranks > 1:
        assert len({tuple(output) for output in outputs}) == 1
        outputs = [{name: sum(o[name] for o in outputs) for name in outputs[0]}]
    with metrics.aggregate("train"), metrics.aggregate("train_inner"):
        log_shares(metrics, outputs)


def shown(line: str) -> dict[str, float]:
    return dict(metrics.get_smoothed_values(line))


@pytest.mark.parametrize("ranks", [1, 2])
def test_shares_are_of_all_words_of_the_line(ranks):
    keys = keys_of(3)
    update(keys, {"a0-b": 30, "a1-b": 50}, ranks)
    update(keys, {"a0-b": 20}, ranks)
    expected = {"share_a0-b": 0.5, "share_a1-b": 0.5}
    assert shown("train") == shown("train_inner") == expected
    metrics.reset_meters("train_inner")
    update(keys, {"a2-b": 100}, ranks)
    assert shown("train_inner")["share_a2-b"] == 1.0
    assert shown("train")["share_a2-b"] == 0.5


def test_the_line_of_many_pairs_is_short_within_an_epoch():
    keys = keys_of(36)
    update(keys, dict.fromkeys(keys, 10))
    with metrics.aggregate("train"), metrics.aggregate("train_inner"):
        log_figures(metrics, {key: {"agreement": 0.5, "drawn": 3.0} for key in keys})
    assert shown("train_inner") == {"agreement": 0.5, "drawn": 3.0}
    of_epoch = shown("train")
    assert of_epoch["share_a35-b"] == pytest.approx(1 / 36, abs=1e-4)
    assert of_epoch["drawn_a35-b"] == 3.0 and len(of_epoch) == 2 + 3 * 36
    assert len(keys) > IN_EVERY_LINE


def test_figures_of_one_pair_and_of_none():
    with metrics.aggregate("train"):
        log_figures(metrics, {"a-b": {"growth": 0.25}, "b-a": {}})
        log_figures(metrics, {"a-b": {}})
        log_shares(metrics, [{"ntokens": 3}])
        update(["a-b", "b-a"], {None: 5})  # a batch that mixes pairs
    assert shown("train") == {"growth": 0.25, "growth_a-b": 0.25}


def test_sums_go_on_after_a_resume():
    keys = keys_of(2)
    update(keys, {"a0-b": 30})
    saved = metrics.state_dict()
    update(keys, {"a1-b": 90})
    whole = shown("train")
    metrics.reset()
    metrics.load_state_dict(saved)
    update(keys, {"a1-b": 90})
    assert shown("train") == whole == {"share_a0-b": 0.25, "share_a1-b": 0.75}
    metrics.reset_meters("train")  # an epoch ends
    update(keys, {"a1-b": 10})
    assert shown("train")["share_a1-b"] == 1.0


def shares_of(told: str) -> list[dict[str, str]]:
    lines = [line for line in told.splitlines() if "epoch 001 | loss" in line]
    return [dict(re.findall(r"(share_\S+) (\S+)", line)) for line in lines]


@pytest.mark.parametrize("masked", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_training_logs_what_it_was_made_of(commands, base, masks, tmp_path, masked):
    """In base and joint training; the same after a resume within the epoch."""
    flags = ["--disable-validation", "--save-interval-updates", 3]
    if masked:
        flags += ["--finetune-from-model", base, "--masks", masks]
    whole = commands.train(tmp_path / "whole", *flags, "--max-epoch", 1)
    commands.train(tmp_path / "cut", *flags, "--max-update", 3)
    resumed = commands.train(tmp_path / "cut", *flags, "--max-epoch", 1)
    (expected,), (found,) = shares_of(whole.stdout), shares_of(resumed.stdout)
    assert {*expected} == {f"share_{pair}" for pair in PAIRS}
    assert sum(map(float, expected.values())) == pytest.approx(1, abs=1e-3)
    assert found == expected


def test_no_meter_is_of_a_kind_that_fairseq_cannot_read():
    update(keys_of(2), {"a0-b": 3})
    again = MetersDict()
    again.load_state_dict(metrics.get_meters("train").state_dict())
    assert [*again] == ["_words_a0-b"]
