"""The table of a sweep: JSON, and CSV, Markdown and pictures that are made from it.

All sweeps have the same rows: what was kept, measured and scored of each variant. A
kind of sweep adds what its variants differ in: ratios of weights, or rules for neurons.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

from lass_plugin import files
from lass_plugin.evaluation.choice import EVERY_METRIC, METRICS, digits_of
from lass_plugin.evaluation.comparison import Report
from lass_plugin.experiments.sweeps.losses import MEASURE
from lass_plugin.experiments.sweeps.variants import DENSE, Variant
from lass_plugin.masks import MaskSet
from lass_plugin.records.csv_table import to_csv as csv_of
from lass_plugin.records.figures import remove_earlier
from lass_plugin.records.json_record import RecordFormat
from lass_plugin.records.text_tables import markdown_table, verbatim

LOSS = "loss"
AFTER = "loss_after_joint_training"

Row = Mapping[str, Any]
Cell = Callable[[Row], str]


@dataclass(frozen=True)
class SweepTable:
    """What one kind of sweep adds to what every sweep says of a variant."""

    form: RecordFormat
    units: str
    """What masks keep, ``weights`` or ``neurons``."""
    fields: Mapping[str, Callable[[Row, str | None], Any]]
    """Column of the CSV -> its cell of a row, for a pair or a group of pairs (None)."""
    columns: Mapping[str, Cell]
    """Column of the Markdown -> its cell of a row."""
    left: int
    """How many of these are text."""
    below: Callable[[Sequence[Row]], list[str]]
    """Further lines of the Markdown."""
    draw: Callable[[Sequence[Row], Path], list[Path]]
    """Draws the pictures of the rows of a ``sweep.json`` beside it."""


def row_of(
    variant: Variant,
    described: Mapping[str, Any],
    name: str,
    masks: MaskSet | None,
    losses: Mapping[str, Mapping[str, float]],
    report: Report | None,
) -> dict[str, Any]:
    """What was kept, measured and scored of a variant, as JSON values.

    Args:
        variant: the dense baseline is not compared with itself.
        described: what tells it from the others.
        name: what it is called in *losses* and *report*.
        masks: None for the dense baseline.
        losses: name of a variant -> pair -> validation loss before joint training;
            empty where it was not measured.
        report: scores after joint training, the dense baseline first; None without.
    """
    loss, kept = losses.get(name, {}), dict(masks or {})
    dense = variant.kind == DENSE
    row: dict[str, Any] = {
        "name": variant.name,
        "kind": variant.kind,
        **described,
        "kept": {key: mask.kept() for key, mask in kept.items()},
        "covered": {key: mask.units for key, mask in kept.items()},
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
        for metric in report.metrics:
            averages[metric] = system.average(metric, pairs)
            if not dense:
                difference = 0.0 if same else system.average_difference(metric, pairs)
                averages[f"{metric} difference"] = difference
    if not dense:
        row["wins"] = {m: 0 if same else system.wins(m) for m in report.metrics}
    for entry, part in (("scores", "value"), ("signatures", "signature")):
        row[entry] = {
            key: {m: getattr(pair.scores[m], part) for m in report.metrics}
            for key, pair in system.pairs.items()
        }
    return row


def record_of(
    rows: Sequence[Row],
    losses: Mapping[str, Mapping[str, float]],
    report: Report | None,
    notes: Iterable[str] = (),
) -> dict[str, Any]:
    """Everything that the tables and pictures of a sweep are made of."""
    return {
        "loss": MEASURE if losses else None,
        "text": report.text if report else None,
        "notes": [*notes, *(report.notes if report else ())],
        "variants": list(rows),
    }


def write(
    table: SweepTable, record: Mapping[str, Any], folder: str | os.PathLike
) -> list[Path]:
    """Write ``sweep.json``, ``.csv``, ``.md`` and the pictures to *folder*."""
    data = table.form.write(Path(folder) / "sweep.json", record)
    cells, text = data.with_suffix(".csv"), data.with_suffix(".md")
    files.write_text(cells, to_csv(table, record))
    files.write_text(text, to_markdown(table, record))
    return [data, cells, text, *draw(table, data)]


def draw(table: SweepTable, data: str | os.PathLike) -> list[Path]:
    """Draw the pictures of a ``sweep.json`` beside it, from nothing else; those of an
    earlier file in its place go.

    Raises:
        LassError: *data* is not such a file.
    """
    with table.form.reading(data) as record:
        drawn = table.draw(record["variants"], Path(data))
    remove_earlier(Path(data), drawn)
    return drawn


def to_csv(table: SweepTable, record: Mapping[str, Any]) -> str:
    """A line for each variant and group of pairs, and one for each pair."""
    return csv_of(_lines(table, record["variants"]), floats=".6f")


def metrics_of(rows: Sequence[Row]) -> list[str]:
    """The metrics that variants were scored with, in the order of the tables."""
    found = {m for row in rows for scores in row["scores"].values() for m in scores}
    return [name for name in EVERY_METRIC if name in found or name in METRICS]


def _lines(table: SweepTable, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    metrics = metrics_of(rows)
    for row in rows:
        parts: list[tuple[str | None, str, Row]] = []
        for group, averages in row["averages"].items():
            sizes = {name: _mean(row[name].values()) for name in ("kept", "covered")}
            after = row.get("loss_after") if group == "all" else None
            parts.append((None, group, {**sizes, **averages, AFTER: after}))
        for key in dict.fromkeys([*row["losses"], *row["scores"]]):
            values = {name: row[name].get(key) for name in ("kept", "covered")}
            values[LOSS] = row["losses"].get(key)
            for metric, score in row["scores"].get(key, {}).items():
                values[metric] = score
                if row["kind"] != DENSE:
                    base = rows[0]["scores"][key][metric]
                    values[f"{metric} difference"] = score - base
            parts.append((key, key, values))
        for pair, pairs, cells in parts:
            yield {
                "variant": row["name"],
                "kind": row["kind"],
                **{name: cell(row, pair) for name, cell in table.fields.items()},
                "pairs": pairs,
                "kept": cells["kept"],
                "covered": cells["covered"],
                "loss_before_joint_training": cells.get(LOSS),
                AFTER: cells.get(AFTER),
                **{metric: cells.get(metric) for metric in metrics},
                **{f"{m}_difference": cells.get(f"{m} difference") for m in metrics},
            }


def to_markdown(table: SweepTable, record: Mapping[str, Any]) -> str:
    """Tables for people: a row a variant, averages over groups of pairs."""
    rows = record["variants"]
    columns = {**table.columns, f"{table.units} kept": _share_kept}
    if record["loss"]:
        columns["loss before joint training"] = _average(LOSS, "all", "–", ".3f")
    if any(row.get("loss_after") for row in rows):  # earlier versions have none
        columns["loss after it"] = lambda row: number(row["loss_after"], ".3f", "–")
    if any(row["scores"] for row in rows):
        groups = dict.fromkeys(group for row in rows for group in row["averages"])
        metrics = metrics_of(rows)
        for metric, group in product(metrics, groups):
            form = f".{digits_of(metric)}f"
            columns[f"{metric} {group}"] = _average(metric, group, form=form)
        for metric in metrics:
            form = f"+.{digits_of(metric)}f"
            mean = _average(f"{metric} difference", "all", "–", form)
            columns[f"{metric} − {DENSE}"] = mean
        for metric in metrics:
            columns[f"{metric} wins"] = _wins(metric)
    cells = [[cell(row) for cell in columns.values()] for row in rows]
    lines = markdown_table([list(columns), *cells], left=table.left)
    if record["loss"]:
        lines += ["", f"Loss before joint training: {record['loss']}."]
    if "loss after it" in columns:
        lines += ["", "Loss after joint training: pair_loss of the best checkpoint."]
    if record.get("text"):  # which earlier versions did not say
        lines += ["", f"Scores are of {record['text']} text.", *_signatures(rows)]
    lines += table.below(rows)
    lines += [f"\n{note}" for note in record["notes"]]
    return "\n".join(lines) + "\n"


def _signatures(rows: Sequence[Row]) -> list[str]:
    """A line for each signature, with its pairs where others have another."""
    signed: dict[tuple[str, str], dict[str, None]] = {}
    pairs: dict[str, None] = {}
    for row in rows:
        for pair, signatures in row.get("signatures", {}).items():
            pairs[pair] = None
            for metric, signature in signatures.items():
                signed.setdefault((metric, signature), {})[pair] = None
    lines = []
    for (metric, signature), of in signed.items():
        where = "" if len(of) == len(pairs) else f" ({', '.join(of)})"
        lines += ["", f"{metric}{where}: {verbatim(signature)}"]
    return lines


def number(value: float | None, form: str, none: str = "") -> str:
    """*value* as text."""
    return none if value is None else format(value, form)


def _average(what: str, group: str, none: str = "", form: str = ".2f") -> Cell:
    return lambda row: number(row["averages"].get(group, {}).get(what), form, none)


def _wins(metric: str) -> Cell:
    """In how many of the pairs it is better than the baseline."""
    return lambda row: (
        f"{row['wins'][metric]}/{len(row['scores'])}" if "wins" in row else "–"
    )


def _share_kept(row: Row) -> str:
    kept = sum(row["kept"].values()) / max(1, sum(row["covered"].values()))
    return f"{kept:.1%}" if row["kept"] else "100.0%"


def _mean(values: Iterable[int]) -> str:
    values = list(values)
    return f"{fmean(values):.1f}" if values else ""
