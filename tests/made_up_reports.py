"""Reports with given scores, for tests of what is made from them."""

from lass_plugin.evaluation.comparison import PairScores, Report, SystemScores
from lass_plugin.evaluation.metrics import Score
from lass_plugin.evaluation.significance import Difference


def scores_of(values, baseline=None, signature="nrefs:1|tok:13a", sentences=50):
    """BLEU *values* by pair, and chrF 10 above; differences to *baseline*, if given.

    Differences of more than 1 point have p = 0.01, others p = 0.3.
    """
    pairs = {}
    for pair, value in values.items():
        scores = {
            "BLEU": Score("BLEU", value, signature),
            "chrF": Score("chrF", value + 10, "nrefs:1|nc:6"),
        }
        result = PairScores(sentences, scores)
        if baseline is not None:
            delta = value - baseline[pair]
            p = 0.01 if abs(delta) > 1 else 0.3
            test = Difference(delta, p, delta - 1, delta + 1, 1000, 12345)
            result.differences.update(BLEU=test, chrF=test)
        pairs[pair] = result
    return pairs


def report_of(text="detokenised", **systems):
    """A report of systems with their BLEU by pair; the first is the baseline."""
    (baseline, first), *_ = systems.items()
    return Report(
        text,
        tuple(
            SystemScores(
                name,
                f"{name}.pt",
                None if name == baseline else "masks",
                scores_of(values, None if name == baseline else first),
            )
            for name, values in systems.items()
        ),
        ("translated in one way",),
    )
