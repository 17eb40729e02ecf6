"""Sentences of the test sets with what each system made of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lass_plugin.data.parallel_text import read_lines
from lass_plugin.evaluation import report_file
from lass_plugin.evaluation.telling import telling
from lass_plugin.languages import Pair
from lass_plugin.report_page.holdings import Holdings
from lass_plugin.tables.kept_references import references_of, split_of

EACH = 3
"""Sentences of each pair."""

MANY = 12
"""Of more pairs than this one sentence each is shown, and so many pairs on paper."""


@dataclass(frozen=True)
class Example:
    """A sentence; *number* is its line, from 1."""

    number: int
    source: str
    reference: str
    systems: list[tuple[str, str]]


@dataclass(frozen=True)
class PairExamples:
    """Examples of one pair; languages as HTML names them."""

    pair: str
    source: str
    target: str
    examples: list[Example]


@dataclass(frozen=True)
class ReportExamples:
    """Examples of one report."""

    name: str
    pairs: list[PairExamples]


def of_reports(holdings: Holdings) -> list[ReportExamples]:
    """Examples of every report beside which its texts lie."""
    found = []
    for folder in holdings.reports:
        pairs = list(_of_report(folder))
        if pairs:
            found.append(ReportExamples(holdings.name(folder), pairs))
    return found


def _of_report(folder: Path) -> Iterator[PairExamples]:
    report, split = report_file.read(folder / "scores.json"), split_of(folder)
    count = EACH if len(report.pairs) <= MANY else 1
    for key in report.pairs:
        pair, path = Pair.parse(key), references_of(folder, key)
        sources = folder / "sources" / f"{split}.{key}.{pair.source}"
        if path is None or not sources.is_file():
            continue
        references = list(read_lines(path))
        chosen = telling(references, count)
        texts = {}
        for system in report.systems:
            name = f"{split}.{key}.{pair.target}"
            place = folder / "translations" / system.name / name
            if place.is_file():
                texts[system.name] = _chosen(place, chosen)
        given = _chosen(sources, chosen)
        examples = [
            Example(
                number + 1,
                given[number],
                references[number],
                [(name, lines[number]) for name, lines in texts.items()],
            )
            for number in chosen
        ]
        yield PairExamples(key, _tag(pair.source), _tag(pair.target), examples)


def _chosen(path: Path, numbers: list[int]) -> dict[int, str]:
    """Number -> line of a text; nothing where the file is shorter."""
    lines = dict.fromkeys(numbers, "")
    return lines | {n: line for n, line in enumerate(read_lines(path)) if n in lines}


def _tag(language: str) -> str:
    """A code of a language as HTML writes it: ``eng-Latn``."""
    return language.replace("_", "-")
