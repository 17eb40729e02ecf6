"""Zero-shot results as tables: screen, Markdown, CSV, JSON, all of the same rows."""

import csv
import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from lass_plugin.evaluation import on_target
from lass_plugin.evaluation.metrics import Score
from lass_plugin.evaluation.significance import Difference
from lass_plugin.evaluation.zero_shot import SIDES, Scored, ZeroShot
from lass_plugin.files import write_json, write_text
from lass_plugin.languages import Pair
from lass_plugin.records.text_tables import aligned, markdown_table, rule, widths_of

Table = tuple[str, list[list[str]]]
"""A heading, and rows of cells, of which the first row is the header."""

_LEVEL = 0.05
_PAPER = (
    "encoder of X-{pivot}: the encoder mask of X→{pivot} in the place of the pair's "
    "own; decoder of {pivot}-X likewise; =: the pair's own mask, nothing replaced; "
    "signed numbers: difference to that; others: mean of all but the pair's own "
    "(Lin 2021, Table 5, leaves out the encoder of the target's language and the "
    "decoder of the source's)"
)


@dataclass(frozen=True)
class Row:
    """One metric of one system on one pair; no difference for the first system."""

    pair: str
    system: str
    metric: str
    score: Score
    difference: Difference | None


def rows_of(scored: Scored) -> Iterator[Row]:
    """Every pair, system and metric."""
    report, more = scored.evaluation.report, scored.on_target
    for pair in report.pairs:
        for system in report.systems:
            result = system.pairs[pair]
            for metric, score in result.scores.items():
                difference = result.differences.get(metric)
                yield Row(pair, system.name, metric, score, difference)
            if more is not None:
                score = more.scores[system.name][pair]
                difference = more.differences.get(system.name, {}).get(pair)
                yield Row(pair, system.name, on_target.NAME, score, difference)


def write(result: ZeroShot, folder: str | os.PathLike) -> list[Path]:
    """Write ``zero_shot.{json,csv,md}`` and, with an ablation, ``ablation.…`` too."""
    folder = Path(folder)
    written = _write(folder / "zero_shot", result, result.result, tables(result))
    if result.ablation is not None:
        written += _write(
            folder / "ablation", result, result.ablation, ablation_tables(result)
        )
    return written


def render(result: ZeroShot) -> str:
    """The tables for a terminal, and below them what the figures are."""
    blocks = [_aligned(*table) for table in tables(result) + ablation_tables(result)]
    notes = _notes(result, result.result)
    if result.ablation is not None:
        notes.append(_PAPER.format(pivot=result.pivot))
    return "\n\n".join([*blocks, "\n".join(notes)]) + "\n"


def tables(result: ZeroShot) -> list[Table]:
    """For each metric a row a pair and a column a system, and the mean."""
    report, more = result.result.evaluation.report, result.result.on_target
    found = {(r.pair, r.system, r.metric): r for r in rows_of(result.result)}
    systems = [system.name for system in report.systems]
    made = []
    for metric in dict.fromkeys(row.metric for row in found.values()):
        limit = metric == on_target.NAME and more is not None
        header = ["pair", "sentences", *systems, *(["references"] if limit else [])]
        body = []
        for pair in report.pairs:
            sentences = str(report.baseline.pairs[pair].sentences)
            cells = [_cell([found[pair, name, metric]]) for name in systems]
            if limit and more is not None:
                cells.append(f"{more.references[pair].value:.2f}")
            body.append([pair, sentences, *cells])
        last = [f"mean ({len(report.pairs)})", ""]
        last += [
            _cell([found[pair, name, metric] for pair in report.pairs])
            for name in systems
        ]
        if limit and more is not None:
            last.append(f"{fmean(s.value for s in more.references.values()):.2f}")
        made.append((_title(result, metric), [header, *body, last]))
    return made


def ablation_tables(result: ZeroShot) -> list[Table]:
    """For each metric and side a row a pair and a column a language of that mask."""
    if result.ablation is None:
        return []
    found = {(r.pair, r.system, r.metric): r for r in rows_of(result.ablation)}
    pairs = result.ablation.evaluation.report.pairs
    made = []
    for metric in dict.fromkeys(row.metric for row in found.values()):
        for side in SIDES:
            columns = _columns(result, side)
            body, others = [], []
            for pair in pairs:
                own = _own(pair, side)
                cells = [
                    f"{found[pair, name, metric].score.value:.2f} ="
                    if language == own
                    else _cell([found[pair, name, metric]])
                    for language, name in columns.items()
                ]
                replaced = [
                    found[pair, name, metric]
                    for language, name in columns.items()
                    if language != own
                ]
                others += replaced
                body.append([pair, *cells, _cell(replaced)])
            title = f"{_title(result, metric)}: {side} mask of X replaced"
            header = ["pair", *columns, "others"]
            if len(pairs) > 1:
                blank = [""] * len(columns)
                body.append([f"mean ({len(pairs)})", *blank, _cell(others)])
            made.append((title, [header, *body]))
    return made


def _columns(result: ZeroShot, side: str) -> dict[str, str]:
    """Language -> name of the system with its mask on *side*."""
    assert result.ablation is not None
    columns = {}
    for system in result.ablation.evaluation.report.others:
        place, _, key = system.name.partition(" of ")
        if place == side:
            pair = Pair.parse(key)
            columns[pair.source if side == "encoder" else pair.target] = system.name
    return columns


def _own(key: str, side: str) -> str:
    pair = Pair.parse(key)
    return pair.source if side == "encoder" else pair.target


def _cell(rows: Sequence[Row]) -> str:
    """Mean of *rows*, and of their differences; a star where one is significant."""
    if not rows:
        return "-"
    value = f"{fmean(row.score.value for row in rows):.2f}"
    differences = [row.difference for row in rows if row.difference is not None]
    if not differences:
        return value
    delta = fmean(difference.delta for difference in differences)
    signed = "0.00" if abs(delta) < 0.005 else f"{delta:+.2f}"
    sure = len(rows) == 1 and differences[0].p_value < _LEVEL
    return f"{value} {signed:>6}{'*' if sure else ' '}"


def _title(result: ZeroShot, metric: str) -> str:
    if metric == on_target.NAME:
        return "on-target accuracy, %"
    return f"{metric} ({result.result.evaluation.report.text} text)"


def _notes(
    result: ZeroShot, scored: Scored, code: Callable[[str], str] = str
) -> list[str]:
    """Systems, masks, conditions and signatures, a sentence each."""
    report, notes = scored.evaluation.report, []
    for system in report.systems:
        mask = "no mask (dense)" if system.mask is None else f"mask {code(system.mask)}"
        notes.append(f"{system.name}: checkpoint {code(system.checkpoint)}, {mask}")
    notes.append(
        f"merged mask of X→Y: encoder of X-{result.pivot}, decoder (with its attention "
        f"to the encoder) of {result.pivot}-Y"
    )
    test = next((r.difference for r in rows_of(scored) if r.difference), None)
    if test is not None:
        notes.append(
            f"signed numbers: difference to {report.baseline.name}; *: p < {_LEVEL}, "
            f"paired bootstrap ({test.n_samples} samples, seed {test.seed})"
        )
    if scored.on_target is not None:
        notes.append(
            "references: share of the references that are identified as the target "
            "language, the limit of the identifier"
        )
    signatures: dict[tuple[str, str], list[str]] = {}
    for row in rows_of(scored):
        place = signatures.setdefault((row.metric, row.score.signature), [])
        if row.pair not in place:
            place.append(row.pair)
    for (metric, signature), pairs in signatures.items():
        where = "" if len(pairs) == len(report.pairs) else f" ({', '.join(pairs)})"
        notes.append(f"{metric}{where}: {code(signature)}")
    return notes + list(report.notes)


def _write(
    stem: Path, result: ZeroShot, scored: Scored, made: list[Table]
) -> list[Path]:
    paths = [stem.with_suffix(ending) for ending in (".json", ".csv", ".md")]
    notes = _notes(result, scored)
    if scored is result.ablation:
        notes.append(_PAPER.format(pivot=result.pivot))
    write_json(paths[0], _json(result, scored, notes))
    write_text(paths[1], _csv(scored))
    lines = []
    for title, rows in made:
        lines += [f"## {title}", "", *markdown_table(rows), ""]
    marked = _notes(result, scored, lambda text: "`" + text.replace("`", "'") + "`")
    marked += notes[len(marked) :]
    write_text(paths[2], "\n".join([*lines, *(f"- {note}" for note in marked)]) + "\n")
    return paths


def _json(result: ZeroShot, scored: Scored, notes: list[str]) -> dict[str, Any]:
    report, more = scored.evaluation.report, scored.on_target
    systems: dict[str, Any] = {
        system.name: {
            "checkpoint": system.checkpoint,
            "mask": system.mask,
            "mean": {},
            "pairs": {pair: {} for pair in report.pairs},
        }
        for system in report.systems
    }
    values: dict[tuple[str, str], list[float]] = {}
    for row in rows_of(scored):
        place = systems[row.system]["pairs"][row.pair]
        place[row.metric] = {
            "value": row.score.value,
            "signature": row.score.signature,
            "difference": None if row.difference is None else asdict(row.difference),
        }
        values.setdefault((row.system, row.metric), []).append(row.score.value)
    for (system, metric), found in values.items():
        systems[system]["mean"][metric] = fmean(found)
    return {
        "format": "lass_plugin zero-shot",
        "version": 1,
        "pivot": result.pivot,
        "text": report.text,
        "merged_from": {pair: result.sources[pair] for pair in report.pairs},
        "sentences": {p: report.baseline.pairs[p].sentences for p in report.pairs},
        "systems": systems,
        "on_target_of_references": None
        if more is None
        else {pair: score.value for pair, score in more.references.items()},
        "notes": notes,
    }


def _csv(scored: Scored) -> str:
    """A line for each pair, system and metric; empty cells where nothing is known."""
    report, more = scored.evaluation.report, scored.on_target
    of_system = {system.name: system for system in report.systems}
    names = list(Difference.__dataclass_fields__)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["pair", "source", "target", "system", "checkpoint", "mask", "sentences"]
        + ["metric", "value", "signature", *names, "references"]
    )
    for row in rows_of(scored):
        pair, system = Pair.parse(row.pair), of_system[row.system]
        limit = more.references[row.pair].value if more is not None else None
        writer.writerow(
            [row.pair, pair.source, pair.target, row.system]
            + [system.checkpoint, system.mask, system.pairs[row.pair].sentences]
            + [row.metric, row.score.value, row.score.signature]
            + [getattr(row.difference, name, None) for name in names]
            + [limit if row.metric == on_target.NAME else None]
        )
    return text.getvalue()


def _aligned(title: str, rows: list[list[str]]) -> str:
    widths = widths_of(rows)
    lines = [title, *(aligned(row, widths) for row in rows)]
    lines.insert(2, rule(widths))
    if rows[-1][0].startswith("mean"):
        lines.insert(-1, rule(widths))
    return "\n".join(lines)
