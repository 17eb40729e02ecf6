"""Systems over several runs that differ in their seed: mean and spread of each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, stdev
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.evaluation.choice import digits_of
from lass_plugin.evaluation.comparison import check_same_scoring, groups_of
from lass_plugin.evaluation.significance import LEVEL
from lass_plugin.records.table import Table, best_in_columns
from lass_plugin.records.text_tables import signed
from lass_plugin.tables.compared_reports import (
    ComparedReports,
    ComparedSystem,
    LabelledReport,
    compare_reports,
)
from lass_plugin.tables.kept_references import check_same_references


@dataclass(frozen=True)
class Seeds:
    """Runs of the same systems on the same test set, with the same baseline.

    *runs*: label of a report -> its systems, the baseline first in each.
    """

    runs: Mapping[str, ComparedReports]

    @property
    def first(self) -> ComparedReports:
        return next(iter(self.runs.values()))

    @property
    def names(self) -> list[str]:
        """Every system, the baseline first."""
        every = (system.name for run in self.runs.values() for system in run.systems)
        return list(dict.fromkeys(every))

    @property
    def metrics(self) -> tuple[str, ...]:
        """What all runs have."""
        return tuple(
            metric
            for metric in self.first.metrics
            if all(metric in run.metrics for run in self.runs.values())
        )

    def of(self, name: str) -> dict[str, ComparedReports]:
        """Label -> run, of those that have the system *name*."""
        return {
            label: run
            for label, run in self.runs.items()
            if name in [system.name for system in run.systems]
        }


def runs_of(
    reports: Sequence[LabelledReport],
    baseline: str | None = None,
    systems: Sequence[str] = (),
) -> Seeds:
    """The runs that *reports* are of, one each; a system may be in some of them alone.

    Args:
        baseline: is in every report; None for the first system of the first one.
        systems: names of those to keep; empty for all.

    Raises:
        LassError: fewer than two reports, two of one label or of one run, pairs or
            test sets that differ, a report without the baseline.
    """
    if len(reports) < 2:
        raise LassError("a spread needs two reports or more; give one of each seed")
    baseline = baseline or reports[0].report.baseline.name
    runs: dict[str, ComparedReports] = {}
    for each in reports:
        if each.label in runs:
            raise LassError(
                f"two reports are called '{each.label}'; tell them apart with "
                "LABEL=PATH"
            )
        present = [system.name for system in each.report.systems]
        chosen = [name for name in systems or present if name in present]
        if baseline not in present:
            raise LassError(
                f"{each.label} has no system '{baseline}', which each run is compared "
                f"with (it has {', '.join(present)}); give --baseline"
            )
        runs[each.label] = compare_reports([each], baseline, chosen or [baseline])
    found = Seeds(runs)
    if unknown := [name for name in systems if name not in found.names]:
        raise LassError(
            f"no report has a system '{unknown[0]}'; they have "
            f"{', '.join(_present(reports))}"
        )
    for (one, first), (other, second) in combinations(runs.items(), 2):
        _check_same_test(one, first, other, second)
    return found


def _present(reports: Sequence[LabelledReport]) -> Iterable[str]:
    return dict.fromkeys(s.name for each in reports for s in each.report.systems)


def _check_same_test(
    one: str, first: ComparedReports, other: str, second: ComparedReports
) -> None:
    if first.text != second.text or {*first.pairs} != {*second.pairs}:
        raise LassError(
            f"{one} and {other} are not of one test set: {one} has {first.text} text "
            f"of {', '.join(first.pairs)}, {other} {second.text} text of "
            f"{', '.join(second.pairs)}; evaluate both on the same pairs"
        )
    ours, theirs = first.baseline, second.baseline
    metrics = [name for name in first.metrics if name in second.metrics]
    for pair in first.pairs:
        names = f"{one}/{ours.name}", f"{other}/{theirs.name}"
        scores = ours.scores.pairs[pair], theirs.scores.pairs[pair]
        check_same_scoring(pair, names, scores, metrics)
        check_same_references(pair, names, (ours.folders[pair], theirs.folders[pair]))
    own, others = ({s.name for s in run.systems} for run in (first, second))
    shared = [s for s in first.systems if s.name in others]
    nothing_new = own <= others or others <= own
    if nothing_new and all(_is_one_model(s, first, second) for s in shared):
        raise LassError(
            f"{one} and {other} hold the same models, not those of two seeds; give "
            "one report of each seed"
        )


def _is_one_model(
    system: ComparedSystem, first: ComparedReports, second: ComparedReports
) -> bool:
    """Whether both runs translated with the same model: all scores are the same."""
    return all(
        other.scores.pairs[pair].scores == system.scores.pairs[pair].scores
        for other in second.systems
        if other.name == system.name
        for pair in first.pairs
    )


def seed_table(seeds: Seeds, metric: str) -> Table:
    """Mean ± standard deviation over the runs, of scores and of differences.

    The difference of a run is to the baseline of the same run. A system that is the
    same model in all of its runs, such as the base of all, is shown without a spread.

    Raises:
        LassError: not every run has *metric*.
    """
    if metric not in seeds.metrics:
        raise LassError(
            f"not every report has {metric} (all have {', '.join(seeds.metrics)}); "
            "evaluate again with --metrics"
        )
    groups = groups_of(seeds.first.pairs)
    digits = digits_of(metric)
    rows, values, records = [], [], list[dict[str, Any]]()
    for name in seeds.names:
        row = _Row(seeds, name, metric)
        scores = {group: row.scores(pairs) for group, pairs in groups.items()}
        gains = {group: row.differences(pairs) for group, pairs in groups.items()}
        better, worse, tested = row.significant()
        sure = f"{better}, {worse} of {tested}" if tested else "–"
        is_baseline = name == seeds.first.baseline.name
        rows.append(
            (
                name,
                *(_spread(found, digits, row.is_one) for found in scores.values()),
                *(
                    "–" if is_baseline else _spread(found, digits, False, signed)
                    for found in gains.values()
                ),
                sure,
                str(1 if row.is_one else len(row.runs)),
            )
        )
        values.append([fmean(found) for found in scores.values()])
        for group, pairs in groups.items():
            record = {
                "metric": metric,
                "system": name,
                "group": group,
                "pairs": len(pairs),
                "seeds": 1 if row.is_one else len(row.runs),
                "mean": fmean(scores[group]),
                "deviation": None if row.is_one else _deviation(scores[group]),
                "each": " ".join(f"{value:.4f}" for value in scores[group]),
            }
            if not is_baseline:
                record |= {
                    "difference": fmean(gains[group]),
                    "difference_deviation": _deviation(gains[group]),
                    "runs_better": sum(value > 0 for value in gains[group]),
                }
            records.append(record)
    heads = [f"{group} ({len(pairs)})" for group, pairs in groups.items()]
    return Table(
        f"seeds.{metric.lower()}",
        f"{metric} over {len(seeds.runs)} runs ({seeds.first.text} text)",
        (metric, *heads, *(f"Δ {group}" for group in groups), "* better, worse", "n"),
        tuple(rows),
        best_in_columns(values),
        (
            "mean ± standard deviation (n − 1) over n runs "
            f"({', '.join(seeds.runs)}); in parentheses the number of pairs",
            "n is 1, too, of one model in several runs, whose Δ is over these",
            f"Δ: to {seeds.first.baseline.name} of the same run",
            f"*: pairs of all runs with p < {LEVEL} by paired bootstrap, of those that "
            "were tested",
        ),
        tuple(records),
    )


@dataclass(frozen=True)
class _Row:
    """One system in all runs that have it."""

    seeds: Seeds
    name: str
    metric: str

    @property
    def runs(self) -> dict[str, ComparedReports]:
        return self.seeds.of(self.name)

    @property
    def is_one(self) -> bool:
        """Whether it is the same model in all of its runs."""
        first, *others = self.runs.values()
        system = first.system(self.name)
        return all(_is_one_model(system, first, other) for other in others)

    def scores(self, pairs: Sequence[str]) -> list[float]:
        return [
            run.system(self.name).scores.average(self.metric, pairs)
            for run in self.runs.values()
        ]

    def differences(self, pairs: Sequence[str]) -> list[float]:
        before = (
            run.baseline.scores.average(self.metric, pairs)
            for run in self.runs.values()
        )
        return [a - b for a, b in zip(self.scores(pairs), before, strict=True)]

    def significant(self) -> tuple[int, int, int]:
        """How many pairs of all runs are better and worse, with p below the level; and
        how many were tested."""
        tests = [
            run.tests[self.name, self.metric, pair]
            for run in self.runs.values()
            for pair in run.pairs
            if (self.name, self.metric, pair) in run.tests
        ]
        sure = [test.delta for test in tests if test.p_value < LEVEL]
        better, worse = sum(d > 0 for d in sure), sum(d < 0 for d in sure)
        return better, worse, len(tests)


def _deviation(values: Sequence[float]) -> float | None:
    return stdev(values) if len(values) > 1 else None


def _spread(
    values: Sequence[float],
    digits: int,
    is_one: bool,
    shown: Callable[[float, int], str] = lambda value, digits: f"{value:.{digits}f}",
) -> str:
    text, deviation = shown(fmean(values), digits), _deviation(values)
    if is_one or deviation is None:
        return text
    return f"{text} ± {deviation:.{digits}f}"
