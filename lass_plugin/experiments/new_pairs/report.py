"""The effect of added pairs as files: ``extend.json``, two CSV, Markdown, a curve.

``extend.json`` holds everything; the others and the picture (Lin 2021, Fig. 3: BLEU of
new and of older pairs over the updates) are made from it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.evaluation import report_file
from lass_plugin.evaluation.choice import METRICS, digits_of
from lass_plugin.evaluation.comparison import SystemScores
from lass_plugin.experiments.new_pairs.settings import WAYS, ExtendSettings
from lass_plugin.files import write_text
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.curves import Curve, draw_panels
from lass_plugin.records.json_record import RecordFormat
from lass_plugin.records.text_tables import in_columns, markdown_table

EXTENSION = RecordFormat(
    "lass_plugin extension",
    "an extend.json of 'lass extend'",
    advice="run lass extend again",
    measured=True,
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

NAMED = 6
"""Up to so many pairs have a line each beside that of their mean."""

LEAST = 1.0
"""Least height of an axis in points of BLEU, lest noise be painted as a trend."""

_SCORED = ["pair", "way"]
_EFFECTS = ["overlap", "moved", "same"]


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
    if (alone := read_bilingual(settings)) is not None:
        record["bilingual"] = bilingual_scores(alone, scores["points"])
    EXTENSION.write(path, record)
    page = path.with_suffix(".md")
    write_text(page, to_markdown(record))
    return [
        path,
        write_csv(path.with_name("curve.csv"), map(_point_row, record["points"])),
        write_csv(path.with_suffix(".csv"), map(_change_row, record["changes"])),
        page,
        *draw_curve(
            record["points"],
            path.with_name("curve"),
            bilingual=record.get("bilingual", {}),
        ),
    ]


def read_bilingual(settings: ExtendSettings) -> SystemScores | None:
    """The first system of the report of models of single pairs, if there is one.

    Raises:
        LassError: it lacks a new pair.
    """
    place = settings.bilingual
    if place is None:
        return None
    report = report_file.read(place / "scores.json" if place.is_dir() else place)
    for pair in map(str, settings.pairs):
        if pair not in report.baseline.pairs:
            raise LassError(f"--bilingual {place} has no scores of the new pair {pair}")
    return report.baseline


def bilingual_scores(
    system: SystemScores, points: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, float]]:
    """New pair -> metric -> its score in a model of that pair alone.

    Args:
        points: of the extension, which must have been scored in the same way.

    Raises:
        LassError: they were not.
    """
    found: dict[str, dict[str, float]] = {}
    for point in points:
        pair = point["pair"]
        if not point["new"] or pair in found:
            continue
        scored = system.pairs[pair]
        same = scored.sentences == point["sentences"] and all(
            name in scored.scores and scored.scores[name].signature == of["signature"]
            for name, of in point["scores"].items()
        )
        if not same:
            raise LassError(
                f"the report of --bilingual was scored on other sentences of {pair} "
                "than the new pair, or in another way; give 'lass evaluate' the same "
                "text, --limit, --tokenize and --metrics"
            )
        found[pair] = {name: score.value for name, score in scored.scores.items()}
    return found


def to_markdown(record: Mapping[str, Any]) -> str:
    """A page with a table of new and one of old pairs, and what the figures are."""
    lines = ["# New pairs", ""]
    for title, new in (("New pairs", True), ("Older pairs", False)):
        rows = [_cells(each) for each in record["changes"] if each["new"] is new]
        header = [*_SCORED, *_metrics(record), *([] if new else _EFFECTS)]
        lines += [f"## {title}", "", *markdown_table([header, *rows], left=2), ""]
    lines += [EXPLAINED]
    signatures: dict[str, dict[str, None]] = {}
    for each in record["changes"]:
        for metric, score in each["scores"].items():
            text = f"{metric}: {score['signature']}"
            signatures.setdefault(text, {})[each["pair"]] = None
    lines += [f"* `{text}` ({', '.join(of)})" for text, of in signatures.items()]
    if record.get("text"):  # which earlier versions did not say
        lines += [f"* scores are of {record['text']} text"]
    lines += [f"* {note}" for note in record["notes"]]
    return "\n".join(lines) + "\n"


def _metrics(record: Mapping[str, Any]) -> list[str]:
    """What was scored, in the order of the columns."""
    return list(next((each["scores"] for each in record["changes"]), METRICS))


def to_text(record: Mapping[str, Any]) -> str:
    """The tables of :func:`to_markdown` for a terminal."""
    rows = [[*_SCORED, *_metrics(record), *_EFFECTS]]
    for change in record["changes"]:
        pair, *cells = _cells(change)
        if change["new"]:
            pair, cells = f"{pair} (new)", [*cells, *[""] * len(_EFFECTS)]
        rows.append([pair, *cells])
    return "\n".join(in_columns(rows, left=range(len(rows[0]))))


def _cells(change: Mapping[str, Any]) -> list[str]:
    """Pair, way and scores; of an older pair also what happened to its weights."""
    cells = [change["pair"], change["way"]]
    for metric, score in change["scores"].items():
        digits = digits_of(metric)
        start, end, delta = (score[name] for name in ("start", "end", "delta"))
        cells.append(f"{start:.{digits}f} → {end:.{digits}f} ({delta:+.{digits}f})")
    if change["new"]:
        return cells
    effect = change["effect"]
    overlap, moved = "–", f"{effect['moved']:,}"
    if effect["kept"]:
        overlap = f"{effect['overlap']:,} ({effect['overlap'] / effect['kept']:.1%})"
    if effect["kept"] is not None:
        moved += f" + {effect['shared_moved']:,} shared"
    if effect["unchanged"]:
        moved = "nothing"
    return [*cells, overlap, moved, f"{change['identical']} of {change['sentences']}"]


def _point_row(point: Mapping[str, Any]) -> dict[str, Any]:
    names = ("way", "step", "pair", "new", "sentences")
    row = {name: point[name] for name in names}
    for metric, score in point["scores"].items():
        row[metric.lower()] = score["value"]
        row[f"{metric.lower()}_signature"] = score["signature"]
    return {**row, "checkpoint": point["checkpoint"], "mask": point["mask"]}


def _change_row(change: Mapping[str, Any]) -> dict[str, Any]:
    names = ("way", "pair", "new", "sentences", "identical")
    row = {name: change[name] for name in names}
    effect = change["effect"] or {}
    for name in ("kept", "overlap", "moved", "shared_moved", "unchanged"):
        row[name] = effect.get(name)
    for metric, score in change["scores"].items():
        for name, value in score.items():
            row[f"{metric.lower()}_{name}"] = value
    return row


def draw_curve(
    points: Sequence[Mapping[str, Any]],
    path: Path,
    metric: str = "BLEU",
    bilingual: Mapping[str, Mapping[str, float]] | None = None,
) -> list[Path]:
    """Draw the *points* of an ``extend.json``.

    The left panel shows the new pairs, the right one the older pairs: the mean as a
    line with marks, each pair as a thin line if they are few.

    Args:
        path: picture to write; its suffix is replaced by ``.png`` and ``.svg``.
        bilingual: see :func:`bilingual_scores`; their mean is a level of the new pairs.

    Returns:
        The files written.
    """
    ways = list(dict.fromkeys(point["way"] for point in points))
    panels: dict[str, list[Curve]] = {}
    for kind, new in (("new", True), ("older", False)):
        of_kind = [point for point in points if point["new"] is new]
        pairs = list(dict.fromkeys(point["pair"] for point in of_kind))
        title = f"{kind}: {', '.join(pairs)}"
        if len(pairs) > 2:
            title = f"{len(pairs)} {kind} pairs, mean"
        for number, way in enumerate(ways if pairs else ()):
            curves = _curves([p for p in of_kind if p["way"] == way], metric, number)
            panels.setdefault(title, []).extend(curves)
        if new and bilingual and pairs:
            level = fmean(bilingual[pair][metric] for pair in pairs)
            ends = [of(point["step"] for point in of_kind) for of in (min, max)]
            panels[title].append(Curve("bilingual", ends, [level, level]))
    words = (f"{metric} over the updates", "updates on the new pairs", metric)
    return draw_panels(panels, path, *words, one_scale=False, least=LEAST)


def mean_curve(
    points: Sequence[Mapping[str, Any]], metric: str
) -> tuple[list[int], list[float]]:
    """Steps, and the plain mean of *metric* over the pairs at each."""
    values: dict[int, list[float]] = {}
    for point in sorted(points, key=lambda point: point["step"]):
        values.setdefault(point["step"], []).append(point["scores"][metric]["value"])
    return list(values), list(map(fmean, values.values()))


def _curves(
    points: Sequence[Mapping[str, Any]], metric: str, number: int
) -> list[Curve]:
    """The pairs of one way to train them, where they are few, and their mean."""
    way, of_pairs = points[0]["way"], dict[str, list[Mapping[str, Any]]]()
    for point in points:
        of_pairs.setdefault(point["pair"], []).append(point)
    curves = [
        Curve(f"{way} {pair}", *mean_curve(of_pair, metric), look=number, faint=True)
        for pair, of_pair in of_pairs.items()
        if 1 < len(of_pairs) <= NAMED
    ]
    return [*curves, Curve(way, *mean_curve(points, metric), look=number)]
