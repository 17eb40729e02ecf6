"""The table and the curves of a sweep, from one record that is written beside them."""

import csv
import io
import json
import os
from pathlib import Path
from statistics import fmean
from typing import Any, Iterable, Mapping, Sequence

from lass_plugin import files
from lass_plugin.analysis.curves import Curve, draw_curves
from lass_plugin.errors import LassError
from lass_plugin.evaluation.comparison import METRICS, Report
from lass_plugin.masks import MaskSet
from lass_plugin.sweep import losses as loss_module
from lass_plugin.sweep.variants import DENSE, OWN, RANDOM, RATIO, SUB_LAYER, Variant
from lass_plugin.text_tables import markdown_table

FORMAT = "lass_plugin sweep"
VERSION = 1
NAME = "sweep.json"
LOSS = "loss"


def record_of(
    variants: Sequence[Variant],
    masks: Mapping[Variant, MaskSet | None],
    exact: Mapping[Variant, bool],
    losses: Mapping[str, Mapping[str, float]],
    report: Report | None,
    notes: Iterable[str] = (),
) -> dict[str, Any]:
    """Everything that the table and the curves are made of, as JSON values.

    Args:
        exact: whether searches at these ratios would give the same masks.
        losses: name of a variant -> pair -> validation loss before joint training;
            empty where it was not measured.
        report: scores after joint training, the dense baseline first; None without.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "loss": loss_module.MEASURE if losses else None,
        "notes": [*notes, *(report.notes if report else ())],
        "variants": [
            _row(variant, masks[variant], exact.get(variant, True), losses, report)
            for variant in variants
        ],
    }


def _row(
    variant: Variant,
    masks: MaskSet | None,
    exact: bool,
    losses: Mapping[str, Mapping[str, float]],
    report: Report | None,
) -> dict[str, Any]:
    name = variant.name
    loss = losses.get(name, {})
    row: dict[str, Any] = {
        "name": name,
        "kind": variant.kind,
        "method": None if variant.method is None else str(variant.method),
        "ratio": 0.0 if variant.kind == DENSE else variant.ratio,
        "targets": None if variant.targets is None else list(variant.targets),
        "exact": exact,
        "ratios": {key: mask.provenance.ratio for key, mask in (masks or {}).items()},
        "kept": {key: mask.kept() for key, mask in (masks or {}).items()},
        "covered": {key: mask.units for key, mask in (masks or {}).items()},
        "losses": dict(loss),
        "averages": {"all": {LOSS: fmean(loss.values())}} if loss else {},
        "scores": {},
    }
    if report is None:
        return row
    system = next(each for each in report.systems if each.name == name)
    for group, pairs in report.groups.items():
        averages = row["averages"].setdefault(group, {})
        for metric in METRICS:
            averages[metric] = system.average(metric, pairs)
            if system is not report.baseline:
                averages[f"{metric} difference"] = system.average_difference(
                    metric, pairs
                )
    if system is not report.baseline:
        row["wins"] = {metric: system.wins(metric) for metric in METRICS}
    row["scores"] = {
        key: {metric: pair.scores[metric].value for metric in METRICS}
        for key, pair in system.pairs.items()
    }
    row["signatures"] = {
        key: {metric: pair.scores[metric].signature for metric in METRICS}
        for key, pair in system.pairs.items()
    }
    return row


def write(record: Mapping[str, Any], folder: str | os.PathLike) -> list[Path]:
    """Write ``sweep.json``, ``.csv``, ``.md`` and the curves to *folder*."""
    data = Path(folder) / NAME
    files.write_json(data, record)
    files.write_text(data.with_suffix(".csv"), to_csv(record))
    files.write_text(data.with_suffix(".md"), to_markdown(record))
    written = [data, data.with_suffix(".csv"), data.with_suffix(".md")]
    return written + draw_sweep(data)


def to_csv(record: Mapping[str, Any]) -> str:
    """A line for each variant and group of pairs, and one for each pair."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["variant", "kind", "method", "ratio", "targets", "exact", "pairs"]
        + ["kept", "covered", "loss_before_joint_training", *METRICS]
        + [f"{metric}_difference" for metric in METRICS]
    )
    for row in record["variants"]:
        start = [row["name"], row["kind"], row["method"] or ""]
        targets = "+".join(row["targets"] or ())
        exact = "yes" if row["exact"] else "no"
        for group, values in row["averages"].items():
            kept, covered = (_mean(row[name].values()) for name in ("kept", "covered"))
            writer.writerow(
                [*start, f"{row['ratio']:g}", targets, exact, group, kept, covered]
                + [_number(values.get(LOSS), 6)]
                + [_number(values.get(metric), 6) for metric in METRICS]
                + [_number(values.get(f"{m} difference"), 6) for m in METRICS]
            )
        base = record["variants"][0]["scores"]
        for key in dict.fromkeys((*row["losses"], *row["scores"])):
            ratio = row["ratios"].get(key, row["ratio"])
            scores = row["scores"].get(key, {})
            differences = [
                scores[m] - base[key][m] if scores and row["kind"] != DENSE else None
                for m in METRICS
            ]
            writer.writerow(
                [*start, "" if ratio is None else f"{ratio:g}", targets, exact, key]
                + [row["kept"].get(key, ""), row["covered"].get(key, "")]
                + [_number(row["losses"].get(key), 6)]
                + [_number(scores.get(metric), 6) for metric in METRICS]
                + [_number(difference, 6) for difference in differences]
            )
    return text.getvalue()


def to_markdown(record: Mapping[str, Any]) -> str:
    """A table for people: a row a variant, averages over the groups of pairs."""
    rows = record["variants"]
    groups = list(dict.fromkeys(g for row in rows for g in row["averages"]))
    scored = any(row["scores"] for row in rows)
    head = ["variant", "kind", "ratio", "weights kept"]
    if record["loss"]:
        head.append("loss before joint training")
    if scored:
        head += [f"{metric} {group}" for metric in METRICS for group in groups]
        head += [f"{metric} − {DENSE}" for metric in METRICS]
    table = [head]
    for row in rows:
        name = row["name"] + ("" if row["exact"] else " *")
        kept = sum(row["kept"].values()) / max(1, sum(row["covered"].values()))
        cells = [name, row["kind"], f"{row['ratio']:g}"]
        cells.append(f"{kept:.1%}" if row["kept"] else "100.0%")
        averages = row["averages"]
        if record["loss"]:
            cells.append(_number(averages.get("all", {}).get(LOSS), 3) or "–")
        if scored:
            for metric in METRICS:
                cells += [_number(averages.get(g, {}).get(metric), 2) for g in groups]
            differences = [f"{metric} difference" for metric in METRICS]
            cells += [
                _number(averages.get("all", {}).get(d), 2, "+") or "–"
                for d in differences
            ]
        table.append(cells)
    lines = markdown_table(table, left=2)
    if record["loss"]:
        lines += ["", f"Loss before joint training: {record['loss']}."]
    if not all(row["exact"] for row in rows):
        lines += ["", "\\* Cut from a gradual search that trained under another ratio."]
    lines += [f"\n{note}" for note in record["notes"]]
    return "\n".join(lines) + "\n"


def draw_sweep(data: str | os.PathLike) -> list[Path]:
    """Draw the curves of a ``sweep.json`` beside it (He 2023, Fig. 1).

    ``sweep.png`` and ``.svg`` show BLEU after joint training, ``sweep.loss.png`` and
    ``.svg`` the loss before it; each only where it was measured.

    Raises:
        LassError: *data* is not such a file.
    """
    data = Path(data)
    try:
        record = json.loads(data.read_text(encoding="utf-8"))
        if record["format"] != FORMAT or record["version"] != VERSION:
            raise ValueError("it has another format or version")
        rows = record["variants"]
        written = []
        scored = [row for row in rows if row["scores"]]
        if scored:
            written += _draw(
                scored,
                METRICS[0],
                data.with_suffix(".png"),
                "BLEU after joint training",
                f"{METRICS[0]}, mean of {len(scored[0]['scores'])} pairs",
            )
        measured = [row for row in rows if row["losses"]]
        if measured:
            written += _draw(
                measured,
                LOSS,
                data.with_name("sweep.loss.png"),
                "Validation loss under the mask, before joint training",
                f"bits a token, mean of {len(measured[0]['losses'])} pairs",
            )
        return written
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LassError(
            f"{data} is not a sweep.json of 'lass sweep' ({error})"
        ) from error


def _draw(
    rows: Sequence[Mapping[str, Any]], what: str, path: Path, title: str, label: str
) -> list[Path]:
    """A line for each method and the random control, marks for the rest."""
    points: dict[tuple[str, bool], list[tuple[float, float]]] = {}
    levels = []
    for row in rows:
        value = row["averages"]["all"][what]
        if row["kind"] == DENSE:
            levels.append((DENSE, value))
            continue
        names = {
            RATIO: row["method"],
            RANDOM: "random",
            OWN: f"{row['method']}, own ratios",
            SUB_LAYER: f"{row['method']}, {'+'.join(row['targets'] or ())} only",
        }
        alone = row["kind"] in (OWN, SUB_LAYER)
        key = (names[row["kind"]] + ("" if row["exact"] else " (recut)"), alone)
        points.setdefault(key, []).append((row["ratio"], value))
    curves = []
    for (name, alone), values in points.items():
        x, y = zip(*sorted(values), strict=True)
        curves.append(Curve(name, x, y, points_only=alone and len(values) < 3))
    return draw_curves(curves, path, title, "pruning ratio", label, levels=levels)


def _number(value: float | None, digits: int, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign}.{digits}f}"


def _mean(values: Iterable[int]) -> str:
    values = list(values)
    return f"{fmean(values):.1f}" if values else ""
