"""What pruning costs each language, over the size of its corpus (Li 2022, Figure 2)."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lass_plugin.data.parallel_text import read_lines
from lass_plugin.errors import LassError
from lass_plugin.methods.lowrank.estimation.data_amounts import pearson
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.curves import Curve, draw_curves
from lass_plugin.records.json_record import RecordFormat

NAME = "losses.json"
FORM = RecordFormat(
    "lass_plugin losses by size", f"a {NAME} of 'lass gates losses'", sealed=1
)
LEAST = 3
"""Languages that a correlation needs."""


@dataclass(frozen=True)
class Losses:
    """What one pruning costs."""

    system: str
    languages: tuple[str, ...]
    loss: tuple[float, ...]
    """Score of the dense model less that of the pruned one, of each language."""
    log_size: tuple[float, ...]
    """Base 10."""
    correlation: Mapping[str, Any]
    """Pearson's ``r`` of the two, and its ``p``."""


def read_numbers(path: str | os.PathLike) -> dict[str, float]:
    """Language -> number, from a file with a line ``LANGUAGE NUMBER`` for each.

    A comma, a tab or spaces stand between them; a line that begins with # is none.

    Raises:
        LassError: a line is none of these, or a language is there twice.
    """
    found: dict[str, float] = {}
    for line in read_lines(Path(path)):
        words = line.replace(",", " ").split()
        if not words or words[0].startswith("#"):
            continue
        try:
            language, number = words[0], float(words[1])
            fits = len(words) == 2 and math.isfinite(number)
        except (IndexError, ValueError):
            fits = False
        if not fits or words[0] in found:
            raise LassError(
                f"{path} has the line '{' '.join(words)[:60]}'; write each language "
                "once, and its number, such as de 81.5"
            )
        found[language] = number
    return found


def losses(
    system: str,
    dense: Mapping[str, float],
    pruned: Mapping[str, float],
    sizes: Mapping[str, float],
) -> Losses:
    """The loss of each language that all three know.

    Raises:
        LassError: there are fewer than three, or a corpus of no size.
    """
    known = [key for key in dense if key in pruned and key in sizes]
    if len(known) < LEAST:
        raise LassError(
            f"only {len(known)} languages have a score of the dense model, one of "
            f"{system} and a size; a correlation needs {LEAST}"
        )
    for language in known:
        if sizes[language] <= 0:
            raise LassError(
                f"the corpus of {language} has the size {sizes[language]:g}; it must "
                "be more than 0"
            )
    loss = tuple(round(dense[key] - pruned[key], 6) for key in known)
    log_size = tuple(round(math.log10(sizes[key]), 6) for key in known)
    correlation = pearson(np.array(log_size), np.array(loss))
    return Losses(system, tuple(known), loss, log_size, correlation)


def write_losses(systems: Sequence[Losses], folder: str | os.PathLike) -> list[Path]:
    """Write :data:`NAME`, a table and the picture to *folder*."""
    data = Path(folder) / NAME
    rows = [
        {
            "system": one.system,
            "language": language,
            "loss": one.loss[number],
            "log_size": one.log_size[number],
        }
        for one in systems
        for number, language in enumerate(one.languages)
    ]
    found = {one.system: dict(one.correlation) for one in systems}
    FORM.write(data, {"rows": rows, "correlations": found}, rows=True)
    table = write_csv(data.with_suffix(".csv"), rows)
    return [data, table, *draw_losses(data)]


def draw_losses(data: Path) -> list[Path]:
    """Draw what :func:`write_losses` wrote, beside it.

    Raises:
        RecordError: it is no such record.
    """
    with FORM.reading(data) as record:
        points: dict[str, list[tuple[float, float]]] = {}
        for row in record["rows"]:
            points.setdefault(row["system"], []).append((row["log_size"], row["loss"]))
        curves = []
        for system, of_system in points.items():
            r = record["correlations"][system]["r"]
            known = "no r" if r is None else f"r = {r:.2f}"
            x, y = zip(*sorted(of_system), strict=True)
            curves.append(Curve(f"{system} ({known})", x, y, points_only=True))
    return draw_curves(
        curves,
        data.with_suffix(".png"),
        "What pruning costs, over the size of the corpus",
        "log10 of the size",
        "score of the dense model less that of the pruned one",
    )
