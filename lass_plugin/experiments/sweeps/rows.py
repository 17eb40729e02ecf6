"""The rows of a sweep's table: what every sweep says of a variant, as CSV and Markdown.

A sweep adds what its variants differ in: ratios of weights, or rules for neurons.
"""

import csv
import io
import json
import os
from pathlib import Path
from statistics import fmean
from typing import Any, Callable, Iterable, Mapping, Sequence

from lass_plugin import files
from lass_plugin.evaluation.comparison import METRICS, Report
from lass_plugin.experiments.sweeps import losses as loss_module
from lass_plugin.experiments.sweeps.variants import DENSE
from lass_plugin.masks import MaskSet
from lass_plugin.records.text_tables import markdown_table

LOSS = "loss"
NAME = "sweep.json"

Row = Mapping[str, Any]


def row_of(
    kind: str,
    name: str,
    masks: MaskSet | None,
    losses: Mapping[str, Mapping[str, float]],
    report: Report | None,
) -> dict[str, Any]:
    """What was kept, measured and scored of a variant, as JSON values.

    Args:
        kind: of the variant; :data:`DENSE` is not compared with itself.
        name: what the variant is called in *losses* and *report*.
        masks: None for the dense baseline.
        losses: name of a variant -> pair -> validation loss before joint training;
            empty where it was not measured.
        report: scores after joint training, the dense baseline first; None without.
    """
    loss = losses.get(name, {})
    row: dict[str, Any] = {
        "kept": {key: mask.kept() for key, mask in (masks or {}).items()},
        "covered": {key: mask.units for key, mask in (masks or {}).items()},
        "losses": dict(loss),
        "averages": {"all": {LOSS: fmean(loss.values())}} if loss else {},
        "scores": {},
    }
    if report is None:
        return row
    system = next(each for each in report.systems if each.name == name)
    same = system is report.baseline
    for group, pairs in report.groups.items():
        averages = row["averages"].setdefault(group, {})
        for metric in METRICS:
            averages[metric] = system.average(metric, pairs)
            if kind != DENSE:
                difference = 0.0 if same else system.average_difference(metric, pairs)
                averages[f"{metric} difference"] = difference
    if kind != DENSE:
        row["wins"] = {m: 0 if same else system.wins(m) for m in METRICS}
    row["scores"] = {
        key: {metric: pair.scores[metric].value for metric in METRICS}
        for key, pair in system.pairs.items()
    }
    row["signatures"] = {
        key: {metric: pair.scores[metric].signature for metric in METRICS}
        for key, pair in system.pairs.items()
    }
    return row


def record_of(
    form: str,
    version: int,
    rows: Sequence[Row],
    losses: Mapping[str, Mapping[str, float]],
    report: Report | None,
    notes: Iterable[str],
) -> dict[str, Any]:
    """Everything that the tables and pictures of a sweep are made of."""
    return {
        "format": form,
        "version": version,
        "loss": loss_module.MEASURE if losses else None,
        "notes": [*notes, *(report.notes if report else ())],
        "variants": list(rows),
    }


def read_record(data: str | os.PathLike, form: str, version: int) -> dict[str, Any]:
    """The record in *data*.

    Raises:
        ValueError: it is of something else.
    """
    record = json.loads(Path(data).read_text(encoding="utf-8"))
    if record["format"] != form or record["version"] != version:
        raise ValueError("it has another format or version")
    return record


def write(
    record: Mapping[str, Any],
    folder: str | os.PathLike,
    as_csv: Callable[[Mapping[str, Any]], str],
    as_markdown: Callable[[Mapping[str, Any]], str],
    draw: Callable[[Path], list[Path]],
) -> list[Path]:
    """Write ``sweep.json``, ``.csv``, ``.md`` and the pictures of a sweep to *folder*.

    Args:
        as_csv: the record as a table for programs.
        as_markdown: the record as tables for people.
        draw: draws the pictures of a ``sweep.json`` beside it.
    """
    data = Path(folder) / NAME
    table, text = data.with_suffix(".csv"), data.with_suffix(".md")
    files.write_json(data, record)
    files.write_text(table, as_csv(record))
    files.write_text(text, as_markdown(record))
    return [data, table, text, *draw(data)]


def to_csv(
    record: Mapping[str, Any],
    head: Sequence[str],
    cells: Callable[[Row, str | None], Sequence[str]],
) -> str:
    """A line for each variant and group of pairs, and one for each pair.

    Args:
        head: the columns that say what the variant is, after its name and kind.
        cells: these of a row, for a pair or for a group of them (None).
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["variant", "kind", *head, "pairs"]
        + ["kept", "covered", "loss_before_joint_training", *METRICS]
        + [f"{metric}_difference" for metric in METRICS]
    )
    for row in record["variants"]:
        start = [row["name"], row["kind"]]
        for group, values in row["averages"].items():
            kept, covered = (_mean(row[name].values()) for name in ("kept", "covered"))
            writer.writerow(
                [*start, *cells(row, None), group, kept, covered]
                + [number(values.get(LOSS), 6)]
                + [number(values.get(metric), 6) for metric in METRICS]
                + [number(values.get(f"{m} difference"), 6) for m in METRICS]
            )
        base = record["variants"][0]["scores"]
        for key in dict.fromkeys((*row["losses"], *row["scores"])):
            scores = row["scores"].get(key, {})
            differences = [
                scores[m] - base[key][m] if scores and row["kind"] != DENSE else None
                for m in METRICS
            ]
            writer.writerow(
                [*start, *cells(row, key), key]
                + [row["kept"].get(key, ""), row["covered"].get(key, "")]
                + [number(row["losses"].get(key), 6)]
                + [number(scores.get(metric), 6) for metric in METRICS]
                + [number(difference, 6) for difference in differences]
            )
    return text.getvalue()


def to_markdown(
    record: Mapping[str, Any],
    head: Sequence[str],
    cells: Callable[[Row], Sequence[str]],
    units: str,
    left: int,
) -> list[str]:
    """The lines of a table for people: a row a variant, averages over groups of pairs.

    Args:
        head: the columns that say what the variant is, the first *left* of them text.
        cells: these of a row.
        units: what the masks keep, ``weights`` or ``neurons``.
    """
    rows = record["variants"]
    groups = list(dict.fromkeys(g for row in rows for g in row["averages"]))
    scored = any(row["scores"] for row in rows)
    names = [*head, f"{units} kept"]
    if record["loss"]:
        names.append("loss before joint training")
    if scored:
        names += [f"{metric} {group}" for metric in METRICS for group in groups]
        names += [f"{metric} − {DENSE}" for metric in METRICS]
        names += [f"{metric} wins" for metric in METRICS]
    table = [names]
    for row in rows:
        kept = sum(row["kept"].values()) / max(1, sum(row["covered"].values()))
        line = [*cells(row), f"{kept:.1%}" if row["kept"] else "100.0%"]
        averages = row["averages"]
        if record["loss"]:
            line.append(number(averages.get("all", {}).get(LOSS), 3) or "–")
        if scored:
            for metric in METRICS:
                line += [number(averages.get(g, {}).get(metric), 2) for g in groups]
            differences = [f"{metric} difference" for metric in METRICS]
            line += [
                number(averages.get("all", {}).get(d), 2, "+") or "–"
                for d in differences
            ]
            line += [_wins(row, metric) for metric in METRICS]
        table.append(line)
    lines = markdown_table(table, left=left)
    if record["loss"]:
        lines += ["", f"Loss before joint training: {record['loss']}."]
    return lines


def number(value: float | None, digits: int, sign: str = "") -> str:
    """*value* as text, nothing for none."""
    return "" if value is None else f"{value:{sign}.{digits}f}"


def _wins(row: Row, metric: str) -> str:
    """In how many of the pairs it is better than the baseline."""
    if "wins" not in row:
        return "–"
    return f"{row['wins'][metric]}/{len(row['scores'])}"


def _mean(values: Iterable[int]) -> str:
    values = list(values)
    return f"{fmean(values):.1f}" if values else ""
