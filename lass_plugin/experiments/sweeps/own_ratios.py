"""Ratios of all pairs from validation losses: the allocation, its files and picture."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any, Mapping, Sequence

from lass_plugin import files
from lass_plugin.errors import LassError
from lass_plugin.experiments.sweeps import losses as loss_module
from lass_plugin.experiments.sweeps.allocation import Allocation, allocate
from lass_plugin.experiments.sweeps.variants import RATIO, Method, Variant
from lass_plugin.records.curves import Curve, draw_curves

FORMAT = "lass_plugin allocation"
VERSION = 1


def choose_ratios(
    method: Method,
    variants: Sequence[Variant],
    losses: Mapping[str, Mapping[str, float]],
    budget: float,
) -> Allocation:
    """Each pair's own ratio under *budget*, by the losses of the single ratios.

    Args:
        variants: those of one ratio for all pairs are the grid.
        losses: name of a variant -> pair -> loss.
    """
    grid = [v for v in variants if v.kind == RATIO and v.method == method]
    if not grid:
        raise LassError(
            "own ratios need a grid of ratios to choose from; give --ratios"
        )
    pairs = losses[grid[0].name]
    table = {
        key: {float(v.ratio or 0.0): losses[v.name][key] for v in grid} for key in pairs
    }
    return allocate(table, budget)


def record_of(
    method: Method,
    variants: Sequence[Variant],
    losses: Mapping[str, Mapping[str, float]],
    allocation: Allocation,
) -> dict[str, Any]:
    """The allocation and the losses that it was made from, as JSON values."""
    grid = [v for v in variants if v.kind == RATIO and v.method == method]
    return {
        "format": FORMAT,
        "version": VERSION,
        "loss": loss_module.MEASURE,
        "method": str(method),
        "budget": allocation.budget,
        "mean_ratio": allocation.mean_ratio,
        "mean_loss": allocation.mean_loss,
        "mean_loss_at_one_ratio": allocation.single,
        "grid": [v.ratio for v in grid],
        "pairs": {
            key: {
                "ratio": ratio,
                "loss": allocation.losses[key],
                "losses": [losses[v.name][key] for v in grid],
            }
            for key, ratio in allocation.ratios.items()
        },
    }


def write(record: Mapping[str, Any], data: Path) -> list[Path]:
    """Write *record* to *data* (``.json``); ``.csv``, ``.png``, ``.svg`` beside it."""
    files.write_json(data, record)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    grid = [f"loss_{ratio:g}" for ratio in record["grid"]]
    writer.writerow(["pair", "ratio", "loss", *grid])
    for key, pair in record["pairs"].items():
        losses = [f"{value:.6f}" for value in pair["losses"]]
        writer.writerow([key, f"{pair['ratio']:g}", f"{pair['loss']:.6f}", *losses])
    files.write_text(data.with_suffix(".csv"), text.getvalue())
    return [data, data.with_suffix(".csv"), *draw_allocation(data)]


def draw_allocation(data: str | os.PathLike) -> list[Path]:
    """Draw the pairs' losses over the ratio, and what was chosen, beside *data*.

    Raises:
        LassError: *data* is not a record of an allocation.
    """
    data = Path(data)
    try:
        record = json.loads(data.read_text(encoding="utf-8"))
        if record["format"] != FORMAT or record["version"] != VERSION:
            raise ValueError("it has another format or version")
        curves = [
            Curve(f"{key} ({pair['ratio']:.2f})", record["grid"], pair["losses"])
            for key, pair in record["pairs"].items()
        ]
        chosen = [(pair["ratio"], pair["loss"]) for pair in record["pairs"].values()]
        x, y = zip(*chosen, strict=True)
        budget = record["budget"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LassError(f"{data} is not a record of an allocation ({error})") from error
    return draw_curves(
        [*curves, Curve("chosen", x, y, points_only=True)],
        data.with_suffix(".png"),
        f"Each pair its own ratio, {budget:g} on average",
        "pruning ratio",
        "loss before joint training, bits a token",
    )
