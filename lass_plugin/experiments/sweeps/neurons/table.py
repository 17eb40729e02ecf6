"""Tables and curves of a sweep over allocations, from a record written beside them."""

import os
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any, Iterable, Mapping

from lass_plugin.errors import LassError
from lass_plugin.evaluation.comparison import METRICS, Report
from lass_plugin.experiments.sweeps import rows
from lass_plugin.experiments.sweeps.neurons.variants import NeuronVariant
from lass_plugin.experiments.sweeps.rows import LOSS, Row, number
from lass_plugin.experiments.sweeps.variants import DENSE
from lass_plugin.masks import MaskSet
from lass_plugin.records.curves import Curve, draw_curves
from lass_plugin.records.text_tables import markdown_table

FORMAT = "lass_plugin neuron sweep"
VERSION = 1

AXES = {
    "criterion": "criterion",
    "by": "allocated to",
    "general": "ρ",
    "threshold": "k",
}
"""What a variant is described by, and how it is headed."""

_LABELS = {"threshold": "k (Eq. 9)", "general": "ρ, share of general neurons"}
_BLEU = METRICS[0]
_DIFFERENCE = f"{_BLEU} difference"


def record_of(
    masks: Mapping[NeuronVariant, MaskSet | None],
    first: Mapping[NeuronVariant, NeuronVariant],
    losses: Mapping[str, Mapping[str, float]],
    report: Report | None,
    notes: Iterable[str] = (),
) -> dict[str, Any]:
    """Everything that the tables and the curves are made of, as JSON values.

    Args:
        masks: variant -> its masks, the dense baseline first and None.
        first: variant -> the first one with the same masks, which was measured.
        losses: name of a variant -> pair -> validation loss before joint training;
            empty where it was not measured.
        report: scores after joint training, the dense baseline first; None without.
    """
    table = [
        {
            "name": variant.name,
            "kind": variant.kind,
            **{axis: getattr(variant.rule, axis, None) for axis in AXES},
            "average": getattr(variant.rule, "average", None),
            "same_as": None if first[variant] == variant else first[variant].name,
            **rows.row_of(variant.kind, first[variant].name, each, losses, report),
        }
        for variant, each in masks.items()
    ]
    return rows.record_of(FORMAT, VERSION, table, losses, report, notes)


def write(record: Mapping[str, Any], folder: str | os.PathLike) -> list[Path]:
    """Write ``sweep.json``, ``.csv``, ``.md`` and the curves to *folder*."""
    return rows.write(record, folder, to_csv, to_markdown, draw_neuron_sweep)


def to_csv(record: Mapping[str, Any]) -> str:
    """A line for each variant and group of pairs, and one for each pair."""
    head = (*AXES, "same_as")
    return rows.to_csv(record, head, lambda row, _: [_text(row[name]) for name in head])


def to_markdown(record: Mapping[str, Any]) -> str:
    """Tables for people: a row a variant, then k, ρ and what neurons belong to."""
    variants = record["variants"]

    def cells(row: Row) -> list[str]:
        name = row["name"] + ("" if row["same_as"] is None else " †")
        return [name, *(_text(row[axis]) or "–" for axis in AXES)]

    lines = rows.to_markdown(
        record, ("variant", *AXES.values()), cells, "neurons", left=3
    )
    again = [row for row in variants if row["same_as"] is not None]
    if again:
        same = ", ".join(f"{row['name']} as {row['same_as']}" for row in again)
        lines += ["", f"† Keeps the same neurons, so it was not run again: {same}."]
    lines += _over_thresholds(variants)
    lines += _by_pair(variants, "general") + _by_pair(variants, "by")
    lines += [f"\n{note}" for note in record["notes"]]
    return "\n".join(lines) + "\n"


def _over_thresholds(variants: list[Row]) -> list[str]:
    """A row for each k, a column for each curve (Xie 2021, Fig. 4)."""
    found = series(variants, "threshold")
    if not found:
        return []
    what, title, sign = _measure(variants)
    labels = _labels(list(found))
    table = [["k", *labels]]
    for k in sorted({row["threshold"] for row in chain(*found.values())}):
        values = (_at(each, "threshold", k) for each in found.values())
        table.append(
            [f"{k:g}"]
            + [number(r["averages"]["all"][what], 3, sign) if r else "" for r in values]
        )
    return ["", f"Over k: {title}, mean of the pairs.", "", *markdown_table(table)]


def _by_pair(variants: list[Row], axis: str) -> list[str]:
    """A row for each value of *axis*, a column for each pair (Xie 2021, Table 3)."""
    what, digits = (_BLEU, 2) if variants[0]["scores"] else (LOSS, 3)
    lines = []
    for fixed, each in series(variants, axis).items():
        table = []
        for row in (variants[0], *each):
            values = _of_pairs(row)
            name = DENSE if row["kind"] == DENSE else _text(row[axis])
            numbers = [*values.values(), fmean(values.values())]
            table.append([name, *(number(value, digits) for value in numbers)])
        head = [AXES[axis], *_of_pairs(variants[0]), "mean"]
        at = ", ".join(f"{AXES[name]} {_text(value)}" for name, value in fixed)
        lines += ["", f"Over {AXES[axis]} at {at}: {what}.", ""]
        lines += markdown_table([head, *table])
    return lines


def _of_pairs(row: Row) -> dict[str, float]:
    """Pair -> BLEU, or without joint training the validation loss."""
    if not row["scores"]:
        return row["losses"]
    return {pair: scores[_BLEU] for pair, scores in row["scores"].items()}


def series(
    variants: Iterable[Row], axis: str
) -> dict[tuple[tuple[str, Any], ...], list[Row]]:
    """Variants that differ in *axis* only, where there are at least two of them.

    Returns:
        The other axes and their values -> rows, by increasing value of *axis* if it is
        a number.
    """
    found: dict[tuple[tuple[str, Any], ...], list[Row]] = {}
    for row in variants:
        if row["kind"] != DENSE:
            fixed = tuple((name, row[name]) for name in AXES if name != axis)
            found.setdefault(fixed, []).append(row)
    return {
        fixed: sorted(each, key=lambda r: r[axis]) if axis in _LABELS else each
        for fixed, each in found.items()
        if len(each) > 1
    }


def draw_neuron_sweep(data: str | os.PathLike) -> list[Path]:
    """Draw the curves of a ``sweep.json`` beside it (Xie 2021, Fig. 4 and Table 3).

    ``sweep.threshold.png`` and ``sweep.general.png`` (and ``.svg``) show the mean
    difference in BLEU to the dense baseline, or without joint training the validation
    loss; each only where at least two values were tried.

    Raises:
        LassError: *data* is not such a file.
    """
    data = Path(data)
    try:
        variants = rows.read_record(data, FORMAT, VERSION)["variants"]
        what, title, _ = _measure(variants)
        level = variants[0]["averages"]["all"][LOSS] if what == LOSS else 0.0
        unit = "bits a token" if what == LOSS else _BLEU
        count = len(variants[0]["scores"] or variants[0]["losses"])
        written = []
        for axis, label in _LABELS.items():
            found = series(variants, axis)
            curves = [
                Curve(
                    name,
                    [row[axis] for row in each],
                    [row["averages"]["all"][what] for row in each],
                )
                for name, each in zip(_labels(list(found)), found.values(), strict=True)
            ]
            if curves:
                written += draw_curves(
                    curves,
                    data.with_name(f"sweep.{axis}.png"),
                    title[0].upper() + title[1:],
                    label,
                    f"{unit}, mean of {count} pairs",
                    levels=[(DENSE, level)],
                )
        return written
    except (
        OSError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
    ) as error:
        raise LassError(
            f"{data} is not a sweep.json of 'lass neurons sweep' ({error})"
        ) from error


def _measure(variants: list[Row]) -> tuple[str, str, str]:
    """What variants are compared by: its name in the averages, in words, its sign."""
    if variants[0]["scores"]:
        return _DIFFERENCE, f"{_BLEU} − {DENSE} after joint training", "+"
    return LOSS, "validation loss before joint training", ""


def _labels(series: list[tuple[tuple[str, Any], ...]]) -> list[str]:
    """What tells one series from the others; the criterion in any case."""
    labels = []
    for fixed in series:
        parts = []
        for name, value in fixed:
            differ = len({dict(other)[name] for other in series}) > 1
            if name == "criterion":
                parts.append(value)
            elif name == "by" and (differ or len(series) == 1):
                parts.append(f"by {value}")
            elif differ:
                parts.append(f"{AXES[name]} {value:g}")
        labels.append(", ".join(parts))
    return labels


def _at(each: list[Row], axis: str, value: Any) -> Row | None:
    return next((row for row in each if row[axis] == value), None)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
