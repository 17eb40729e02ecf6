"""Components: the parts of a model by which masks and neurons are compared."""

import re
from typing import Iterable

from lass_plugin.errors import LassError

COMPONENTS: dict[str, str] = {
    "encoder": r"encoder\..*",
    "decoder": r"decoder\..*",
    "encoder self-attention": r"encoder\..*\.self_attn\..*",
    "decoder self-attention": r"decoder\..*\.self_attn\..*",
    "cross-attention": r"decoder\..*\.encoder_attn\..*",
    "q_proj": r".*\.q_proj(\.weight)?",
    "k_proj": r".*\.k_proj(\.weight)?",
    "v_proj": r".*\.v_proj(\.weight)?",
    "out_proj": r".*\.out_proj(\.weight)?",
    "fc1": r".*\.fc1(\.weight)?",
    "fc2": r".*\.fc2(\.weight)?",
    "heads": r".*\.heads",
    "embeddings": r".*\.embed_tokens\.weight",
    "output projection": r".*\.output_projection\.weight",
}
"""Part of the model and the sites that belong to it; a site can be in several."""

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
    if by in ("component", "every"):
        for name, pattern in COMPONENTS.items():
            parts[name] = [site for site in sites if re.fullmatch(pattern, site)]
    for side in ("encoder", "decoder"):
        layers: list[tuple[int, str, str]] = []
        for site in sites:
            if found := re.fullmatch(rf"{side}\.layers\.(\d+)\.(.+?)(\.weight)?", site):
                layers.append((int(found[1]), found[2].replace(".", " "), site))
        layers.sort(key=lambda place: place[0])
        for number, matrix, site in layers:
            if by in ("layer", "every"):
                parts.setdefault(f"{side} layer {number}", []).append(site)
            if by in ("layer-component", "every"):
                parts.setdefault(f"{side} layer {number} {matrix}", []).append(site)
    return {name: chosen for name, chosen in parts.items() if chosen}
