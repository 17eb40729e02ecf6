"""Sweeps over allocations: all masks are made of one file of importance.

What is varied are k, ρ, what neurons are allocated to and criteria (Xie 2021, Fig. 4,
Table 3 and Fig. 6), or the cumulative share in place of k and ρ (Tan 2024).
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any

from lass_plugin.evaluation.comparison import METRICS
from lass_plugin.experiments.launching.base import Base
from lass_plugin.experiments.sweeps.run import Sweep
from lass_plugin.experiments.sweeps.settings import NeuronSweepSettings, NeuronVariant
from lass_plugin.experiments.sweeps.tables import LOSS, Row, SweepTable, number
from lass_plugin.experiments.sweeps.variants import DENSE
from lass_plugin.masks import MaskSet
from lass_plugin.masks.file import digest
from lass_plugin.neurons.allocation import allocate, write_allocation
from lass_plugin.neurons.importance import check_model, load_importance
from lass_plugin.records.bars import draw_bars
from lass_plugin.records.curves import Curve, draw_curves
from lass_plugin.records.json_record import RecordFormat
from lass_plugin.records.text_tables import markdown_table

AXES = {
    "criterion": "criterion",
    "by": "allocated to",
    "general": "ρ",
    "threshold": "k",
    "cumulative": "cumulative share",
}
"""What a variant is described by, and how it is headed."""

_LABELS = {
    "threshold": "k (Eq. 9)",
    "general": "ρ, share of general neurons",
    "cumulative": "cumulative share of the scores",
}
_BLEU = METRICS[0]

Fixed = tuple[tuple[str, Any], ...]
"""Axes that do not vary, and their values."""


def series(variants: Iterable[Row], axis: str) -> dict[Fixed, list[Row]]:
    """Variants that differ in *axis* only, where there are at least two of them.

    Returns:
        The other axes and their values -> rows, by increasing value of *axis* if it is
        a number.
    """
    found: dict[Fixed, list[Row]] = {}
    for row in variants:
        if row["kind"] != DENSE:
            others = ((name, row.get(name)) for name in AXES if name != axis)
            fixed = tuple(each for each in others if each[1] is not None)
            if row.get(axis) is not None:
                found.setdefault(fixed, []).append(row)
    return {
        fixed: sorted(each, key=lambda r: r[axis]) if axis in _LABELS else each
        for fixed, each in found.items()
        if len(each) > 1
    }


def _below(rows: Sequence[Row]) -> list[str]:
    """What was not run again; tables of k, ρ and what neurons belong to."""
    lines = []
    if again := [row for row in rows if row["same_as"] is not None]:
        same = ", ".join(f"{row['name']} as {row['same_as']}" for row in again)
        lines = ["", f"† Keeps the same neurons, so it was not run again: {same}."]
    lines += _over_thresholds(rows)
    return lines + _by_pair(rows, "general") + _by_pair(rows, "by")


def _over_thresholds(rows: Sequence[Row]) -> list[str]:
    """A row for each k, a column for each curve (Xie 2021, Fig. 4)."""
    return _over(rows, "threshold") + _over(rows, "cumulative")


def _over(rows: Sequence[Row], axis: str) -> list[str]:
    found = series(rows, axis)
    if not found:
        return []
    what, title, form = _measure(rows)
    heading = AXES[axis]
    table = [[heading, *_labels(list(found))]]
    for k in sorted({row[axis] for row in chain(*found.values())}):
        table.append([f"{k:g}"])
        for each in found.values():
            at = (row["averages"]["all"][what] for row in each if row[axis] == k)
            table[-1].append(number(next(at, None), form))
    told = f"Over {heading}: {title}, mean of the pairs."
    return ["", told, "", *markdown_table(table)]


def _by_pair(rows: Sequence[Row], axis: str) -> list[str]:
    """A row for each value of *axis*, a column for each pair (Xie 2021, Table 3)."""
    what, form = (_BLEU, ".2f") if rows[0]["scores"] else (LOSS, ".3f")
    lines = []
    for fixed, each in series(rows, axis).items():
        table = [[AXES[axis], *_of_pairs(rows[0]), "mean"]]
        for row in (rows[0], *each):
            values = list(_of_pairs(row).values())
            name = DENSE if row["kind"] == DENSE else _text(row[axis])
            table.append([name, *(number(v, form) for v in (*values, fmean(values)))])
        at = ", ".join(f"{AXES[name]} {_text(value)}" for name, value in fixed)
        lines += ["", f"Over {AXES[axis]} at {at}: {what}.", "", *markdown_table(table)]
    return lines


def _of_pairs(row: Row) -> dict[str, float]:
    """Pair -> BLEU, or without joint training the validation loss."""
    bleu = {pair: scores[_BLEU] for pair, scores in row["scores"].items()}
    return bleu or row["losses"]


def _draw(rows: Sequence[Row], data: Path) -> list[Path]:
    """Draw the curves of a ``sweep.json`` (Xie 2021, Fig. 4 and Table 3), and bars.

    ``sweep.threshold.png`` and ``sweep.general.png`` (and ``.svg``) show the mean
    difference in BLEU to the dense baseline, or without joint training the validation
    loss, ``sweep.by.png`` that of each pair by what neurons belong to (Fig. 6); each
    only where at least two values were tried.
    """
    what, title, _ = _measure(rows)
    level, unit = 0.0, _BLEU
    if what == LOSS:
        level, unit = rows[0]["averages"]["all"][LOSS], "bits a token"
    written = []
    for axis, label in _LABELS.items():
        found = series(rows, axis)
        curves = []
        for name, each in zip(_labels(list(found)), found.values(), strict=True):
            values = [row["averages"]["all"][what] for row in each]
            curves.append(Curve(name, [row[axis] for row in each], values))
        if curves:
            path = data.with_name(f"sweep.{axis}.png")
            unit_of_axis = f"{unit}, mean of {len(_of_pairs(rows[0]))} pairs"
            words = (title[0].upper() + title[1:], label, unit_of_axis)
            written += draw_curves(curves, path, *words, levels=[(DENSE, level)])
    return written + _draw_by(rows, data, title)


def _draw_by(rows: Sequence[Row], data: Path, title: str) -> list[Path]:
    """Each pair's difference to the dense baseline (Xie 2021, Fig. 6)."""
    dense, bars, found = (
        _of_pairs(rows[0]),
        dict[str, list[float]](),
        series(rows, "by"),
    )
    for name, each in zip(_labels(list(found)), found.values(), strict=True):
        for row in each:
            label = f"by {row['by']}" + (f", {name}" if len(found) > 1 else "")
            bars[label] = [of - dense[pair] for pair, of in _of_pairs(row).items()]
    if not bars:
        return []
    unit = f"{_BLEU if rows[0]['scores'] else 'bits a token'}, difference to {DENSE}"
    path = data.with_name("sweep.by.png")
    return draw_bars(list(dense), bars, path, title[0].upper() + title[1:], unit)


def _measure(rows: Sequence[Row]) -> tuple[str, str, str]:
    """What variants are compared by: its name in the averages, in words, its form."""
    if rows[0]["scores"]:
        title = f"{_BLEU} − {DENSE} after joint training"
        return f"{_BLEU} difference", title, "+.3f"
    return LOSS, "validation loss before joint training", ".3f"


def _labels(series: list[Fixed]) -> list[str]:
    """What tells one series from the others; the criterion in any case."""
    labels = []
    for fixed in series:
        parts = []
        for name, value in fixed:
            differ = len({dict(other).get(name) for other in series}) > 1
            if name == "criterion":
                parts.append(value)
            elif name == "by" and (differ or len(series) == 1):
                parts.append(f"by {value}")
            elif differ:
                parts.append(f"{AXES[name]} {_text(value)}")
        labels.append(", ".join(parts))
    return labels


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _cell(row: Row, axis: str) -> str:
    """The value in a table; a cumulative share stands in the column of k."""
    if axis == "threshold" and row.get("cumulative") is not None:
        return f"share {_text(row['cumulative'])}"
    return _text(row[axis]) or "–"


NEURONS = SweepTable(
    form=RecordFormat(
        "lass_plugin neuron sweep",
        "a sweep.json of 'lass neurons sweep'",
        measured=True,
    ),
    units="neurons",
    fields={
        name: lambda row, _, name=name: _text(row.get(name))  # type: ignore[misc]
        for name in (*AXES, "same_as")
    },
    columns={"variant": lambda row: row["name"] + " †" * bool(row["same_as"])}
    | {
        heading: lambda row, axis=axis: _cell(row, axis)  # type: ignore[misc]
        for axis, heading in AXES.items()
        if axis != "cumulative"
    },
    left=3,
    below=_below,
    draw=_draw,
)


class NeuronSweep(Sweep[NeuronVariant]):
    """The importance, the rules and the masks of one sweep.

    Variants that keep the same neurons are trained once; one that keeps all is the
    dense baseline.
    """

    table = NEURONS
    settings: NeuronSweepSettings

    def __init__(self, settings: NeuronSweepSettings):
        settings.check()
        base = Base.read(settings.base)
        self.importance = load_importance(settings.importance)
        check_model(self.importance, base.weights, str(settings.base))
        pairs = sorted(self.importance.pairs)
        super().__init__(settings, base, pairs, settings.axes.variants())

    def make_masks(self) -> dict[NeuronVariant, MaskSet | None]:
        self.allocations = {
            variant: allocate(self.importance, variant.rule)
            for variant in self.variants
            if variant.rule is not None
        }
        masks: dict[NeuronVariant, MaskSet | None] = dict.fromkeys(self.variants)
        for variant, allocation in self.allocations.items():
            masks[variant] = allocation.masks(self.importance)
        return masks

    def save_masks(self, masks: Mapping[NeuronVariant, MaskSet | None]) -> None:
        """Write the masks of each variant to its folder, as ``allocate`` does."""
        for variant, allocation in self.allocations.items():
            folder = self.settings.masks_of(variant.name)
            write_allocation(folder, allocation, self.importance, copy=False)

    def first_of_same(
        self, masks: Mapping[NeuronVariant, MaskSet | None]
    ) -> dict[NeuronVariant, NeuronVariant]:
        """Each variant and the first one that keeps the very same neurons."""
        first: dict[str, NeuronVariant] = {}
        same = {}
        for variant, each in masks.items():
            whole = each is None or all(m.kept() == m.units for m in each.values())
            content = "" if each is None or whole else digest(each)
            same[variant] = first.setdefault(content, variant)
        return same

    def describe(
        self, variant: NeuronVariant, masks: MaskSet | None, first: NeuronVariant
    ) -> dict[str, Any]:
        axes = {axis: getattr(variant.rule, axis, None) for axis in AXES}
        if axes["cumulative"] is not None:  # which takes the place of both
            axes |= {"general": None, "threshold": None}
        return {
            **axes,
            "average": getattr(variant.rule, "average", None),
            "same_as": None if first == variant else first.name,
        }

    def notes(self) -> list[str]:
        notes, centre = super().notes(), self.settings.axes.centre
        if not self.settings.axes.grid:
            at = f"ρ {centre.general:g}, k {centre.threshold:g}"
            if centre.cumulative is not None:
                at = f"cumulative share {centre.cumulative:g}"
            notes.append(
                f"Where another was varied: {at}, by {centre.by}, {centre.criterion}."
            )
        return [*notes, f"Importance is an average over {centre.average}s."]
