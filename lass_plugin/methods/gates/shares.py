"""How much gates leave out: of each key, each kind of component and each layer."""

from collections.abc import Mapping

from torch import Tensor

from lass_plugin.anatomy.neurons import unit_of
from lass_plugin.anatomy.places import find_place
from lass_plugin.methods.gates.components import HEADS, UNIT, Components, is_rank
from lass_plugin.methods.gates.sets import GateSets

WHOLE = "all heads and units"


def left_out(components: Components, gates: Mapping[str, Tensor]) -> dict[str, float]:
    """Part of the model -> the weighted share of its components that is left out.

    The parts are the whole (without ranks), heads, hidden units and ranks where there
    are such, and the heads and the units of each layer.
    """
    parts: dict[str, list[str]] = {}
    for site in components.counts:
        if is_rank(site):
            parts.setdefault("ranks", []).append(site)
            continue
        place = find_place(site)
        kind = {HEADS: "heads", UNIT: "units"}[unit_of(site)]  # type: ignore[index]
        for name in (WHOLE, kind, f"{place.side} layer {place.layer} {kind}"):
            parts.setdefault(name, []).append(site)
    shares = {}
    for name, sites in parts.items():
        weights = {site: components.weight(site) for site in sites}
        whole = sum(components.counts[site] * weights[site] for site in sites)
        closed = sum(int((gates[s] == 0).sum()) * weights[s] for s in sites)
        shares[name] = closed / whole
    return shares


def share_rows(sets: GateSets, sparsity: float | None = None) -> list[list[str]]:
    """A table with the parts down and the keys across, its head first.

    Raises:
        LassError: gates for any sparsity need one, others have no use for it.
    """
    columns = {
        key: left_out(sets.components, sets.values(key, sparsity)) for key in sets.keys
    }
    rows = [["left out of", *columns]]
    for part in next(iter(columns.values())):
        cells = [f"{shares[part]:.1%}" for shares in columns.values()]
        rows.append([part, *cells])
    return rows
