"""What a sweep over ratios adds to the table of a sweep, and its curves."""

from collections.abc import Sequence
from pathlib import Path

from lass_plugin.evaluation.comparison import METRICS
from lass_plugin.experiments.sweeps.tables import LOSS, Row, SweepTable
from lass_plugin.experiments.sweeps.variants import DENSE
from lass_plugin.experiments.sweeps.weight_variants import OWN, RANDOM, RATIO, SUB_LAYER
from lass_plugin.records.curves import Curve, draw_curves
from lass_plugin.records.json_record import RecordFormat


def _ratio(row: Row, key: str | None) -> str:
    ratio = row["ratio"] if key is None else row["ratios"].get(key, row["ratio"])
    return "" if ratio is None else f"{ratio:g}"


def _not_exact(rows: Sequence[Row]) -> list[str]:
    if all(row["exact"] for row in rows):
        return []
    return ["", "\\* Cut from a gradual search that trained under another ratio."]


def _draw(rows: Sequence[Row], data: Path) -> list[Path]:
    """Draw the curves of a ``sweep.json`` (He 2023, Fig. 1).

    ``sweep.png`` and ``.svg`` show BLEU after joint training, ``sweep.loss.png`` and
    ``.svg`` the loss before it; each only where it was measured.
    """
    after, before = data.with_suffix(".png"), data.with_name("sweep.loss.png")
    title = "Validation loss under the mask, before joint training"
    return _picture(
        rows, "scores", METRICS[0], after, "BLEU after joint training", METRICS[0]
    ) + _picture(rows, "losses", LOSS, before, title, "bits a token")


def _picture(
    rows: Sequence[Row], entry: str, what: str, path: Path, title: str, unit: str
) -> list[Path]:
    """A picture of the averages *what* of the rows that have something in *entry*."""
    rows = [row for row in rows if row[entry]]
    if not rows:
        return []
    dense = [row["averages"]["all"][what] for row in rows if row["kind"] == DENSE]
    label = f"{unit}, mean of {len(rows[0][entry])} pairs"
    levels = [(DENSE, value) for value in dense]
    curves = _curves(rows, what)
    return draw_curves(curves, path, title, "pruning ratio", label, levels=levels)


def _curves(rows: Sequence[Row], what: str) -> list[Curve]:
    """A line for each method and the random control, marks for the rest."""
    points: dict[tuple[str, bool], list[tuple[float, float]]] = {}
    for row in rows:
        if row["kind"] == DENSE:
            continue
        name = {
            RATIO: row["method"],
            RANDOM: "random",
            OWN: f"{row['method']}, own ratios",
            SUB_LAYER: f"{row['method']}, {'+'.join(row['targets'] or ())} only",
        }[row["kind"]]
        name += "" if row["exact"] else " (recut)"
        alone = row["kind"] in (OWN, SUB_LAYER)
        point = row["ratio"], row["averages"]["all"][what]
        points.setdefault((name, alone), []).append(point)
    curves = []
    for (name, alone), values in points.items():
        x, y = zip(*sorted(values), strict=True)
        curves.append(Curve(name, x, y, points_only=alone and len(values) < 3))
    return curves


WEIGHTS = SweepTable(
    form=RecordFormat("lass_plugin sweep", "a sweep.json of 'lass sweep'"),
    units="weights",
    fields={
        "method": lambda row, _: row["method"],
        "ratio": _ratio,
        "targets": lambda row, _: "+".join(row["targets"] or ()),
        "exact": lambda row, _: "yes" if row["exact"] else "no",
    },
    columns={
        "variant": lambda row: row["name"] + ("" if row["exact"] else " *"),
        "kind": lambda row: row["kind"],
        "ratio": lambda row: f"{row['ratio']:g}",
    },
    left=2,
    below=_not_exact,
    draw=_draw,
)
