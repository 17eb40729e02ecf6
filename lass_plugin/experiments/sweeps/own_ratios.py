"""Ratios of all pairs from validation losses: the choice, its files and picture."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.experiments.sweeps.losses import MEASURE
from lass_plugin.experiments.sweeps.ratio_choice import RatioChoice, choose_ratios
from lass_plugin.experiments.sweeps.weight_variants import RATIO, WeightVariant
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.curves import Curve, draw_curves
from lass_plugin.records.json_record import RecordFormat

FORM = RecordFormat("lass_plugin allocation", "a record of an allocation")


def choose(
    own: WeightVariant,
    variants: Sequence[WeightVariant],
    losses: Mapping[str, Mapping[str, float]],
) -> tuple[RatioChoice, dict[str, Any]]:
    """Each pair's own ratio, by the losses of the single ratios.

    Args:
        own: its ratio is the budget.
        variants: those of one ratio for all pairs, by the search of *own*, are the
            grid.
        losses: name of a variant -> pair -> loss.

    Returns:
        The choice; and all that it was made from, as JSON values.
    """
    grid = [v for v in variants if v.kind == RATIO and v.search == own.search]
    if not grid:
        raise LassError(
            "own ratios need a grid of ratios to choose from; give --ratios"
        )
    table = {
        key: {v.ratio: losses[v.name][key] for v in grid}
        for key in losses[grid[0].name]
    }
    choice = choose_ratios(table, own.ratio)
    return choice, {
        "loss": MEASURE,
        "method": str(own.search),
        "budget": choice.budget,
        "mean_ratio": choice.mean_ratio,
        "mean_loss": choice.mean_loss,
        "mean_loss_at_one_ratio": choice.single,
        "grid": [v.ratio for v in grid],
        "pairs": {
            key: {
                "ratio": ratio,
                "loss": choice.losses[key],
                "losses": list(table[key].values()),
            }
            for key, ratio in choice.ratios.items()
        },
    }


def write(record: Mapping[str, Any], data: Path) -> list[Path]:
    """Write *record* to *data* (``.json``); ``.csv``, ``.png``, ``.svg`` beside it."""
    FORM.write(data, record)
    lines = [
        {
            "pair": key,
            "ratio": f"{pair['ratio']:g}",
            "loss": pair["loss"],
            **{
                f"loss_{ratio:g}": loss
                for ratio, loss in zip(record["grid"], pair["losses"], strict=True)
            },
        }
        for key, pair in record["pairs"].items()
    ]
    table = write_csv(data.with_suffix(".csv"), lines, floats=".6f")
    return [data, table, *draw_choice(data)]


def draw_choice(data: str | os.PathLike) -> list[Path]:
    """Draw the pairs' losses over the ratio, and what was chosen, beside *data*.

    Raises:
        LassError: *data* is not a record of an allocation.
    """
    with FORM.reading(data) as record:
        pairs, budget = record["pairs"], record["budget"]
        curves = [
            Curve(f"{key} ({pair['ratio']:.2f})", record["grid"], pair["losses"])
            for key, pair in pairs.items()
        ]
        x = [pair["ratio"] for pair in pairs.values()]
        y = [pair["loss"] for pair in pairs.values()]
        return draw_curves(
            [*curves, Curve("chosen", x, y, points_only=True)],
            Path(data).with_suffix(".png"),
            f"Each pair its own ratio, {budget:g} on average",
            "pruning ratio",
            "loss before joint training, bits a token",
        )
