"""Components: the parts of a model by which masks and neurons are compared."""

from typing import Iterable

from lass_plugin.anatomy.places import (
    CROSS_ATTENTION,
    EMBEDDING,
    FEED_FORWARD,
    HEADS,
    OUTPUT_PROJECTION,
    PROJECTIONS,
    SELF_ATTENTION,
    SIDES,
    find_place,
)
from lass_plugin.errors import LassError

COMPONENTS: dict[str, dict[str, str]] = {
    "encoder": {"side": "encoder"},
    "decoder": {"side": "decoder"},
    "encoder self-attention": {"attention": SELF_ATTENTION, "side": "encoder"},
    "decoder self-attention": {"attention": SELF_ATTENTION, "side": "decoder"},
    "cross-attention": {"attention": CROSS_ATTENTION, "side": "decoder"},
    **{name: {"matrix": name} for name in (*PROJECTIONS, *FEED_FORWARD, HEADS)},
    "embeddings": {"matrix": EMBEDDING},
    "output projection": {"matrix": OUTPUT_PROJECTION},
}
"""Part of the model -> what the places of its sites have; a site can be in several."""

ATTENTION_LABELS = {
    SELF_ATTENTION: "self-attention",
    CROSS_ATTENTION: "cross-attention",
}
"""Name of each attention in words."""

WHOLE = "whole model"

BREAKDOWNS = ("all", "component", "layer", "layer-component", "every")
"""Values of *by* in :func:`parts_of`."""


def parts_of(sites: Iterable[str], by: str) -> dict[str, list[str]]:
    """Name of each part of the model -> its sites, the whole model first.

    Args:
        by: ``all`` (only the whole), ``component`` (:data:`COMPONENTS`), ``layer``,
            ``layer-component`` (a matrix of a layer, ``encoder layer 0 self_attn
            q_proj``), or ``every`` (all of these).
    """
    sites = list(sites)
    parts = {WHOLE: sites}
    if by not in BREAKDOWNS:
        raise LassError(
            f"unknown breakdown '{by}'; choose {', '.join(BREAKDOWNS[:-1])} or "
            f"{BREAKDOWNS[-1]}"
        )
    placed = [(site, place) for site in sites if (place := find_place(site))]
    if by in ("component", "every"):
        for name, of_all in COMPONENTS.items():
            parts[name] = [
                site
                for site, place in placed
                if all(getattr(place, what) == value for what, value in of_all.items())
            ]
    placed.sort(key=lambda each: (SIDES.index(each[1].side), each[1].layer or 0))
    for site, place in placed:
        layer = f"{place.side} layer {place.layer}"
        if place.layer is not None and by in ("layer", "every"):
            parts.setdefault(layer, []).append(site)
        if place.layer is not None and by in ("layer-component", "every"):
            parts.setdefault(f"{layer} {place.part.replace('.', ' ')}", []).append(site)
    return {name: chosen for name, chosen in parts.items() if chosen}
