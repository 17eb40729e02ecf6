"""The effect of added pairs as files: ``extend.json``, two CSV, Markdown, a curve.

``extend.json`` holds everything; the others and the picture are made from it.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.evaluation.choice import METRICS
from lass_plugin.experiments.new_pairs.curve import draw_curve
from lass_plugin.experiments.new_pairs.scores import Change, Point
from lass_plugin.experiments.new_pairs.settings import WAYS, ExtendSettings
from lass_plugin.files import write_json, write_text
from lass_plugin.records.text_tables import in_columns, markdown_table

FORMAT = "lass_plugin extension"
VERSION = 1

EXPLAINED = """\
Every row is one pair under one way to train the new pairs; scores are before → after.

* sub-network: the new pairs' whole sub-networks move, and all that no mask covers
* hold-shared: what no mask covers stands still, but the embeddings of new symbols
* disjoint: what an older pair's mask keeps stands still, too
* dense: a model without masks, all of whose weights move

overlap: weights of the pair's mask that a new pair's mask keeps too. moved: weights of
the pair's sub-network whose value has changed, and of what no mask covers (embeddings
of symbols that the pair does not know left out). Nothing moved: the outputs are the
same bit for bit. same: translations that are the same text as before.
"""


def write_report(
    settings: ExtendSettings,
    points: Sequence[Point],
    changes: Sequence[Change],
    notes: Sequence[str],
) -> list[Path]:
    """Write all files into ``settings.out``; returns their paths."""
    record = {
        "format": FORMAT,
        "version": VERSION,
        "settings": settings.record(),
        "holds": {way: list(WAYS[way]) for way in settings.all_ways},
        "notes": list(notes),
        "points": [asdict(point) for point in points],
        "changes": [_change(change) for change in changes],
    }
    path = settings.out / "extend.json"
    write_json(path, record)
    return [path, *write_tables(path), *draw_curve(path)]


def read_report(path: Path) -> dict[str, Any]:
    """What :func:`write_report` wrote.

    Raises:
        LassError: missing, cut short, or something else.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LassError(
            f"cannot read {path} ({error}); run lass extend again"
        ) from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise LassError(f"{path} is no report of lass extend; give its extend.json")
    if record.get("version") != VERSION:
        raise LassError(
            f"the version of {path} is not {VERSION}; run lass extend again"
        )
    return record


def write_tables(path: Path) -> list[Path]:
    """Write ``curve.csv``, ``extend.csv`` and ``extend.md`` beside ``extend.json``."""
    record = read_report(path)
    names = ("curve.csv", "extend.csv", "extend.md")
    curve, table, page = (path.with_name(name) for name in names)
    write_text(curve, _csv([_point_row(point) for point in record["points"]]))
    write_text(table, _csv([_change_row(change) for change in record["changes"]]))
    write_text(page, to_markdown(record))
    return [curve, table, page]


def to_markdown(record: Mapping[str, Any]) -> str:
    """A page with a table of new and one of old pairs, and what the figures are."""
    lines = ["# New pairs", ""]
    for title, new in (("New pairs", True), ("Older pairs", False)):
        rows = [["pair", "way", *METRICS]]
        if not new:
            rows[0] += ["overlap", "moved", "same"]
        for each in record["changes"]:
            if each["new"] is not new:
                continue
            cells = [each["pair"], each["way"]]
            cells += [_scores(each["scores"][metric]) for metric in METRICS]
            if not new:
                cells += _effect_cells(each)
            rows.append(cells)
        lines += [f"## {title}", "", *markdown_table(rows, left=2), ""]
    lines += [EXPLAINED]
    signatures: dict[str, list[str]] = {}
    for each in record["changes"]:
        for metric in METRICS:
            of = signatures.setdefault(
                f"{metric}: {each['scores'][metric]['signature']}", []
            )
            if each["pair"] not in of:
                of.append(each["pair"])
    lines += [f"* `{text}` ({', '.join(of)})" for text, of in signatures.items()]
    lines += [f"* {note}" for note in record["notes"]]
    return "\n".join(lines) + "\n"


def to_text(record: Mapping[str, Any]) -> str:
    """The tables of :func:`to_markdown` for a terminal."""
    rows = [["pair", "way", *METRICS, "overlap", "moved", "same"]]
    for each in record["changes"]:
        rows.append(
            [
                each["pair"] + (" (new)" if each["new"] else ""),
                each["way"],
                *(_scores(each["scores"][metric]) for metric in METRICS),
                *(["", "", ""] if each["new"] else _effect_cells(each)),
            ]
        )
    return "\n".join(in_columns(rows, left=range(len(rows[0]))))


def _change(change: Change) -> dict[str, Any]:
    record = asdict(change)
    if change.effect is not None:
        record["effect"]["unchanged"] = change.effect.unchanged
    return record


def _scores(score: Mapping[str, Any]) -> str:
    return f"{score['start']:.2f} → {score['end']:.2f} ({score['delta']:+.2f})"


def _effect_cells(change: Mapping[str, Any]) -> list[str]:
    effect = change["effect"]
    overlap = "–"
    if effect["kept"]:
        share = effect["overlap"] / effect["kept"]
        overlap = f"{effect['overlap']:,} ({share:.1%})"
    moved = "nothing"
    if not effect["unchanged"]:
        moved = f"{effect['moved']:,} + {effect['shared_moved']:,} shared"
        if effect["kept"] is None:
            moved = f"{effect['moved']:,}"
    return [overlap, moved, f"{change['identical']} of {change['sentences']}"]


def _point_row(point: Mapping[str, Any]) -> dict[str, Any]:
    names = ("way", "step", "pair", "new", "sentences")
    row = {name: point[name] for name in names}
    for metric in METRICS:
        score = point["scores"][metric]
        row[metric.lower()] = score["value"]
        row[f"{metric.lower()}_signature"] = score["signature"]
    return {**row, "checkpoint": point["checkpoint"], "mask": point["mask"]}


def _change_row(change: Mapping[str, Any]) -> dict[str, Any]:
    names = ("way", "pair", "new", "sentences", "identical")
    row = {name: change[name] for name in names}
    effect = change["effect"] or {}
    for name in ("kept", "overlap", "moved", "shared_moved", "unchanged"):
        row[name] = effect.get(name)
    for metric in METRICS:
        for name, value in change["scores"][metric].items():
            row[f"{metric.lower()}_{name}"] = value
    return row


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()
