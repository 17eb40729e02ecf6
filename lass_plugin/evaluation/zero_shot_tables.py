"""Zero-shot results as tables: screen, Markdown, CSV, JSON, all of the same scores."""

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from lass_plugin.evaluation.choice import digits_of
from lass_plugin.evaluation.comparison import SystemScores
from lass_plugin.evaluation.language_identifier import ON_TARGET
from lass_plugin.evaluation.metrics import Score
from lass_plugin.evaluation.report_tables import (
    Mark,
    difference_note,
    score_cell,
    signature_notes,
    system_note,
)
from lass_plugin.evaluation.significance import Difference
from lass_plugin.evaluation.zero_shot import (
    ABLATION,
    RESULT,
    SIDES,
    Scored,
    ZeroShot,
)
from lass_plugin.files import write_text
from lass_plugin.languages import Pair
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.json_record import RecordFormat
from lass_plugin.records.table import Table, to_markdown, to_text
from lass_plugin.records.text_tables import Markdown, verbatim

ZERO_SHOT = RecordFormat(
    "lass_plugin zero-shot", "a record of 'lass zero-shot'", measured=True
)

_PAPER = (
    "encoder of X-{pivot}: the encoder mask of X→{pivot} in the place of the pair's "
    "own; decoder of {pivot}-X likewise; =: the pair's own mask, nothing replaced; "
    "signed numbers: difference to that; others: mean of all but the pair's own "
    "(Lin 2021, Table 5, leaves out the encoder of the target's language and the "
    "decoder of the source's)"
)


def write(result: ZeroShot, folder: str | os.PathLike) -> list[Path]:
    """Write ``zero_shot.{json,csv,md}`` and, with an ablation, ``ablation.…`` too."""
    folder = Path(folder)
    written = _write(folder / RESULT, result, result.result, tables(result))
    if result.ablation is not None:
        made = ablation_tables(result)
        written += _write(folder / ABLATION, result, result.ablation, made)
    return written


def render(result: ZeroShot) -> str:
    """The tables for a terminal, and below them what the figures are."""
    blocks = list(map(to_text, tables(result) + ablation_tables(result)))
    notes = _notes(result, result.result)
    if result.ablation is not None:
        notes.append(_PAPER.format(pivot=result.pivot))
    return "\n".join([*blocks, *notes]) + "\n"


def tables(result: ZeroShot) -> list[Table]:
    """For each metric a row a pair and a column a system, and the mean."""
    scored, report = result.result, result.result.evaluation.report
    groups = {pair: [pair] for pair in report.pairs}
    groups[f"mean ({len(report.pairs)})"] = report.pairs
    made = []
    for metric in scored.metrics:
        header = ["pair", "sentences", *(system.name for system in scored.systems)]
        header += ["references"] if metric == ON_TARGET else []
        rows = []
        for name, pairs in groups.items():
            sentences = report.baseline.pairs[name].sentences if name in pairs else ""
            rows.append([name, str(sentences)])
            for system in scored.systems:
                found = [system.pairs[pair] for pair in pairs]
                rows[-1].append(score_cell(found, metric))
            if metric == ON_TARGET:
                rows[-1].append(f"{fmean(map(scored.limits.__getitem__, pairs)):.2f}")
        made.append(Table(metric, _title(scored, metric), header, rows, foot=1))
    return made


def ablation_tables(result: ZeroShot) -> list[Table]:
    """For each metric and side a row a pair and a column a language of that mask."""
    scored = result.ablation
    if scored is None:
        return []
    made = []
    for metric in scored.metrics:
        for side in SIDES:
            columns = _columns(scored, side)
            rows, others = [], []
            for pair in scored.evaluation.report.pairs:
                cells, replaced = [pair], []
                for language, system in columns.items():
                    found = system.pairs[pair]
                    if language == _language(pair, side):
                        digits = digits_of(metric)
                        cells.append(f"{found.scores[metric].value:.{digits}f} =")
                    else:
                        cells.append(score_cell([found], metric))
                        replaced.append(found)
                others += replaced
                rows.append([*cells, score_cell(replaced, metric)])
            foot = len(rows) > 1
            if foot:
                last = [f"mean ({len(rows)})", *[""] * len(columns)]
                rows.append([*last, score_cell(others, metric)])
            title = f"{_title(scored, metric)}: {side} mask of X replaced"
            header = ["pair", *columns, "others"]
            made.append(Table(f"{metric}-{side}", title, header, rows, foot=foot))
    return made


def _columns(scored: Scored, side: str) -> dict[str, SystemScores]:
    """Language -> the system with its mask on *side*."""
    return {
        _language(system.name.partition(" of ")[2], side): system
        for system in scored.systems[1:]
        if system.name.startswith(f"{side} of ")
    }


def _language(key: str, side: str) -> str:
    """The language of a pair's mask on *side*."""
    pair = Pair.parse(key)
    return pair.source if side == "encoder" else pair.target


def _title(scored: Scored, metric: str) -> str:
    if metric == ON_TARGET:
        return "on-target accuracy, %"
    return f"{metric} ({scored.evaluation.report.text} text)"


def _notes(result: ZeroShot, scored: Scored, code: Mark = str) -> list[str]:
    """Systems, masks, conditions and signatures, a sentence each."""
    report = scored.evaluation.report
    notes = [system_note(system, code=code) for system in report.systems]
    notes.append(
        f"merged mask of X→Y: encoder of X-{result.pivot}, decoder (with its attention "
        f"to the encoder) of {result.pivot}-Y"
    )
    if report.others:
        test = report.others[0].pairs[report.pairs[0]].differences["BLEU"]
        notes.append(difference_note(report.baseline.name, test))
    if scored.limits:
        notes.append(
            "references: share of the references that are identified as the target "
            "language, the limit of the identifier"
        )
    scores = ((pair, score) for pair, _, score, _ in _rows(scored))
    notes += signature_notes(scores, code=code) + list(report.notes)
    if scored is result.ablation:
        notes.append(_PAPER.format(pivot=result.pivot))
    return notes


def _rows(
    scored: Scored,
) -> Iterator[tuple[str, SystemScores, Score, Difference | None]]:
    """Yield pair, system, and of each metric the score and the difference."""
    for pair in scored.evaluation.report.pairs:
        for system in scored.systems:
            found = system.pairs[pair]
            for metric, score in found.scores.items():
                yield pair, system, score, found.differences.get(metric)


def _write(
    stem: Path, result: ZeroShot, scored: Scored, made: list[Table]
) -> list[Path]:
    data = stem.with_suffix(".json")
    ZERO_SHOT.write(data, _record(result, scored))
    lines = write_csv(stem.with_suffix(".csv"), _csv_rows(scored))
    page = stem.with_suffix(".md")
    notes = list(map(Markdown, _notes(result, scored, verbatim)))
    write_text(page, to_markdown(made, notes=notes))
    return [data, lines, page]


def _record(result: ZeroShot, scored: Scored) -> dict[str, Any]:
    report = scored.evaluation.report
    systems: dict[str, Any] = {
        system.name: {
            "checkpoint": system.checkpoint,
            "mask": system.mask,
            "mean": {m: system.average(m, report.pairs) for m in scored.metrics},
            "pairs": {pair: {} for pair in report.pairs},
        }
        for system in scored.systems
    }
    for pair, system, score, difference in _rows(scored):
        systems[system.name]["pairs"][pair][score.metric] = {
            "value": score.value,
            "signature": score.signature,
            "difference": None if difference is None else asdict(difference),
        }
    return {
        "pivot": result.pivot,
        "text": report.text,
        "merged_from": {pair: result.sources[pair] for pair in report.pairs},
        "sentences": {p: report.baseline.pairs[p].sentences for p in report.pairs},
        "systems": systems,
        "on_target_of_references": scored.limits or None,
        "notes": _notes(result, scored),
    }


def _csv_rows(scored: Scored) -> Iterator[dict[str, Any]]:
    """A line for each pair, system and metric; None where nothing is known."""
    for pair, system, score, difference in _rows(scored):
        yield {
            "pair": pair,
            "source": Pair.parse(pair).source,
            "target": Pair.parse(pair).target,
            "system": system.name,
            "checkpoint": system.checkpoint,
            "mask": system.mask,
            "sentences": system.pairs[pair].sentences,
            "metric": score.metric,
            "value": score.value,
            "signature": score.signature,
            **{
                key: getattr(difference, key, None)
                for key in Difference.__dataclass_fields__
            },
            "references": scored.limits[pair] if score.metric == ON_TARGET else None,
        }
