"""The paired bootstrap against sacreBLEU's own and on cases with known answers."""

import random

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest

from lass_plugin.errors import LassError
from lass_plugin.evaluation.metrics import bleu, chrf
from lass_plugin.evaluation.significance import paired_bootstrap

WORDS = [a + b + c for a in "bdfgkl" for b in "aeiou" for c in "nrst"]


def sentences(count, seed):
    choose = random.Random(seed)
    return [" ".join(choose.choices(WORDS, k=12)) for _ in range(count)]


def spoil(lines, rate, seed):
    """Replace each word by a random one with probability *rate*."""
    choose = random.Random(seed)
    return [
        " ".join(
            choose.choice(WORDS) if choose.random() < rate else word
            for word in line.split()
        )
        for line in lines
    ]


REFERENCES = sentences(120, seed=0)
WORSE = spoil(REFERENCES, 0.40, seed=1)
SIMILAR = spoil(REFERENCES, 0.38, seed=2)
BETTER = spoil(REFERENCES, 0.20, seed=3)


@pytest.mark.parametrize("make, theirs", [(bleu, BLEU), (chrf, CHRF)])
def test_p_values_are_those_of_sacrebleu(make, theirs, monkeypatch):
    monkeypatch.delenv("SACREBLEU_SEED", raising=False)
    metric = make("de-en", REFERENCES)
    systems = {"worse": WORSE, "similar": SIMILAR, "better": BETTER}
    test = PairedTest(
        list(systems.items()), {"it": theirs()}, [REFERENCES], "bs", n_samples=1000
    )
    (name,) = test.metrics
    _, expected = test()
    baseline, *others = (metric.statistics(lines) for lines in systems.values())
    for position, statistics in enumerate(others, 1):
        ours = paired_bootstrap(metric, baseline, statistics)
        assert ours.p_value == expected[name][position].p_value
        assert ours.delta == pytest.approx(
            expected[name][position].score - expected[name][0].score, abs=1e-9
        )


def test_a_clear_gain_is_significant_and_its_interval_lies_above_zero():
    metric = bleu("de-en", REFERENCES)
    result = paired_bootstrap(
        metric, metric.statistics(WORSE), metric.statistics(BETTER)
    )
    assert result.p_value == pytest.approx(1 / 1001)
    assert 0 < result.low < result.delta < result.high


def test_exchanged_systems_have_the_opposite_difference_and_the_same_p():
    metric = bleu("de-en", REFERENCES)
    a, b = metric.statistics(WORSE), metric.statistics(SIMILAR)
    there, back = paired_bootstrap(metric, a, b), paired_bootstrap(metric, b, a)
    assert there.delta == -back.delta
    assert (there.low, there.high) == (-back.high, -back.low)
    assert there.p_value == back.p_value


def test_identical_outputs_are_no_significant_difference():
    metric = bleu("de-en", REFERENCES)
    same = metric.statistics(WORSE)
    result = paired_bootstrap(metric, same, same.copy())
    assert (result.delta, result.p_value, result.low, result.high) == (0, 1, 0, 0)


def test_the_interval_and_p_of_a_hand_made_metric():
    """With one count a sentence and its mean as metric, all samples can be redone."""

    class Mean:
        pair = "de-en"

        def value(self, totals):
            return totals[0] / len(gains)

    gains = np.array([[2.0], [0.0], [1.0], [-1.0], [3.0]])
    result = paired_bootstrap(Mean(), np.zeros_like(gains), gains, 80, seed=7)
    drawn = np.random.default_rng(7).choice(5, size=(80, 5), replace=True)
    means = np.sort(gains[drawn, 0].mean(axis=1))
    centred = np.abs(means) - np.abs(means).mean()
    assert result.delta == pytest.approx(1.0)
    assert result.low == pytest.approx(means[2])  # 2 of 80 lie below, 2 above
    assert result.high == pytest.approx(means[77])
    assert result.p_value == (1 + (centred > 1.0).sum()) / 81


def test_the_same_seed_gives_the_same_result_and_is_stated():
    metric = bleu("de-en", REFERENCES)
    a, b = metric.statistics(WORSE), metric.statistics(SIMILAR)
    first = paired_bootstrap(metric, a, b, n_samples=200, seed=0)
    np.random.seed(99)
    assert paired_bootstrap(metric, a, b, n_samples=200, seed=0) == first
    assert (first.n_samples, first.seed) == (200, 0)
    assert paired_bootstrap(metric, a, b, n_samples=200, seed=1).low != first.low


def test_one_sentence_can_be_compared():
    metric = bleu("de-en", REFERENCES[:1])
    result = paired_bootstrap(
        metric, metric.statistics(WORSE[:1]), metric.statistics(REFERENCES[:1])
    )
    assert result.low == result.delta == result.high
    assert result.p_value == 1  # every sample is that sentence: nothing is known


def test_two_systems_of_no_bleu_are_no_significant_difference():
    metric = bleu("de-en", REFERENCES)
    nothing, less = (
        metric.statistics([line] * 120) for line in ("quux qux", "corge grault garply")
    )
    result = paired_bootstrap(metric, nothing, less)
    assert not np.array_equal(nothing, less)
    assert (result.delta, result.low, result.high) == (0, 0, 0)
    assert result.p_value == 1


def test_what_cannot_be_compared_is_an_error():
    metric = bleu("de-en", REFERENCES)
    a = metric.statistics(WORSE)
    with pytest.raises(LassError, match="de-en has 120 sentences .* and 119"):
        paired_bootstrap(metric, a, a[:-1])
    with pytest.raises(LassError, match="39 samples"):
        paired_bootstrap(metric, a, a, n_samples=39)
    with pytest.raises(LassError, match="seed -1"):
        paired_bootstrap(metric, a, a, seed=-1)
