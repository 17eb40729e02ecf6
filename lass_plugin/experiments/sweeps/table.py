"""The table and the curves of a sweep, from one record that is written beside them."""

import os
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence

from lass_plugin.errors import LassError
from lass_plugin.evaluation.comparison import METRICS, Report
from lass_plugin.experiments.sweeps import rows
from lass_plugin.experiments.sweeps.rows import LOSS
from lass_plugin.experiments.sweeps.variants import (
    DENSE,
    OWN,
    RANDOM,
    RATIO,
    SUB_LAYER,
    Variant,
)
from lass_plugin.masks import MaskSet
from lass_plugin.records.curves import Curve, draw_curves

FORMAT = "lass_plugin sweep"
VERSION = 1


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
    table = [
        {
            **_description(variant, masks[variant], exact.get(variant, True)),
            **rows.row_of(variant.kind, variant.name, masks[variant], losses, report),
        }
        for variant in variants
    ]
    return rows.record_of(FORMAT, VERSION, table, losses, report, notes)


def _description(variant: Variant, masks: MaskSet | None, exact: bool) -> dict:
    return {
        "name": variant.name,
        "kind": variant.kind,
        "method": None if variant.method is None else str(variant.method),
        "ratio": 0.0 if variant.kind == DENSE else variant.ratio,
        "targets": None if variant.targets is None else list(variant.targets),
        "exact": exact,
        "ratios": {key: mask.provenance.ratio for key, mask in (masks or {}).items()},
    }


def write(record: Mapping[str, Any], folder: str | os.PathLike) -> list[Path]:
    """Write ``sweep.json``, ``.csv``, ``.md`` and the curves to *folder*."""
    return rows.write(record, folder, to_csv, to_markdown, draw_sweep)


def to_csv(record: Mapping[str, Any]) -> str:
    """A line for each variant and group of pairs, and one for each pair."""

    def cells(row: rows.Row, key: str | None) -> list[str]:
        ratio = row["ratio"] if key is None else row["ratios"].get(key, row["ratio"])
        return [
            row["method"] or "",
            "" if ratio is None else f"{ratio:g}",
            "+".join(row["targets"] or ()),
            "yes" if row["exact"] else "no",
        ]

    return rows.to_csv(record, ("method", "ratio", "targets", "exact"), cells)


def to_markdown(record: Mapping[str, Any]) -> str:
    """A table for people: a row a variant, averages over the groups of pairs."""

    def cells(row: rows.Row) -> list[str]:
        name = row["name"] + ("" if row["exact"] else " *")
        return [name, row["kind"], f"{row['ratio']:g}"]

    lines = rows.to_markdown(
        record, ("variant", "kind", "ratio"), cells, "weights", left=2
    )
    if not all(row["exact"] for row in record["variants"]):
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
        variants = rows.read_record(data, FORMAT, VERSION)["variants"]
        written = []
        scored = [row for row in variants if row["scores"]]
        if scored:
            written += _draw(
                scored,
                METRICS[0],
                data.with_suffix(".png"),
                "BLEU after joint training",
                f"{METRICS[0]}, mean of {len(scored[0]['scores'])} pairs",
            )
        measured = [row for row in variants if row["losses"]]
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
    variants: Sequence[rows.Row], what: str, path: Path, title: str, label: str
) -> list[Path]:
    """A line for each method and the random control, marks for the rest."""
    points: dict[tuple[str, bool], list[tuple[float, float]]] = {}
    levels = []
    for row in variants:
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
