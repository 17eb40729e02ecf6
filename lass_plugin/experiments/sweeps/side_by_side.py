"""Several sweeps over ratios in one table and one picture (Lin 2021, Fig. 7)."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.evaluation.comparison import METRICS
from lass_plugin.experiments.sweeps.tables import LOSS
from lass_plugin.experiments.sweeps.variants import DENSE
from lass_plugin.experiments.sweeps.weight_sweep import WEIGHTS
from lass_plugin.experiments.sweeps.weight_variants import RATIO
from lass_plugin.records.curves import Curve, draw_curves
from lass_plugin.records.table import Table

Lines = Mapping[str, Mapping[float, float]]
"""``LABEL method`` -> ratio -> mean over the pairs; ratio 0 is the dense baseline."""


def read_sweep(place: Path) -> tuple[list[dict[str, Any]], str | None, list[str]]:
    """The variants of a folder of ``lass sweep``, or of its ``sweep.json``.

    Returns:
        These; the form of the text that was scored, None where it does not say; and
        sentences on how they were made, and of which pairs.

    Raises:
        LassError: it is none.
    """
    path = place / "sweep.json" if place.is_dir() else place
    with WEIGHTS.form.reading(path) as record:
        rows: list[dict[str, Any]] = record["variants"]
        for row in rows:
            row["averages"]["all"], row["kind"], row["method"], row["ratio"]
            row["exact"], row["scores"], row["losses"]
        if sum(row["kind"] == DENSE for row in rows) != 1:
            raise ValueError("it has no dense baseline")
        pairs = ", ".join(rows[0]["scores"] or rows[0]["losses"])
        return rows, record.get("text"), [f"mean of {pairs}", *record.get("notes", ())]


def check_one_text(texts: Mapping[str, str | None]) -> None:
    """Refuse BLEU of tokenised text beside BLEU of detokenised text.

    Args:
        texts: sweep -> form of its text.

    Raises:
        LassError: names two sweeps.
    """
    said = {label: text for label, text in texts.items() if text}
    for (one, first), (other, second) in combinations(said.items(), 2):
        if first != second:
            raise LassError(
                f"the sweep {one} has scored {first} text and {other} {second} text, "
                "which cannot be compared; give sweeps that were scored in one way"
            )


def measure_of(sweeps: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """What all *sweeps* have measured of all variants: BLEU, or the validation loss.

    Raises:
        LassError: there is neither, or one pair was scored in several ways.
    """
    rows = [row for sweep in sweeps.values() for row in sweep]
    for what in (METRICS[0], LOSS):
        if all(what in row["averages"]["all"] for row in rows):
            if what != LOSS:
                _check_scored_alike(sweeps, what)
            return what
    raise LassError(
        f"of the sweeps {', '.join(sweeps)} some have no joint training and some no "
        "losses; give sweeps of one kind"
    )


def _check_scored_alike(
    sweeps: Mapping[str, Sequence[Mapping[str, Any]]], metric: str
) -> None:
    """Refuse sweeps that scored the same pair in different ways."""
    seen: dict[str, tuple[str, str]] = {}
    for label, rows in sweeps.items():
        for row in rows:
            # which earlier versions did not keep
            for pair, of in (row.get("signatures") or {}).items():
                other, first = seen.setdefault(pair, (label, of[metric]))
                if of[metric] != first:
                    raise LassError(
                        f"the sweeps {other} and {label} scored {pair} in different "
                        f"ways: {metric} has the signature {first} in {other} and "
                        f"{of[metric]} in {label}; sweep again with one --tokenize"
                    )


def lines_of(
    sweeps: Mapping[str, Sequence[Mapping[str, Any]]], measure: str
) -> dict[str, dict[float, float]]:
    """The lines of all *sweeps*, see :data:`Lines`.

    Masks of a gradual search that trained under another ratio are a line of their own.

    Raises:
        LassError: a sweep has no variant at a ratio.
    """
    found: dict[str, dict[float, float]] = {}
    for label, rows in sweeps.items():
        (start,) = (row for row in rows if row["kind"] == DENSE)
        dense = {0.0: start["averages"]["all"][measure]}
        chosen = [row for row in rows if row["kind"] == RATIO]
        if not chosen:
            raise LassError(f"the sweep {label} has no masks at a ratio")
        for row in chosen:
            name = f"{label} {row['method']}" + ("" if row["exact"] else " (recut)")
            line = found.setdefault(name, dict(dense))
            line[row["ratio"]] = row["averages"]["all"][measure]
    return {name: dict(sorted(line.items())) for name, line in found.items()}


def table_of(lines: Lines, measure: str, said: Sequence[str] = ()) -> Table:
    """A row a line, a column a ratio; *said*: how the sweeps were made."""
    ratios = sorted({ratio for line in lines.values() for ratio in line})
    digits = 3 if measure == LOSS else 2
    rows = [
        (name, *(f"{line[r]:.{digits}f}" if r in line else "–" for r in ratios))
        for name, line in lines.items()
    ]
    records = [
        {"sweep": name, "ratio": ratio, measure: value}
        for name, line in lines.items()
        for ratio, value in line.items()
    ]
    title = f"Sweeps over ratios ({measure}, mean of the pairs)"
    trained = "baseline, trained as long without masks"
    dense = "base, not trained on" if measure == LOSS else trained
    notes = (f"0: the dense {dense}", *said)
    header = (measure, *(f"{ratio:g}" for ratio in ratios))
    return Table("sweeps", title, header, rows, notes=notes, records=tuple(records))


def draw_sweeps(lines: Lines, measure: str, folder: Path) -> list[Path]:
    """Draw all lines as ``sweeps.png`` and ``.svg`` in *folder*."""
    curves = [Curve(name, list(of), list(of.values())) for name, of in lines.items()]
    label = f"{measure}, mean of the pairs"
    words = (f"{measure} over the pruning ratio", "pruning ratio", label)
    return draw_curves(curves, folder / "sweeps.png", *words)
