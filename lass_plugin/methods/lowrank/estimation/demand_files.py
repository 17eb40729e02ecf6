"""Demands as files: exact JSON, CSV, and pictures drawn from the JSON."""

import os
import re
from itertools import chain
from pathlib import Path
from typing import Any, Iterable, Mapping

import numpy as np

from lass_plugin.data.progress import Progress
from lass_plugin.methods.lowrank.estimation.demand_maps import Cells
from lass_plugin.methods.lowrank.estimation.demands import (
    NAME,
    Demand,
    Estimate,
    read_estimate,
    write_estimate,
)
from lass_plugin.methods.lowrank.pruning import LAYER
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.heat_map import heat_panels


def write_demands(
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
    data = folder / NAME
    write_estimate(data, found, correlation, notes)
    table = write_csv(data.with_suffix(".csv"), map(_line, found.demands))
    return [data, table, *(draw_demands(data, share) if found.compared else ())]


def _line(demand: Demand) -> dict[str, Any]:
    """What the CSV says of one B."""
    matrix = demand.matrix
    return {
        "matrix": matrix.name,
        "side": matrix.side,
        "layer": matrix.layer,
        "kind": matrix.kind,
        "index": demand.index,
        "language": demand.language,
        "rank": demand.rank,
        "units": demand.units,
        "pruned": demand.pruned,
        "ratio": demand.ratio,
        "score": demand.score,
        "share": demand.share,
    }


def draw_demands(data: str | os.PathLike, share: bool = False) -> list[Path]:
    """Draw what is in an ``estimate.json``, beside that file.

    ``score.png`` (Fig. 2), ``score.layer-N.png`` (Fig. 5), ``score.layers.png`` (Fig.
    4), ``score.layers.LANGUAGE.png`` (Fig. 6), and ``.svg``; ``share…`` with *share*.
    All layers have one scale of colours, and so have all languages.

    Raises:
        LassError: *data* is not such a file.
    """
    data = Path(data)
    found = read_estimate(data)
    groups = Cells(found, share).maps()
    caption, kind = describe(found, share), "share" if share else "score"
    progress = Progress("drawing", sum(map(len, groups)))
    written: list[Path] = []
    for maps in groups:
        values = chain.from_iterable(each.values.values() for each in maps)
        limit = max(float(np.nanmax(np.abs(each), initial=0.0)) for each in values)
        for each in maps:
            name = ".".join(filter(None, [kind, each.name]))
            written += heat_panels(
                {
                    side: (each.columns[side], each.values[side])
                    for side in each.columns
                },
                each.rows,
                data.with_name(f"{_file_name(name)}.png"),
                each.title,
                limit=limit,
                breaks=each.breaks,
                row_label="language" if each.by == "language" else "layer (from 0)",
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
