"""A report as tables: CSV, Markdown, and aligned text for the terminal.

Differences and averages are computed from unrounded scores, so the last digit that a
table shows may not add up.
"""

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from lass_plugin.evaluation.choice import digits_of
from lass_plugin.evaluation.comparison import PairScores, Report, SystemScores
from lass_plugin.evaluation.metrics import Score
from lass_plugin.evaluation.significance import LEVEL, Difference
from lass_plugin.languages import Pair
from lass_plugin.records import csv_table, table
from lass_plugin.records.text_tables import WIDTH, Markdown, escape, signed, verbatim

Mark = Callable[[str], str]
"""Marks up text from outside: ``str`` for a terminal, or as Markdown."""

_LONGEST_NAME = 20


def to_csv(report: Report) -> str:
    """Return one row for each pair and system; empty cells where nothing is known."""
    rows = []
    for pair in report.pairs:
        for system in report.systems:
            result = system.pairs[pair]
            row: dict[str, Any] = {
                "pair": pair,
                "source": Pair.parse(pair).source,
                "target": Pair.parse(pair).target,
                "system": system.name,
                "checkpoint": system.checkpoint,
                "mask": system.mask,
                "text": report.text,
                "sentences": result.sentences,
            }
            for metric in report.metrics:
                name = metric.lower()
                row[name] = result.scores[metric].value
                row[f"{name}_signature"] = result.scores[metric].signature
                difference = result.differences.get(metric)
                for key in Difference.__dataclass_fields__:
                    row[f"{name}_{key}"] = getattr(difference, key, None)
            rows.append(row)
    return csv_table.to_csv(rows)


def to_markdown(report: Report) -> str:
    """Return a page with a table for each metric and, below, what the figures are."""
    tables = [_table(report, metric) for metric in report.metrics]
    notes = map(Markdown, _notes(report, escape, verbatim))
    return table.to_markdown(tables, "Scores", list(notes))


def render(report: Report, width: int = WIDTH) -> str:
    """Return tables aligned for a terminal of *width* columns.

    Systems that do not fit side by side follow in further tables, each with the
    baseline. Only a single long word, such as the path of a checkpoint, goes beyond.
    """
    blocks: list[str] = []
    for metric in report.metrics:
        whole = _table(report, metric)
        whole = replace(whole, header=[_shorten(cell) for cell in whole.header])
        # pairs, sentences and the baseline stand in each part
        blocks += map(table.to_text, whole.fitting(width, keep=3))
    for note in _notes(report):
        blocks += textwrap.wrap(
            note,
            width,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(blocks) + "\n"


def _table(report: Report, metric: str) -> table.Table:
    """Return a row for each pair and, below, averages; a column for each system."""

    def cells(pairs: Sequence[str], test: bool) -> list[str]:
        found = [[system.pairs[pair] for pair in pairs] for system in report.systems]
        return [score_cell(results, metric, test) for results in found]

    rows = [
        [pair, str(result.sentences), *cells([pair], test=True)]
        for pair, result in report.baseline.pairs.items()
    ]
    foot = [
        [f"mean {name} ({len(pairs)})", "", *cells(pairs, test=False)]
        for name, pairs in report.groups.items()
    ]
    if report.others:
        foot.append(["better than baseline", "", ""])
        for system in report.others:
            wins = f"{system.wins(metric)} of {len(report.pairs)}"
            foot[-1].append(f"{wins} ({system.win_ratio(metric):.0%})")
    return table.Table(
        metric,
        f"{metric} ({report.text} text)",
        ["pair", "sentences", *(system.name for system in report.systems)],
        rows + foot,
        foot=len(foot),
    )


def score_cell(results: Sequence[PairScores], metric: str, test: bool = True) -> str:
    """Return the mean score and difference, or a dash of nothing.

    Args:
        test: mark with a star that the difference of a single pair is significant.
    """
    if not results:
        return "-"
    digits = digits_of(metric)
    value = f"{fmean(each.scores[metric].value for each in results):.{digits}f}"
    differences = [r.differences[metric] for r in results if metric in r.differences]
    if not differences:
        return value
    delta = signed(fmean(each.delta for each in differences), digits)
    sure = test and len(results) == 1 and differences[0].p_value < LEVEL
    return f"{value} {delta:>6}{'*' if sure else ' '}"


def _notes(report: Report, plain: Mark = str, code: Mark = str) -> list[str]:
    """Say what stands behind the figures: systems, test, text, signatures.

    *plain* and *code* mark up what comes from outside: names, and what is verbatim.
    """
    notes = [system_note(system, plain, code) for system in report.systems]
    if report.others:
        test = report.others[0].pairs[report.pairs[0]].differences[report.metrics[0]]
        more = ", p as by sacreBLEU"
        notes.append(difference_note(report.baseline.name, test, more, plain))
    notes.append(
        "tokenised text: compare BLEU only where the same tokenisation was done"
        if report.text == "tokenised"
        else "detokenised text: BLEU does the tokenisation that its signature names"
    )
    scores = (
        (pair, result.scores[metric])
        for metric in report.metrics
        for pair, result in report.baseline.pairs.items()
    )
    notes += signature_notes(scores, plain, code)
    return notes + [plain(note) for note in report.notes]


def _shorten(name: str) -> str:
    """Leave out the middle of a long name: names often differ only at their end."""
    if len(name) <= _LONGEST_NAME:
        return name
    half = _LONGEST_NAME // 2
    return f"{name[: half - 1]}…{name[-half:]}"


def system_note(system: SystemScores, plain: Mark = str, code: Mark = str) -> str:
    """The checkpoint of a system, and its mask or what else its keys have.

    Args:
        plain, code: mark up a name, and what is verbatim.
    """
    under = "no mask (dense)"
    if system.mask is not None:
        under = f"{system.kind} {code(system.mask)}".strip()
    return f"{plain(system.name)}: checkpoint {code(system.checkpoint)}, {under}"


def difference_note(
    baseline: str, test: Difference, more: str = "", plain: Mark = str
) -> str:
    """What signed numbers and stars are, with the numbers of the resampling."""
    return (
        f"signed numbers: difference to {plain(baseline)}; {plain('*')}: p < {LEVEL}, "
        f"paired bootstrap ({test.n_samples} samples, seed {test.seed}{more})"
    )


def signature_notes(
    scores: Iterable[tuple[str, Score]], plain: Mark = str, code: Mark = str
) -> list[str]:
    """A sentence for each signature; it names its pairs where others have another.

    Args:
        scores: pair and score, in the order of the sentences.
    """
    pairs_of: dict[tuple[str, str], dict[str, None]] = {}
    every: dict[str, None] = {}
    for pair, score in scores:
        pairs_of.setdefault((score.metric, score.signature), {})[pair] = None
        every[pair] = None
    notes = []
    for (metric, signature), pairs in pairs_of.items():
        where = "" if len(pairs) == len(every) else f" ({plain(', '.join(pairs))})"
        notes.append(f"{metric}{where}: {code(signature)}")
    return notes
