"""Several systems over several pairs: scores, differences to a baseline, averages."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from lass_plugin.errors import LassError
from lass_plugin.evaluation.choice import EVERY_METRIC, METRICS, Choice
from lass_plugin.evaluation.metrics import Metric, Score
from lass_plugin.evaluation.scored_form import ScoredForm, shown_form
from lass_plugin.evaluation.significance import SAMPLES, Difference, paired_bootstrap
from lass_plugin.languages import Pair, base_language, parse_pairs

MASK = "mask"


@dataclass(frozen=True)
class Outputs:
    """What one system made of the test sets: a list of sentences for every pair.

    *mask* says in words what the model ran with: which masks, or which other parts;
    None for the dense model.
    """

    name: str
    checkpoint: str
    mask: str | None
    hypotheses: Mapping[str, Sequence[str]]
    kind: str = MASK
    """See :attr:`.SystemScores.kind`."""


@dataclass(frozen=True)
class PairScores:
    """Scores of one system on one pair by metric; no differences for the baseline."""

    sentences: int
    scores: dict[str, Score]
    differences: dict[str, Difference] = field(default_factory=dict)


@dataclass(frozen=True)
class SystemScores:
    """Scores of one system on all pairs, with the checkpoint and the mask, or what else
    its keys have, that they are of."""

    name: str
    checkpoint: str
    mask: str | None
    pairs: dict[str, PairScores]
    kind: str = MASK
    """What ``mask`` names where it does not say so itself: a mask, in old reports."""

    def __post_init__(self) -> None:
        _check_label("name", self.name)
        _check_label(f"checkpoint of {self.name}", self.checkpoint)
        if self.mask is not None:
            _check_label(f"mask of {self.name}", self.mask)
        for pair in self.pairs:
            Pair.parse(pair)

    def average(self, metric: str, pairs: Sequence[str]) -> float:
        """Return the plain mean of *metric* over *pairs*."""
        return fmean(self.pairs[pair].scores[metric].value for pair in pairs)

    def average_difference(self, metric: str, pairs: Sequence[str]) -> float:
        """Return the plain mean of the differences to the baseline over *pairs*."""
        return fmean(self.pairs[pair].differences[metric].delta for pair in pairs)

    def wins(self, metric: str) -> int:
        """Return in how many pairs the system is better than the baseline."""
        return sum(each.differences[metric].delta > 0 for each in self.pairs.values())

    def win_ratio(self, metric: str) -> float:
        """Return the share of the pairs in which it is better than the baseline."""
        return self.wins(metric) / len(self.pairs)


@dataclass(frozen=True)
class Report:
    """Systems over the same pairs; the first one is the baseline.

    *text* is the form that was scored, ``tokenised`` or ``detokenised``; *notes* are
    sentences for people on how the translations and references were made.
    """

    text: str
    systems: tuple[SystemScores, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.text not in ("tokenised", "detokenised"):
            raise LassError(
                f"the text is '{self.text}', neither tokenised nor detokenised"
            )
        if not self.systems:
            raise LassError("the report has no systems; score at least the baseline")
        names = [system.name for system in self.systems]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise LassError(f"two systems are called '{repeated[0]}'; rename one")
        for system in self.systems:
            _check_system(system, self.baseline)
        for note in self.notes:
            _check_label("note", note)

    @property
    def baseline(self) -> SystemScores:
        return self.systems[0]

    @property
    def others(self) -> tuple[SystemScores, ...]:
        return self.systems[1:]

    @property
    def pairs(self) -> list[str]:
        """The pairs in the order of the tables."""
        return list(self.baseline.pairs)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What was computed, in the order of the tables; BLEU and chrF are among it."""
        scores = next(iter(self.baseline.pairs.values())).scores
        return tuple(name for name in EVERY_METRIC if name in scores)

    @property
    def groups(self) -> dict[str, list[str]]:
        """Pairs to average over (:func:`groups_of`)."""
        return groups_of(self.pairs)


def groups_of(pairs: Sequence[str]) -> dict[str, list[str]]:
    """Pairs to average over: all, from English, into English, without English.

    No group is empty, and none but "all" holds all pairs without English.
    """
    groups: dict[str, list[str]] = {"all": [*pairs], "en→X": [], "X→en": [], "X→Y": []}
    for text in pairs:
        pair = Pair.parse(text)
        if base_language(pair.source) == "en":
            groups["en→X"].append(text)
        elif base_language(pair.target) == "en":
            groups["X→en"].append(text)
        else:
            groups["X→Y"].append(text)
    if groups["X→Y"] == groups["all"]:
        del groups["X→Y"]
    return {name: of for name, of in groups.items() if of}


def compare(
    systems: Sequence[Outputs],
    references: Mapping[str, Sequence[str]],
    choice: Choice | None = None,
    sources: Mapping[str, Sequence[str]] | None = None,
    n_samples: int = SAMPLES,
    advance: Callable[[int, str], None] = lambda scores, pair: None,
    form: ScoredForm | None = None,
) -> Report:
    """Score *systems* on every pair of *references*; the first is the baseline.

    *choice* has the tokenizer of BLEU, which is ``none`` where it does not say and the
    text is tokenised (:mod:`.scored_form`); and further metrics, of which COMET reads
    *sources*. *advance* is called after each score with 1 and its pair. *form* is that
    of all text; None for the one that the references show.

    Raises:
        LassError: a system has no hypotheses for a pair, or for one without
            references; the numbers of sentences differ; a tokenizer is not installed.
    """
    choice = choice or Choice()
    form = form or shown_form(references, choice.tokenize)
    choice = choice.for_form(form)
    choice.check(parse_pairs(references))  # fail before the work, not half-way
    for system in systems:
        _check_pairs(system.name, list(system.hypotheses), list(references))
    scored = [
        SystemScores(system.name, str(system.checkpoint), system.mask, {}, system.kind)
        for system in systems
    ]
    for pair, lines in references.items():
        source = None if sources is None else sources[pair]
        metrics = choice.of(pair, lines, source, form.label)
        found = score_pair(pair, systems, metrics, n_samples, advance)
        for one, result in zip(scored, found, strict=True):
            one.pairs[pair] = result
    return Report(form.form, tuple(scored))


def score_pair(
    pair: str,
    systems: Sequence[Outputs],
    metrics: Sequence[Metric],
    n_samples: int = SAMPLES,
    advance: Callable[[int, str], None] = lambda scores, pair: None,
) -> list[PairScores]:
    """Return the scores of each system on one pair, compared with the first."""
    results = [PairScores(metrics[0].size, {}) for _ in systems]
    for metric in metrics:
        baseline = None
        for system, result in zip(systems, results, strict=True):
            statistics = metric.statistics(system.hypotheses[pair])
            result.scores[metric.name] = metric.score_of(statistics)
            if baseline is None:
                baseline = statistics
            else:
                test = paired_bootstrap(metric, baseline, statistics, n_samples)
                result.differences[metric.name] = test
            advance(1, pair)
    return results


def check_same_scoring(
    pair: str,
    systems: tuple[str, str],
    results: tuple[PairScores, PairScores],
    metrics: Iterable[str],
) -> None:
    """Refuse scores of two systems that were not made of one test set in one way."""
    (name, other), (ours, theirs) = systems, results
    if ours.sentences != theirs.sentences:
        raise LassError(
            f"different numbers of sentences: {name} was scored on {ours.sentences} "
            f"sentences of {pair} and {other} on {theirs.sentences}; evaluate both on "
            "one set"
        )
    for metric in metrics:
        first, second = ours.scores[metric].signature, theirs.scores[metric].signature
        if first != second:
            raise LassError(
                f"{name} and {other} have different signatures on {pair}: {metric} of "
                f"{pair} has the signature {first} for {name} and {second} for "
                f"{other}; evaluate both in the same way"
            )


def _check_system(system: SystemScores, baseline: SystemScores) -> None:
    """Refuse a system that cannot stand in one table with the baseline."""
    if not system.pairs:
        raise LassError(f"{system.name} has no pairs; score at least one")
    metrics = set(next(iter(baseline.pairs.values())).scores)
    _check_pairs(system.name, list(system.pairs), list(baseline.pairs))
    for pair, result in system.pairs.items():
        found = set(result.scores)
        if found != metrics or not set(METRICS) <= found <= set(EVERY_METRIC):
            raise LassError(
                f"{system.name} on {pair} has scores of {', '.join(result.scores)}; "
                f"a report needs {' and '.join(METRICS)}, and the same further metrics "
                "for all"
            )
        if set(result.differences) != (set() if system is baseline else metrics):
            raise LassError(
                f"{system.name} on {pair} has differences where the baseline has none, "
                "or none where it needs them; compare the systems again"
            )
        both = (system.name, baseline.name), (result, baseline.pairs[pair])
        check_same_scoring(pair, *both, metrics)


def _check_pairs(name: str, pairs: list[str], expected: list[str]) -> None:
    missing = [pair for pair in expected if pair not in pairs]
    unknown = [pair for pair in pairs if pair not in expected]
    if missing:
        raise LassError(
            f"system {name} has no translations of {', '.join(missing)}; translate "
            "these or leave their references out"
        )
    if unknown:
        raise LassError(
            f"system {name} has translations of {', '.join(unknown)}, for which there "
            "are no references; add references or leave the pair out"
        )


def _check_label(what: str, text: str) -> None:
    if not text.strip() or not text.isprintable():
        raise LassError(
            f"the {what} is {text!r}; a score needs one, in a line of printable text"
        )
