"""The effect of added pairs as files: ``extend.json``, two CSV, Markdown, a curve.

``extend.json`` holds everything; the others and the picture are made from it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lass_plugin.evaluation.choice import METRICS
from lass_plugin.experiments.new_pairs.curve import draw_curve
from lass_plugin.experiments.new_pairs.settings import WAYS, ExtendSettings
from lass_plugin.files import write_text
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.json_record import RecordFormat
from lass_plugin.records.text_tables import in_columns, markdown_table

EXTENSION = RecordFormat(
    "lass_plugin extension",
    "an extend.json of 'lass extend'",
    advice="run lass extend again",
)

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


def write_report(settings: ExtendSettings, scores: Mapping[str, Any]) -> list[Path]:
    """Write ``extend.json`` and all that is made of it into ``settings.out``.

    Args:
        scores: see :func:`.scores.score`.

    Returns:
        The files written.
    """
    path = settings.out / "extend.json"
    holds = {way: list(WAYS[way]) for way in settings.all_ways}
    record = {"settings": settings.record(), "holds": holds, **scores}
    EXTENSION.write(path, record)
    page = path.with_suffix(".md")
    write_text(page, to_markdown(record))
    return [
        path,
        write_csv(path.with_name("curve.csv"), map(_point_row, record["points"])),
        write_csv(path.with_suffix(".csv"), map(_change_row, record["changes"])),
        page,
        *draw_curve(record["points"], path.with_name("curve")),
    ]


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
    signatures: dict[str, dict[str, None]] = {}
    for each in record["changes"]:
        for metric in METRICS:
            text = f"{metric}: {each['scores'][metric]['signature']}"
            signatures.setdefault(text, {})[each["pair"]] = None
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
