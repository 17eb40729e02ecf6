"""Similarity of masks as files: JSON, CSV, and the pictures drawn from the JSON."""

import csv
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from lass_plugin import files
from lass_plugin.analysis.layer_curves import draw_layers
from lass_plugin.analysis.similarity import Overlap, overlaps
from lass_plugin.analysis.similarity_groups import average_by_group, curves_over_layers
from lass_plugin.anatomy.components import WHOLE, parts_of
from lass_plugin.data.progress import Progress
from lass_plugin.errors import LassError
from lass_plugin.languages import order_keys
from lass_plugin.masks import MaskSet
from lass_plugin.records.heat_map import heat_map

MEASURE = "mean of Sim(M1, M2) and Sim(M2, M1), Sim(M1, M2) = |M1 and M2| / |M1|"


def write_similarity(
    masks: MaskSet,
    folder: str | os.PathLike,
    by: str = "all",
    order: str = "direction",
) -> list[Path]:
    """Compare *masks*; write JSON, CSV and a heat map as PNG and SVG to *folder*.

    Args:
        by: see :func:`.components.parts_of`; the parts get heat maps of their own.
        order: see :func:`.languages.order_keys`.

    Returns:
        The files written.
    """
    return write_overlaps(overlaps(masks, parts_of(masks.shapes, by)), folder, order)


def write_overlaps(
    parts: dict[str, Overlap], folder: str | os.PathLike, order: str = "direction"
) -> list[Path]:
    """Write ``similarity.json``, ``.csv``, ``.groups.csv`` and pictures to *folder*.

    Args:
        parts: name of a part -> counts; see :func:`draw_similarity` for the pictures.
        order: see :func:`.languages.order_keys`.

    Returns:
        The files written.
    """
    folder = Path(folder)
    keys = order_keys(next(iter(parts.values())).keys, order)
    records = {name: _record(overlap, keys) for name, overlap in parts.items()}
    matrices = {
        name: (np.array(part["similarity"]), np.array(part["chance"]))
        for name, part in records.items()
    }
    record: dict[str, Any] = {
        "measure": MEASURE,
        "keys": keys,
        "parts": records,
        "averages": list(average_by_group(keys, matrices)),
    }
    data = folder / "similarity.json"
    files.write_json(data, record, rows=True)
    table = folder / "similarity.csv"
    files.write_text(table, _csv(record))
    groups = folder / "similarity.groups.csv"
    files.write_text(groups, _groups_csv(record["averages"]))
    return [data, table, groups, *draw_similarity(data)]


def _record(overlap: Overlap, keys: list[str]) -> dict[str, Any]:
    """One part as JSON, its rows and columns in the order of *keys*."""
    order = [overlap.keys.index(key) for key in keys]

    def table(matrix: np.ndarray, digits: int = 6) -> list[list[float]]:
        return [[round(v, digits) for v in row] for row in _arrange(matrix, order)]

    return {
        "weights": overlap.units,
        "kept": [int(overlap.kept[index]) for index in order],
        "shared": _arrange(overlap.shared, order),
        "similarity": table(overlap.symmetric()),
        "chance": table(overlap.chance()),
    }


def _arrange(matrix: np.ndarray, order: list[int]) -> list[list]:
    return matrix[np.ix_(order, order)].tolist()


def _csv(record: dict[str, Any]) -> str:
    """A line for each part and two masks, both directions of Eq. 2 with it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["part", "first", "second", "similarity", "chance", "first_in_second"]
        + ["second_in_first", "shared", "kept_first", "kept_second", "weights"]
    )
    for name, part in record["parts"].items():
        for i, first in enumerate(record["keys"]):
            for j, second in enumerate(record["keys"][i + 1 :], start=i + 1):
                shared, kept = part["shared"][i][j], part["kept"]
                directed = [
                    f"{shared / kept[k]:.6f}" if kept[k] else "" for k in (i, j)
                ]
                writer.writerow(
                    [name, first, second]
                    + [f"{part[key][i][j]:.6f}" for key in ("similarity", "chance")]
                    + [*directed, shared, kept[i], kept[j], part["weights"]]
                )
    return text.getvalue()


def _groups_csv(averages: list[dict[str, Any]]) -> str:
    """A line for each part and group of masks."""
    text = io.StringIO()
    fields = ["part", "group", "comparisons", "mean", "least", "most", "chance"]
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(averages)
    return text.getvalue()


def read_similarity(path: str | os.PathLike) -> dict[str, Any]:
    """Read a ``similarity.json``: its record, with the matrices as arrays.

    Raises:
        LassError: *path* is not such a file.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        keys = record["keys"] = [str(key) for key in record["keys"]]
        for part in record["parts"].values():
            for name in ("similarity", "chance"):
                part[name] = np.array(part[name], dtype=np.float64)
                if part[name].shape != (len(keys), len(keys)):
                    raise ValueError(f"{name} is not {len(keys)} by {len(keys)}")
        record["averages"] = list(record.get("averages", ()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LassError(
            f"{path} is not a similarity.json of 'lass compare' ({error})"
        ) from error
    return record


def draw_similarity(data: str | os.PathLike) -> list[Path]:
    """Draw what is in a ``similarity.json``, beside that file.

    A heat map of the whole model, of every component and of every layer; where there
    are single matrices of layers, curves over the layers for each group of masks.

    Raises:
        LassError: *data* is not such a file.
    """
    data = Path(data)
    record = read_similarity(data)
    keys, curves = record["keys"], curves_over_layers(record["averages"])
    drawn = {
        name: (part["similarity"], part["chance"])
        for name, part in record["parts"].items()
        if not re.fullmatch(r"(encoder|decoder) layer \d+ .+", name)
    }
    progress = Progress("drawing", len(drawn))
    written = []
    for name, (matrix, chance) in drawn.items():
        np.fill_diagonal(matrix, np.nan)  # 1 by definition
        suffix = "" if name == WHOLE else f".{re.sub(r'[^a-z0-9]+', '-', name)}"
        apart = ~np.eye(len(keys), dtype=bool)
        mean = f"{chance[apart].mean():.2f}" if len(keys) > 1 else "-"
        written += heat_map(
            matrix,
            keys,
            data.with_name(f"similarity{suffix}.png"),
            f"Similarity of masks, {name}",
            breaks=_group_starts(keys),
            caption=f"shared weights / weights kept; chance {mean}",
        )
        progress.advance(1, name)
    written += draw_layers(curves, data.with_name("similarity.layers.png"))
    progress.finish()
    return written


def _group_starts(keys: list[str]) -> list[int]:
    """Where neighbouring keys have neither source nor target in common, or where a
    run of one source ends and a run of one target begins."""
    sides = [key.partition("-")[::2] for key in keys]
    starts, common = [], {0, 1}
    for place in range(1, len(sides)):
        same = {side for side in (0, 1) if sides[place][side] == sides[place - 1][side]}
        common &= same
        if not common:
            starts.append(place)
            common = {0, 1}
    return starts
