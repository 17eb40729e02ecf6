"""LScore and MScore as files: JSON, CSV, and the pictures drawn from the JSON."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, hub_of
from lass_plugin.neurons.allocation import Allocation
from lass_plugin.neurons.layer_scores import LAYER, MODULES, Spread
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.curves import LAYER_LABEL, Curve, draw_panels
from lass_plugin.records.json_record import RecordFormat
from lass_plugin.records.plain_settings import record as options_of

NAME = "layer_scores.json"
FORM = RecordFormat(
    "lass_plugin layer scores", f"a {NAME} of 'lass neurons show'", unmarked=True
)
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
    layers = [
        {**asdict(each), "lscore": {key: each.lscore(key) for key in each.allocated}}
        for each in spreads
        if each.part == LAYER
    ]
    parts = [
        {**asdict(each), "mscore": each.mscore()}
        for each in spreads
        if each.part != LAYER
    ]
    record = {
        "measure": _MEASURES,
        "rule": options_of(allocation.rule),
        "thresholds": allocation.thresholds,
        "layers": layers,
        "parts": parts,
    }
    data = FORM.write(folder / NAME, record)
    place = ("side", "layer", "part")
    of_keys = [
        {
            **{name: layer[name] for name in place[:2]},
            "key": key,
            "lscore": score,
            "allocated": layer["allocated"][key],
            "specific": layer["specific"],
        }
        for layer in layers
        for key, score in layer["lscore"].items()
    ]
    of_parts = [
        {
            **{name: part[name] for name in (*place, "mscore")},
            "keys": len(part["allocated"]),
            "allocated": sum(part["allocated"].values()),
            **{name: part[name] for name in ("specific", "nobodys", "neurons")},
        }
        for part in parts
    ]
    tables = [
        write_csv(folder / "lscore.csv", of_keys),
        write_csv(folder / "mscore.csv", of_parts),
    ]
    return [data, *tables, *draw_layer_scores(data)]


def draw_layer_scores(data: str | os.PathLike) -> list[Path]:
    """Draw what is in a ``layer_scores.json``, beside that file (Xie 2021, Fig. 3).

    Returns:
        ``lscore.png``, ``.svg``, ``mscore.png`` and ``.svg``.

    Raises:
        LassError: *data* is not such a file.
    """
    with FORM.reading(data) as record:
        caption, by = _caption(record), record["rule"]["by"]
        by_key, by_module = _lscore_curves(record), _mscore_curves(record)
    kind = "source or target" if by == "separate" else by
    written = []
    for name, panels, title, share in (
        ("lscore", by_key, f"LScore of each {kind}", "share of the layer's"),
        ("mscore", by_module, "MScore of each module", "mean share of the module's"),
    ):
        written += draw_panels(
            panels,
            Path(data).with_name(f"{name}.png"),
            title,
            LAYER_LABEL,
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
    """For each pair ``en→X``, ``X→en`` or ``no en``; nothing for other keys."""
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
