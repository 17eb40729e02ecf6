"""What gates take away: by layer, by kind of component, and between languages.

Of Li 2022 the pictures that need gates only: the sparsity of each layer (Figure 3), of
kinds of components and of layers over the sparsity (Figures 5 and 6), and the Hamming
distances of languages (Figure 7). All shares are means over the keys of a gate set.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lass_plugin.anatomy.encoders import stands_alone
from lass_plugin.anatomy.neurons import UNITS, unit_of
from lass_plugin.anatomy.places import CROSS_ATTENTION, find_place
from lass_plugin.methods.gates.carried import gates_at
from lass_plugin.methods.gates.components import Components, is_rank
from lass_plugin.methods.gates.sets import DYNAMIC
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.curves import LAYER_LABEL, Curve, draw_panels
from lass_plugin.records.heat_map import heat_map
from lass_plugin.records.json_record import RecordFormat

NAME = "gates_drawn.json"
FORM = RecordFormat(
    "lass_plugin gate shares", f"a {NAME} of 'lass gates draw'", sealed=1
)

HEADS, HIDDEN, RANKS = "attention heads", "hidden units", "embedding"
KINDS = (HEADS, HIDDEN, RANKS)


@dataclass(frozen=True, eq=False)
class System:
    """The gates of one pruning, at each sparsity that it serves."""

    name: str
    components: Components
    gates: Mapping[float, Mapping[str, Mapping[str, Tensor]]]
    """Sparsity asked for -> key -> site -> ``(n,)``."""


def system_of(name: str, place: Path) -> System:
    """Gates at every sparsity that they serve.

    Args:
        place: a folder of ``lass gates select``, or a checkpoint with gates.

    Raises:
        LassError: it is neither.
    """
    sets = gates_at(place)
    keys = list(sets.rows)
    if sets.kind == DYNAMIC:
        asked = [round(1.0 - size, 6) for size in sets.grid if size > 0.0]
        of_each = {s: {key: sets.values(key, s) for key in keys} for s in sorted(asked)}
        return System(name, sets.components, of_each)
    values = {key: sets.values(key) for key in keys}
    components = sets.components
    removed = sum(map(components.sparsity, values.values())) / len(values)
    return System(name, components, {round(removed, 6): values})


def kind_of(site: str) -> str:
    """One of :data:`KINDS`."""
    if is_rank(site):
        return RANKS
    return HEADS if unit_of(site) is UNITS["heads"] else HIDDEN


def closed(gates: Sequence[Mapping[str, Tensor]], site: str) -> float:
    """The share of *site* that is closed, on average over *gates* of several keys."""
    return float(
        torch.stack([each[site].eq(0).float().mean() for each in gates]).mean()
    )


def shares(system: System) -> list[dict[str, Any]]:
    """A row for each sparsity and site, and for each sparsity and kind, layer, all.

    Returns:
        Dictionaries with ``system``, ``sparsity`` (asked for), ``what`` (``site``,
        ``kind``, ``layer`` or ``all``), ``name`` and ``removed``. Of a layer and of all
        the share is weighted as Appendix B weighs; ranks are in neither.
    """
    components = system.components
    rows = []
    for sparsity, of_keys in system.gates.items():
        gates = list(of_keys.values())
        removed = {site: closed(gates, site) for site in components.counts}
        groups: dict[tuple[str, str], list[str]] = {}
        for site in components.counts:
            place = find_place(site)
            groups.setdefault(("site", site), []).append(site)
            groups.setdefault(("kind", kind_of(site)), []).append(site)
            if not is_rank(site):
                layer = f"{place.side} {place.layer}"
                groups.setdefault(("layer", layer), []).append(site)
                groups.setdefault(("all", "encoder"), []).append(site)
        for (what, name), sites in groups.items():
            weights = [components.counts[s] * components.weight(s) for s in sites]
            share = float(np.average([removed[s] for s in sites], weights=weights))
            rows.append(
                {
                    "system": system.name,
                    "sparsity": sparsity,
                    "what": what,
                    "name": "all" if what == "all" else name,
                    "removed": round(share, 6),
                }
            )
    return rows


def distances(gates: Mapping[str, Mapping[str, Tensor]]) -> np.ndarray:
    """``(keys, keys)`` share of components that are open for one of two keys only.

    Args:
        gates: key -> site -> ``(n,)``; a fraction is open.
    """
    open_ = torch.stack(
        [
            torch.cat([each[site] != 0 for site in sorted(each)])
            for each in gates.values()
        ]
    ).float()  # (keys, components)
    differing = open_ @ (1 - open_).t()
    return ((differing + differing.t()) / open_.shape[1]).numpy()


def write_shares(
    systems: Sequence[System], sparsity: float, folder: str | os.PathLike
) -> list[Path]:
    """Write :data:`NAME`, a table and the pictures to *folder*.

    Args:
        sparsity: of the pictures that show one; of a system that does not serve it the
            nearest.
    """
    data = Path(folder) / NAME
    matrices = []
    for system in systems:
        nearest = min(system.gates, key=lambda each: abs(each - sparsity))
        if len(system.gates[nearest]) > 1:
            matrices.append(
                {
                    "system": system.name,
                    "sparsity": nearest,
                    "keys": list(system.gates[nearest]),
                    "distances": distances(system.gates[nearest]).round(6).tolist(),
                }
            )
    rows = [row for system in systems for row in shares(system)]
    content = {"sparsity": sparsity, "shares": rows, "distances": matrices}
    FORM.write(data, content, rows=True)
    table = write_csv(data.with_suffix(".csv"), rows)
    return [data, table, *draw_shares(data)]


def draw_shares(data: Path) -> list[Path]:
    """Draw what :func:`write_shares` wrote, beside it.

    Raises:
        RecordError: it is no such record.
    """
    with FORM.reading(data) as record:
        rows, sparsity = record["shares"], float(record["sparsity"])
        by_system: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_system.setdefault(row["system"], []).append(row)
        written = _draw_layers(by_system, sparsity, data.with_name("layers.png"))
        dynamic = {
            name: own
            for name, own in by_system.items()
            if len({row["sparsity"] for row in own}) > 1
        }
        if dynamic:
            written += _draw_over_sparsity(dynamic, "kind", data)
            written += _draw_over_sparsity(dynamic, "layer", data)
        for matrix in record["distances"]:
            name = f"distances-{matrix['system']}.png"
            written += heat_map(
                np.array(matrix["distances"]),
                matrix["keys"],
                data.with_name(name),
                f"Hamming distance of gates, {matrix['system']} at "
                f"{matrix['sparsity']:.0%}",
                caption="share of components that are open for one of the two only",
            )
    return written


def _draw_layers(
    by_system: Mapping[str, Sequence[Mapping[str, Any]]], sparsity: float, path: Path
) -> list[Path]:
    """Figure 3: the sparsity of each layer, a panel for heads and one for units."""
    panels: dict[str, list[Curve]] = {}
    for name, rows in by_system.items():
        nearest = min({r["sparsity"] for r in rows}, key=lambda s: abs(s - sparsity))
        points: dict[str, dict[int, float]] = {}
        for row in rows:
            place = find_place(row["name"]) if row["what"] == "site" else None
            if place and place.layer is not None and row["sparsity"] == nearest:
                panel = _panel(row["name"])
                points.setdefault(panel, {})[place.layer] = row["removed"]
        for panel, values in points.items():
            layers = sorted(values)
            curve = Curve(name, layers, [values[layer] for layer in layers])
            panels.setdefault(panel, []).append(curve)
    return draw_panels(
        panels, path, "Sparsity of layers", LAYER_LABEL, "share removed", least=0.1
    )


def _panel(site: str) -> str:
    place, kind = find_place(site), kind_of(site)
    attention = " (cross-attention)" if place.attention == CROSS_ATTENTION else ""
    side = "" if stands_alone(site) else f"{place.side} "
    return f"{side}{kind}{attention}"


def _draw_over_sparsity(
    by_system: Mapping[str, Sequence[Mapping[str, Any]]], what: str, data: Path
) -> list[Path]:
    """Figures 5 and 6: what is removed of each kind, or layer, over the sparsity."""
    panels: dict[str, list[Curve]] = {}
    for system, rows in by_system.items():
        values: dict[str, dict[float, float]] = {}
        for row in rows:
            if row["what"] == what:
                values.setdefault(row["name"], {})[row["sparsity"]] = row["removed"]
        panels[system] = [
            Curve(name, sorted(of), [of[each] for each in sorted(of)])
            for name, of in values.items()
        ]
    return draw_panels(
        panels,
        data.with_name(f"{what}s_over_sparsity.png"),
        f"Sparsity of {what}s over the sparsity",
        "sparsity",
        "share removed",
    )
