"""Components: the parts of a model by which masks and neurons are compared."""

from typing import Callable, Iterable

from lass_plugin.anatomy.places import (
    CROSS_ATTENTION,
    EMBEDDING,
    FEED_FORWARD,
    HEADS,
    OUTPUT_PROJECTION,
    PROJECTIONS,
    SELF_ATTENTION,
    SIDES,
    Place,
    find_place,
)
from lass_plugin.errors import LassError

Choice = Callable[[Place], bool]


def _attention(name: str, side: str) -> Choice:
    return lambda place: (place.attention, place.side) == (name, side)


def _matrix(name: str) -> Choice:
    return lambda place: place.matrix == name


def _side(name: str) -> Choice:
    return lambda place: place.side == name


COMPONENTS: dict[str, Choice] = {
    "encoder": _side("encoder"),
    "decoder": _side("decoder"),
    "encoder self-attention": _attention(SELF_ATTENTION, "encoder"),
    "decoder self-attention": _attention(SELF_ATTENTION, "decoder"),
    "cross-attention": _attention(CROSS_ATTENTION, "decoder"),
    **{name: _matrix(name) for name in (*PROJECTIONS, *FEED_FORWARD, HEADS)},
    "embeddings": _matrix(EMBEDDING),
    "output projection": _matrix(OUTPUT_PROJECTION),
}
"""Part of the model and the sites that belong to it; a site can be in several."""

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
        for name, belongs in COMPONENTS.items():
            parts[name] = [site for site, place in placed if belongs(place)]
    inside = [(site, place) for site, place in placed if place.layer is not None]
    for site, place in sorted(inside, key=_order):
        layer = f"{place.side} layer {place.layer}"
        if by in ("layer", "every"):
            parts.setdefault(layer, []).append(site)
        if by in ("layer-component", "every"):
            matrix = place.part.replace(".", " ")
            parts.setdefault(f"{layer} {matrix}", []).append(site)
    return {name: chosen for name, chosen in parts.items() if chosen}


def _order(item: tuple[str, Place]) -> tuple[int, int]:
    place = item[1]
    assert place.layer is not None
    return SIDES.index(place.side), place.layer
