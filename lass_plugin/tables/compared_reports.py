"""Systems of one or several reports side by side, with a baseline of choice."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.evaluation import report_file
from lass_plugin.evaluation.choice import EVERY_METRIC
from lass_plugin.evaluation.comparison import Report, SystemScores, check_same_scoring
from lass_plugin.evaluation.report_tables import signature_notes, system_note
from lass_plugin.evaluation.significance import Difference
from lass_plugin.records.notes import said_of
from lass_plugin.tables.kept_references import check_same_references


def labelled(text: str | os.PathLike) -> tuple[str, Path]:
    """Label and path of ``[LABEL=]PATH``; the label is empty where there is none.

    A path that is there is one, whatever is in its name (``ratio=0.3/report``).
    """
    before, equals, after = str(text).partition("=")
    if not equals or Path(text).exists():
        return "", Path(text)
    return before, Path(after)


@dataclass(frozen=True)
class LabelledReport:
    """A report and what its systems are called by where a name occurs twice."""

    label: str
    folder: Path
    report: Report

    @classmethod
    def read(cls, text: str | os.PathLike) -> "LabelledReport":
        """Read ``[LABEL=]PATH``, PATH a folder of ``lass evaluate`` or its scores.json.

        Raises:
            LassError: there is no whole report.
        """
        label, path = labelled(text)
        if path.is_dir() and not (path / "scores.json").is_file():
            begun = (path / "translations").is_dir()
            raise LassError(
                f"{path} has translations but no scores.json: its evaluation was not "
                "finished; run 'lass evaluate' again"
                if begun
                else f"{path} has no scores.json; give a folder that 'lass evaluate "
                "--out' wrote"
            )
        file = path / "scores.json" if path.is_dir() else path
        label = label or file.parent.resolve().name
        return cls(label, file.parent, report_file.read(file))


@dataclass(frozen=True)
class ComparedSystem:
    """One system in the tables; its *scores* have the name that its reports give it.

    *folders* says in the folder of which report the texts of each pair are.
    """

    name: str
    folders: Mapping[str, Path]
    scores: SystemScores


@dataclass(frozen=True)
class ComparedReports:
    """Systems over the same pairs; the first one is the baseline.

    *tests* holds what is known of the differences to the baseline:
    (system, metric, pair) -> the paired bootstrap.
    """

    text: str
    systems: tuple[ComparedSystem, ...]
    pairs: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tests: Mapping[tuple[str, str, str], Difference] = field(default_factory=dict)

    @property
    def baseline(self) -> ComparedSystem:
        return self.systems[0]

    @property
    def others(self) -> tuple[ComparedSystem, ...]:
        return self.systems[1:]

    def system(self, name: str) -> ComparedSystem:
        """The system called *name*.

        Raises:
            LassError: there is none.
        """
        known = {system.name: system for system in self.systems}
        if name not in known:
            raise LassError(
                f"there is no system '{name}'; the systems are {', '.join(known)}"
            )
        return known[name]


def compare_reports(
    reports: Sequence[LabelledReport],
    baseline: str | None = None,
    systems: Sequence[str] = (),
    common: bool = False,
) -> ComparedReports:
    """All systems of *reports* in one comparison.

    A system that several reports have, with the same checkpoint, mask and scores, is
    one system, and its pairs are those of all of these reports. Two different systems
    of one name are told apart by their report's label.

    Args:
        baseline: name of the system to compare with; None for the first.
        systems: names of those to keep, in this order; empty for all.
        common: keep the pairs that all systems have, instead of refusing a system that
            lacks one.

    Raises:
        LassError: the reports cannot be compared: a pair is missing, or the scores have
            other signatures or numbers of sentences.
    """
    if not reports:
        raise LassError("there is no report; give a folder of 'lass evaluate'")
    text, *others = {each.report.text for each in reports}
    if others:
        raise LassError(
            "some reports are of tokenised and some of detokenised text, which cannot "
            "be compared; evaluate them in the same way"
        )
    every = ComparedReports(text, tuple(systems_of(reports)))
    chosen = list(every.systems)
    if systems:
        chosen = [every.system(name) for name in dict.fromkeys(systems)]
    if baseline is not None:
        first = replace(every, systems=tuple(chosen)).system(baseline)
        chosen = [first, *(system for system in chosen if system is not first)]
    pairs = _pairs(chosen, common)
    scores = [s.scores.pairs[pair].scores for s in chosen for pair in pairs]
    metrics = [name for name in EVERY_METRIC if all(name in each for each in scores)]
    for system in chosen[1:]:
        for pair in pairs:
            both = (system.scores.pairs[pair], chosen[0].scores.pairs[pair])
            names = system.name, chosen[0].name
            check_same_scoring(pair, names, both, metrics)
            folders = system.folders[pair], chosen[0].folders[pair]
            check_same_references(pair, names, folders)
    used = {system.folders[pair] for system in chosen for pair in pairs}
    notes = _notes_of([each for each in reports if each.folder in used])
    tests = _known_tests(reports, chosen, pairs)
    return ComparedReports(
        text, tuple(chosen), tuple(pairs), tuple(metrics), tuple(notes), tests
    )


def _notes_of(reports: Sequence[LabelledReport]) -> list[str]:
    """What *reports* say of their translations, and whose it is where they differ."""
    labels = [each.label for each in reports]
    unique = len({*labels}) == len(labels)
    return said_of(
        {e.label if unique else str(e.folder): e.report.notes for e in reports}
    )


def check_one_test_set(reports: Sequence[LabelledReport]) -> None:
    """Refuse reports that scored a pair on other sentences or in another way.

    Raises:
        LassError: names two of them.
    """
    seen: dict[str, tuple[LabelledReport, SystemScores]] = {}
    for each in reports:
        system = each.report.baseline
        for pair, result in system.pairs.items():
            before, other = seen.setdefault(pair, (each, system))
            names = f"{each.label}/{system.name}", f"{before.label}/{other.name}"
            scores = other.pairs[pair]
            metrics = [name for name in result.scores if name in scores.scores]
            check_same_scoring(pair, names, (result, scores), metrics)
            check_same_references(pair, names, (each.folder, before.folder))


def systems_of(reports: Sequence[LabelledReport]) -> list[ComparedSystem]:
    """The systems of *reports*, each with the name that it has in tables.

    Raises:
        LassError: two have one name that no label tells apart.
    """
    found: dict[str, ComparedSystem] = {}
    for each in reports:
        for system in each.report.systems:
            name = system.name
            if name in found and not _is_same(found[name].scores, system):
                name = f"{each.label}/{system.name}"
            folders = dict.fromkeys(system.pairs, each.folder)
            if name not in found:
                found[name] = ComparedSystem(name, folders, system)
                continue
            before = found[name]
            if not _is_same(before.scores, system):
                raise LassError(
                    f"two different systems are called '{name}'; tell the reports "
                    "apart with LABEL=PATH"
                )
            scored = before.scores.pairs  # what the first report says stands
            scores = replace(before.scores, pairs=scored | system.pairs | scored)
            found[name] = ComparedSystem(name, {**folders, **before.folders}, scores)
    return list(found.values())


def _is_same(first: SystemScores, second: SystemScores) -> bool:
    """Whether both are one system: nothing that both say differs."""
    if (first.checkpoint, first.mask) != (second.checkpoint, second.mask):
        return False
    both = first.pairs.keys() & second.pairs.keys()
    ours, theirs = (
        {p: (system.pairs[p].sentences, system.pairs[p].scores) for p in both}
        for system in (first, second)
    )
    return ours == theirs


def _pairs(systems: Sequence[ComparedSystem], common: bool) -> list[str]:
    """The pairs of the tables, in the order of their first report."""
    every = dict.fromkeys(pair for system in systems for pair in system.scores.pairs)
    for system in systems:
        missing = [pair for pair in every if pair not in system.scores.pairs]
        if missing and not common:
            raise LassError(
                f"system {system.name} has no scores of {', '.join(missing)}; evaluate "
                "it on these, or add --common to compare the pairs that all have"
            )
        for pair in missing:
            del every[pair]
    if not every:
        raise LassError("the systems have no pair in common; evaluate them on the same")
    return list(every)


def _known_tests(
    reports: Sequence[LabelledReport],
    systems: Sequence[ComparedSystem],
    pairs: Sequence[str],
) -> dict[tuple[str, str, str], Difference]:
    """The differences that the reports hold to what is the baseline here, too."""
    baseline = systems[0].scores
    return {
        (ours.name, metric, pair): test
        for each in reports
        if _is_same(each.report.baseline, baseline)
        for system in each.report.others
        for ours in systems[1:]
        if ours.scores.name == system.name and _is_same(ours.scores, system)
        for pair in pairs
        if pair in system.pairs
        for metric, test in system.pairs[pair].differences.items()
    }


def score_notes(compared: ComparedReports, metrics: Sequence[str]) -> list[str]:
    """Systems, signatures and how the text was made, a sentence each."""
    notes = [system_note(replace(s.scores, name=s.name)) for s in compared.systems]
    baseline = compared.baseline.scores.pairs
    scores = (
        (pair, baseline[pair].scores[metric])
        for metric in metrics
        for pair in compared.pairs
    )
    return [*notes, *signature_notes(scores), *compared.notes]
