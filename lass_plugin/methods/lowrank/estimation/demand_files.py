"""Demands as files: exact JSON, CSV, and pictures drawn from the JSON."""

import csv
import io
import os
import re
from itertools import chain
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence

import numpy as np

from lass_plugin import files
from lass_plugin.data.progress import Progress
from lass_plugin.methods.lowrank.estimation.demand_tables import Cells, Table
from lass_plugin.methods.lowrank.estimation.demands import NAME, Estimate, read, write
from lass_plugin.methods.lowrank.pruning import LAYER
from lass_plugin.records.heat_map import heat_panels


def write_estimate(
    folder: Path,
    found: Estimate,
    correlation: Mapping[str, Any] | None,
    notes: Iterable[str],
    share: bool = False,
) -> list[Path]:
    """Write ``estimate.json``, ``estimate.csv`` and the pictures to *folder*.

    Args:
        correlation: of :func:`.data_correlation.correlate`, or None.
        share: draw scores as shares of #B.

    Returns:
        The files written; no pictures where no two B competed.
    """
    data, table = folder / NAME, folder / "estimate.csv"
    write(data, found, correlation, notes)
    files.write_text(table, _csv(found))
    return [data, table, *(draw_demands(data, share) if found.compared else ())]


def _csv(found: Estimate) -> str:
    """A line for each B."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["matrix", "side", "layer", "kind", "index", "language", "rank"]
        + ["units", "pruned", "ratio", "score", "share"]
    )
    for each in found.demands:
        matrix = each.matrix
        writer.writerow(
            [matrix.name, matrix.side, matrix.layer, matrix.kind, each.index]
            + [each.language, each.rank, each.units, each.pruned]
            + [each.ratio, each.score, each.share]
        )
    return text.getvalue()


def draw_demands(data: str | os.PathLike, share: bool = False) -> list[Path]:
    """Draw what is in an ``estimate.json``, beside that file.

    ``score.png`` (Fig. 2), ``score.layer-N.png`` (Fig. 5), ``score.layers.png`` (Fig.
    4), ``score.layers.LANGUAGE.png`` (Fig. 6), and ``.svg``; ``share…`` with *share*.
    All layers have one scale of colours, and so have all languages.

    Raises:
        LassError: *data* is not such a file.
    """
    data = Path(data)
    found, _ = read(data)
    cells = Cells(found, share)
    groups: list[Sequence[Table]] = [
        [cells.by_language()],
        list(cells.by_language_in_layers()),
        [cells.by_layer()],
        list(cells.by_layer_of_languages()),
    ]
    caption = describe(found, share)
    progress = Progress("drawing", sum(map(len, groups)))
    written: list[Path] = []
    for tables in groups:
        values = chain.from_iterable(table.values.values() for table in tables)
        limit = max(float(np.nanmax(np.abs(each), initial=0.0)) for each in values)
        for table in tables:
            name = ".".join(filter(None, ["share" if share else "score", table.name]))
            written += heat_panels(
                {
                    side: (table.columns[side], table.values[side])
                    for side in table.columns
                },
                table.rows,
                data.with_name(f"{_file_name(name)}.png"),
                table.title,
                limit=limit,
                breaks=table.breaks,
                row_label="language" if table.by == "language" else "layer (from 0)",
                caption=caption,
            )
            progress.advance(1, name)
    progress.finish()
    return written


def describe(found: Estimate, share: bool) -> str:
    """What the numbers of a table or picture are, in words."""
    ratios = sorted({each.ratio for each in found.demands if each.ratio})
    ratio = f"{ratios[0]:g}" if len(ratios) == 1 else f"{ratios[0]:g}–{ratios[-1]:g}"
    group = "each layer" if found.pruning.group == LAYER else "each language"
    of = "score / #B" if share else "#pruned(B) − P·#B"
    return f"{of}, P = {ratio} of {group}; red, below 0: demands more"


def _file_name(name: str) -> str:
    """*name* without what some file systems refuse."""
    return re.sub(r"[^\w.@-]", "_", name)
