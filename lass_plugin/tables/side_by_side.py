"""Systems of one or several reports side by side, with a baseline of choice."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

from lass_plugin.errors import LassError
from lass_plugin.evaluation import report as reports
from lass_plugin.evaluation.choice import EVERY_METRIC
from lass_plugin.evaluation.comparison import PairScores, Report, SystemScores
from lass_plugin.evaluation.significance import Difference
from lass_plugin.languages import Pair


@dataclass(frozen=True)
class Place:
    """A report and what its systems are called by where a name occurs twice."""

    label: str
    folder: Path
    report: Report

    @classmethod
    def read(cls, text: str | os.PathLike) -> "Place":
        """Read ``[LABEL=]PATH``, PATH a folder of ``lass evaluate`` or its scores.json.

        Raises:
            LassError: there is no whole report.
        """
        before, equals, after = str(text).partition("=")
        label, path = (before, Path(after)) if equals else ("", Path(before))
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
        folder = file.parent
        return cls(label or folder.resolve().name, folder, reports.read(file))


@dataclass(frozen=True)
class Entry:
    """One system in the tables; *original* is its name in its reports.

    *folders* says in the folder of which report the texts of each pair are.
    """

    name: str
    original: str
    folders: Mapping[str, Path]
    scores: SystemScores

    def value(self, metric: str, pair: str) -> float:
        return self.scores.pairs[pair].scores[metric].value

    def mean(self, metric: str, pairs: Sequence[str]) -> float:
        """The plain mean of *metric* over *pairs*."""
        return fmean(self.value(metric, pair) for pair in pairs)


@dataclass(frozen=True)
class SideBySide:
    """Systems over the same pairs; the first one is the baseline.

    *tests* holds what is known of the differences to the baseline:
    (system, metric, pair) -> the paired bootstrap.
    """

    text: str
    entries: tuple[Entry, ...]
    pairs: tuple[str, ...]
    metrics: tuple[str, ...]
    notes: tuple[str, ...] = ()
    tests: Mapping[tuple[str, str, str], Difference] = field(default_factory=dict)

    @property
    def baseline(self) -> Entry:
        return self.entries[0]

    @property
    def others(self) -> tuple[Entry, ...]:
        return self.entries[1:]

    def entry(self, name: str) -> Entry:
        """The system called *name*.

        Raises:
            LassError: there is none.
        """
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise LassError(
            f"there is no system '{name}'; the systems are "
            f"{', '.join(entry.name for entry in self.entries)}"
        )

    def difference(self, entry: Entry, metric: str, pairs: Sequence[str]) -> float:
        """The mean over *pairs* of *entry* minus that of the baseline."""
        return entry.mean(metric, pairs) - self.baseline.mean(metric, pairs)


def put_side_by_side(
    places: Sequence[Place],
    baseline: str | None = None,
    systems: Sequence[str] | None = None,
    common: bool = False,
) -> SideBySide:
    """All systems of *places* in one comparison.

    A system that several reports have, with the same checkpoint, mask and scores, is
    one system, and its pairs are those of all of these reports. Two different systems
    of one name are told apart by their report's label.

    Args:
        baseline: name of the system to compare with; None for the first.
        systems: names of those to keep, in this order; None for all.
        common: keep the pairs that all systems have, instead of refusing a system that
            lacks one.

    Raises:
        LassError: the reports cannot be compared: a pair is missing, or the scores have
            other signatures or numbers of sentences.
    """
    if not places:
        raise LassError("there is no report; give a folder of 'lass evaluate'")
    texts = {place.report.text for place in places}
    if len(texts) > 1:
        raise LassError(
            "some reports are of tokenised and some of detokenised text, which cannot "
            "be compared; evaluate them in the same way"
        )
    entries = _entries(places)
    board = SideBySide(texts.pop(), tuple(entries), (), ())
    if systems is not None:
        entries = [board.entry(name) for name in systems]
        board = replace(board, entries=tuple(entries))
    if baseline is not None:
        first = board.entry(baseline)
        entries = [first, *(entry for entry in entries if entry is not first)]
    pairs = _pairs(entries, common)
    metrics = [
        name
        for name in EVERY_METRIC
        if all(name in e.scores.pairs[pair].scores for e in entries for pair in pairs)
    ]
    _check_signatures(entries, pairs, metrics)
    notes = [note for place in places for note in place.report.notes]
    return replace(
        board,
        entries=tuple(entries),
        pairs=tuple(pairs),
        metrics=tuple(metrics),
        notes=tuple(dict.fromkeys(notes)),
        tests=_known_tests(places, entries, pairs),
    )


def _entries(places: Sequence[Place]) -> list[Entry]:
    found: dict[str, Entry] = {}
    for place in places:
        for system in place.report.systems:
            name = system.name
            if name in found and not _is_same(found[name].scores, system):
                name = f"{place.label}/{system.name}"
            folders = dict.fromkeys(system.pairs, place.folder)
            if name not in found:
                found[name] = Entry(name, system.name, folders, system)
            elif _is_same(found[name].scores, system):
                merged = {**found[name].scores.pairs}
                merged |= {p: s for p, s in system.pairs.items() if p not in merged}
                scores = replace(found[name].scores, pairs=merged)
                folders.update(found[name].folders)
                found[name] = replace(found[name], scores=scores, folders=folders)
            else:
                raise LassError(
                    f"two different systems are called '{name}'; tell the reports "
                    "apart with LABEL=PATH"
                )
    return list(found.values())


def _is_same(first: SystemScores, second: SystemScores) -> bool:
    """Whether both are one system: nothing that both say differs."""
    if (first.checkpoint, first.mask) != (second.checkpoint, second.mask):
        return False
    return all(
        _values(first.pairs[pair]) == _values(second.pairs[pair])
        for pair in first.pairs.keys() & second.pairs.keys()
    )


def _values(scores: PairScores) -> tuple:
    return scores.sentences, scores.scores


def _pairs(entries: Sequence[Entry], common: bool) -> list[str]:
    """The pairs of the tables, in the order of their first report."""
    every = list(
        dict.fromkeys(pair for entry in entries for pair in entry.scores.pairs)
    )
    lacking = {
        entry.name: [pair for pair in every if pair not in entry.scores.pairs]
        for entry in entries
    }
    for name, missing in lacking.items():
        if missing and not common:
            raise LassError(
                f"system {name} has no scores of {', '.join(missing)}; evaluate it on "
                "these, or add --common to compare the pairs that all systems have"
            )
    pairs = [pair for pair in every if not any(pair in m for m in lacking.values())]
    if not pairs:
        raise LassError("the systems have no pair in common; evaluate them on the same")
    return pairs


def _check_signatures(
    entries: Sequence[Entry], pairs: Sequence[str], metrics: Sequence[str]
) -> None:
    first = entries[0]
    for entry in entries[1:]:
        for pair in pairs:
            ours, theirs = entry.scores.pairs[pair], first.scores.pairs[pair]
            if ours.sentences != theirs.sentences:
                raise LassError(
                    f"{entry.name} was scored on {ours.sentences} sentences of {pair} "
                    f"and {first.name} on {theirs.sentences}; evaluate both on one set"
                )
            for metric in metrics:
                if ours.scores[metric].signature != theirs.scores[metric].signature:
                    raise LassError(
                        f"{metric} of {pair} has the signature "
                        f"{ours.scores[metric].signature} for {entry.name} and "
                        f"{theirs.scores[metric].signature} for {first.name}; evaluate "
                        "both in the same way"
                    )


def _known_tests(
    places: Sequence[Place], entries: Sequence[Entry], pairs: Sequence[str]
) -> dict[tuple[str, str, str], Difference]:
    """The differences that the reports hold to what is the baseline here, too."""
    found = {}
    baseline = entries[0].scores
    for place in places:
        if not _is_same(place.report.baseline, baseline):
            continue
        for system in place.report.others:
            for entry in entries[1:]:
                if entry.original != system.name or not _is_same(entry.scores, system):
                    continue
                for pair in pairs:
                    result = system.pairs.get(pair)
                    for metric, test in (result.differences if result else {}).items():
                        found[entry.name, metric, pair] = test
    return found


def sources_of(pairs: Sequence[str]) -> list[str]:
    """The source languages of *pairs*, in their order."""
    return list(dict.fromkeys(Pair.parse(pair).source for pair in pairs))


def targets_of(pairs: Sequence[str]) -> list[str]:
    """The target languages of *pairs*, in their order."""
    return list(dict.fromkeys(Pair.parse(pair).target for pair in pairs))
