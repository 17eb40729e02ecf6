"""LScore and MScore as files: JSON, CSV, and the pictures drawn from the JSON."""

import csv
import io
import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, Mapping, Sequence

from lass_plugin import files
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, hub_of
from lass_plugin.neurons.allocation import Allocation
from lass_plugin.neurons.layer_scores import LAYER, MODULES, Spread
from lass_plugin.records.curves import Curve, draw_panels

NAME = "layer_scores.json"
SIDES = ("encoder", "decoder")

_MEASURES = {
    "lscore": "neurons allocated to the key / specific neurons of the layer (Xie 2021, "
    "Eq. 10)",
    "mscore": "mean over the keys of: neurons allocated to the key / specific neurons "
    "of the part (Eq. 11)",
    "specific": "neurons that are not general; without any, both scores are null",
}


def write_layer_scores(
    spreads: Sequence[Spread], allocation: Allocation, folder: str | os.PathLike
) -> list[Path]:
    """Write ``layer_scores.json``, ``lscore`` and ``mscore`` (.csv, .png and .svg).

    Args:
        spreads: of :func:`.layer_scores.spread_over_layers`.
        allocation: what they were counted in.

    Returns:
        The files written.
    """
    folder = Path(folder)
    layers = [spread for spread in spreads if spread.part == LAYER]
    parts = [spread for spread in spreads if spread.part != LAYER]
    data = folder / NAME
    files.write_json(
        data,
        {
            "measure": _MEASURES,
            "rule": asdict(allocation.rule),
            "thresholds": allocation.thresholds,
            "layers": [
                {
                    **asdict(spread),
                    "lscore": {key: spread.lscore(key) for key in spread.allocated},
                }
                for spread in layers
            ],
            "parts": [
                {**asdict(spread), "mscore": spread.mscore()} for spread in parts
            ],
        },
    )
    tables = [folder / "lscore.csv", folder / "mscore.csv"]
    files.write_text(tables[0], _lscore_csv(layers))
    files.write_text(tables[1], _mscore_csv(parts))
    return [data, *tables, *draw_layer_scores(data)]


def _lscore_csv(layers: Sequence[Spread]) -> str:
    """A line for each layer and key; the score is empty where it is of nothing."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["side", "layer", "key", "lscore", "allocated", "specific"])
    for spread in layers:
        for key, count in spread.allocated.items():
            score = _cell(spread.lscore(key))
            row = [spread.side, spread.layer, key, score, count, spread.specific]
            writer.writerow(row)
    return text.getvalue()


def _mscore_csv(parts: Sequence[Spread]) -> str:
    """A line for each layer and module or site."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["side", "layer", "part", "mscore", "keys", "allocated", "specific"]
        + ["nobodys", "neurons"]
    )
    for spread in parts:
        writer.writerow(
            [spread.side, spread.layer, spread.part, _cell(spread.mscore())]
            + [len(spread.allocated), sum(spread.allocated.values())]
            + [spread.specific, spread.nobodys, spread.neurons]
        )
    return text.getvalue()


def _cell(score: float | None) -> str:
    return "" if score is None else repr(score)


def draw_layer_scores(data: str | os.PathLike) -> list[Path]:
    """Draw what is in a ``layer_scores.json``, beside that file (Xie 2021, Fig. 3).

    Returns:
        ``lscore.png``, ``.svg``, ``mscore.png`` and ``.svg``.

    Raises:
        LassError: *data* is not such a file.
    """
    data = Path(data)
    try:
        record = json.loads(data.read_text(encoding="utf-8"))
        caption, by = _caption(record), record["rule"]["by"]
        by_key, by_module = _lscore_curves(record), _mscore_curves(record)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LassError(
            f"{data} is not a {NAME} of 'lass neurons show' ({error})"
        ) from error
    kind = "source or target" if by == "separate" else by
    written = []
    for name, panels, title, share in (
        ("lscore", by_key, f"LScore of each {kind}", "share of the layer's"),
        ("mscore", by_module, "MScore of each module", "mean share of the module's"),
    ):
        written += draw_panels(
            panels,
            data.with_name(f"{name}.png"),
            title,
            "layer (0 is the first)",
            f"{share} specific neurons",
            caption=caption,
        )
    return written


def _caption(record: Mapping[str, Any]) -> str:
    """How the neurons were allocated; a budget gives each pair its own k."""
    least, most = (end(record["thresholds"].values()) for end in (min, max))
    k = f"{least:.4g}" if least == most else f"{least:.4g} to {most:.4g}"
    rule = record["rule"]
    return f"general {rule['general']:g}, k {k}, by {rule['by']}"


def _lscore_curves(record: Mapping[str, Any]) -> dict[str, list[Curve]]:
    """Panel -> a curve for each key."""
    panels = {}
    for side in SIDES:
        layers = [entry for entry in record["layers"] if entry["side"] == side]
        if layers:
            keys = list(layers[0]["lscore"])
            groups = _directions(keys)
            panels[side] = [
                _curve(key, [(e["layer"], e["lscore"][key]) for e in layers], group)
                for key, group in zip(keys, groups, strict=True)
            ]
    return panels


def _mscore_curves(record: Mapping[str, Any]) -> dict[str, list[Curve]]:
    """Panel -> a curve for each module."""
    panels = {}
    for side in SIDES:
        parts = [entry for entry in record["parts"] if entry["side"] == side]
        points = {
            module: [(e["layer"], e["mscore"]) for e in parts if e["part"] == module]
            for module in MODULES
        }
        if parts:
            panels[side] = [
                _curve(module, found) for module, found in points.items() if found
            ]
    return panels


def _curve(
    label: str, points: Sequence[tuple[int, float | None]], group: str = ""
) -> Curve:
    """A curve with a gap where there is no score."""
    x, y = zip(*points, strict=True)
    values = [math.nan if value is None else float(value) for value in y]
    return Curve(label, [int(layer) for layer in x], values, group=group)


def _directions(keys: Sequence[str]) -> list[str]:
    """Of each pair, ``en→X``, ``X→en`` or ``without en``; of other keys nothing."""
    try:
        pairs = [Pair.parse(key) for key in keys]
    except LassError:
        return [""] * len(keys)
    hub = hub_of(pairs)
    return [
        f"{hub}→X"
        if p.source == hub
        else f"X→{hub}"
        if p.target == hub
        else f"no {hub}"
        for p in pairs
    ]
