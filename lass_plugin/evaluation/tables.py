"""A report as tables: CSV, Markdown, and aligned text for the terminal.

Differences and averages are computed from unrounded scores, so the last digit that a
table shows may not add up.
"""

import csv
import io
import textwrap
from collections.abc import Callable
from typing import Any

from lass_plugin.evaluation.choice import digits_of
from lass_plugin.evaluation.comparison import PairScores, Report, SystemScores
from lass_plugin.evaluation.significance import Difference
from lass_plugin.languages import Pair
from lass_plugin.records.text_tables import (
    WIDTH,
    aligned,
    escape,
    markdown_table,
    rule,
    signed,
    widths_of,
)

_LEVEL = 0.05
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
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def to_markdown(report: Report) -> str:
    """Return a page with a table for each metric and, below, what the figures are."""
    lines = ["# Scores", ""]
    for metric in report.metrics:
        header, scores, summary = _table(report, metric, report.systems)
        lines += [f"## {metric} ({report.text} text)", ""]
        lines += [*markdown_table([header, *scores, *summary]), ""]
    lines += [f"- {note}" for note in _notes(report, escape, _code)]
    return "\n".join(lines) + "\n"


def render(report: Report, width: int = WIDTH) -> str:
    """Return tables aligned for a terminal of *width* columns.

    Systems that do not fit side by side follow in further tables, each with the
    baseline. Only a single long word, such as the path of a checkpoint, goes beyond.
    """
    blocks = []
    for metric in report.metrics:
        for systems in _side_by_side(report, width):
            header, scores, summary = _table(report, metric, systems)
            header = [_shorten(cell) for cell in header]
            widths = widths_of([header, *scores, *summary])
            line = rule(widths)
            blocks += [f"{metric} ({report.text} text)", aligned(header, widths), line]
            blocks += [aligned(row, widths) for row in scores]
            blocks += [line, *(aligned(row, widths) for row in summary), ""]
    for note in _notes(report):
        blocks += textwrap.wrap(
            note,
            width,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(blocks) + "\n"


def _table(
    report: Report, metric: str, systems: tuple[SystemScores, ...]
) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Return the header, the rows of pairs and the rows of averages, as cells."""
    header = ["pair", "sentences", *(system.name for system in systems)]
    scores = [
        [pair, str(report.baseline.pairs[pair].sentences)]
        + [_pair_cell(system.pairs[pair], metric) for system in systems]
        for pair in report.pairs
    ]
    summary = [
        [f"mean {name} ({len(pairs)})", ""]
        + [_mean_cell(report, system, metric, pairs) for system in systems]
        for name, pairs in report.groups.items()
    ]
    if report.others:
        summary.append(["better than baseline", ""])
        for system in systems:
            summary[-1].append(
                ""
                if system is report.baseline
                else f"{system.wins(metric)} of {len(report.pairs)} "
                f"({system.win_ratio(metric):.0%})"
            )
    return header, scores, summary


def _pair_cell(result: PairScores, metric: str) -> str:
    digits = digits_of(metric)
    value = f"{result.scores[metric].value:.{digits}f}"
    if metric not in result.differences:
        return value
    difference = result.differences[metric]
    star = "*" if difference.p_value < _LEVEL else " "
    return f"{value} {signed(difference.delta, digits):>6}{star}"


def _mean_cell(
    report: Report, system: SystemScores, metric: str, pairs: list[str]
) -> str:
    digits = digits_of(metric)
    value = f"{system.average(metric, pairs):.{digits}f}"
    if system is report.baseline:
        return value
    difference = signed(system.average_difference(metric, pairs), digits)
    return f"{value} {difference:>6} "


def _notes(
    report: Report,
    plain: Callable[[str], str] = str,
    code: Callable[[str], str] = str,
) -> list[str]:
    """Say what stands behind the figures: systems, test, text, signatures.

    *plain* and *code* mark up what comes from outside: names, and what is verbatim.
    """
    notes = []
    for system in report.systems:
        mask = "no mask (dense)" if system.mask is None else f"mask {code(system.mask)}"
        checkpoint = code(system.checkpoint)
        notes.append(f"{plain(system.name)}: checkpoint {checkpoint}, {mask}")
    if report.others:
        test = report.others[0].pairs[report.pairs[0]].differences[report.metrics[0]]
        notes.append(
            f"signed numbers: difference to {plain(report.baseline.name)}; "
            f"{plain('*')}: p < {_LEVEL}, paired bootstrap ({test.n_samples} samples, "
            f"seed {test.seed}, p as by sacreBLEU)"
        )
    notes.append(
        "tokenised text: compare BLEU only where the same tokenisation was done"
        if report.text == "tokenised"
        else "detokenised text: BLEU does the tokenisation that its signature names"
    )
    for metric in report.metrics:
        pairs_of: dict[str, list[str]] = {}
        for pair, result in report.baseline.pairs.items():
            pairs_of.setdefault(result.scores[metric].signature, []).append(pair)
        for signature, pairs in pairs_of.items():
            where = "" if len(pairs_of) == 1 else f" ({plain(', '.join(pairs))})"
            notes.append(f"{metric}{where}: {code(signature)}")
    return notes + [plain(note) for note in report.notes]


def _side_by_side(report: Report, width: int) -> list[tuple[SystemScores, ...]]:
    """Split the systems into tables that fit *width*; the baseline is in each."""
    first = max(len("better than baseline"), *(len(pair) for pair in report.pairs))
    taken = first + len("  sentences") + 2 + max(6, len(_shorten(report.baseline.name)))
    tables: list[list[SystemScores]] = [[]]
    left = width - taken
    for system in report.others:
        column = 2 + max(len("100.00 +100.00*"), len(_shorten(system.name)))
        if tables[-1] and column > left:
            tables.append([])
            left = width - taken
        tables[-1].append(system)
        left -= column
    return [(report.baseline, *table) for table in tables]


def _shorten(name: str) -> str:
    """Leave out the middle of a long name: names often differ only at their end."""
    if len(name) <= _LONGEST_NAME:
        return name
    half = _LONGEST_NAME // 2
    return f"{name[: half - 1]}…{name[-half:]}"


def _code(text: str) -> str:
    """Mark *text* as verbatim; a backtick in it would end that, so it is replaced."""
    return "`" + text.replace("`", "'") + "`"
