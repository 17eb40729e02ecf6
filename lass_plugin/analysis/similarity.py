"""Similarity of masks: how much of one sub-network is part of another.

    Sim(M1, M2) = |M1 ∩ M2|₀ / |M1|₀                              (Lin 2021, Eq. 2)

This is symmetric only where both masks keep as many weights; the symmetric value is
the mean of Sim(M1, M2) and Sim(M2, M1). Two independent masks that keep as many weights
in every matrix as these would share

    chance = Σ_s |M1_s|₀ |M2_s|₀ / n_s  /  |M1|₀

over the matrices s of n_s weights: the density of M2, if that is the same everywhere.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Mapping, Sequence

import numpy as np

from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.masks import MaskSet
from lass_plugin.masks.mask import packing_units

_BLOCK = 1 << 15
"""Bytes of each mask that are compared at once: all masks together fit in a cache."""

_POPCOUNT = np.array([bin(word).count("1") for word in range(1 << 16)], dtype=np.uint8)

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


@dataclass(frozen=True)
class Overlap:
    """Counts of what n masks keep and share, summed over some matrices."""

    keys: tuple[str, ...]
    units: int
    """Number of weights."""
    shared: np.ndarray
    """``(n, n)`` number of weights that both keep; the diagonal holds |M|₀."""
    expected: np.ndarray
    """``(n, n)`` the same for independent masks, Σ_s |M1_s|₀ |M2_s|₀ / n_s."""

    @property
    def kept(self) -> np.ndarray:
        """``(n,)`` |M|₀."""
        return np.diagonal(self.shared)

    def directed(self) -> np.ndarray:
        """``(n, n)`` Sim(row, column) of Eq. 2; 1 where the row keeps nothing."""
        return _share(self.shared, self.kept)

    def symmetric(self) -> np.ndarray:
        """``(n, n)`` mean of Sim(M1, M2) and Sim(M2, M1)."""
        directed = self.directed()
        return (directed + directed.T) / 2

    def chance(self) -> np.ndarray:
        """``(n, n)`` what :meth:`symmetric` is for independent masks, 1 on the
        diagonal."""
        directed = _share(self.expected, self.kept)
        chance = (directed + directed.T) / 2
        np.fill_diagonal(chance, 1.0)
        return chance


def _share(shared: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """*shared* of each row divided by what the row keeps."""
    empty = kept == 0
    return np.where(empty[:, None], 1.0, shared / np.where(empty, 1, kept)[:, None])


def overlaps(
    masks: MaskSet, parts: Mapping[str, Iterable[str]] | None = None
) -> dict[str, Overlap]:
    """Compare every two masks of a set, on the packed bits.

    Args:
        parts: name of a part -> its sites; None for the whole model.

    Returns:
        Name of the part -> counts, in the order of *parts*.
    """
    parts = parts or {WHOLE: list(masks.shapes)}
    wanted = {site for sites in parts.values() for site in sites}
    by_site = {site: _shared(masks, site) for site in masks.shapes if site in wanted}
    result = {}
    for part, sites in parts.items():
        shared = np.zeros((len(masks), len(masks)), dtype=np.int64)
        expected = np.zeros((len(masks), len(masks)))
        units = 0
        for site in sites:
            if site not in by_site:
                raise LassError(
                    f"the masks do not cover {site}; 'lass list --by-site' shows what "
                    "they cover"
                )
            kept = np.diagonal(by_site[site]).astype(np.float64)
            size = packing_units(masks.shapes[site])
            shared += by_site[site]
            expected += np.outer(kept, kept) / size
            units += size
        result[part] = Overlap(tuple(masks), units, shared, expected)
    return result


def _shared(masks: MaskSet, site: str) -> np.ndarray:
    """``(n, n)`` number of weights of one site that every two masks share."""
    bits = [mask.bits[site].cpu().numpy() for mask in masks.values()]
    shared = np.zeros((len(bits), len(bits)), dtype=np.int64)
    size = bits[0].size
    for start in range(0, size, _BLOCK):
        block = np.zeros(
            (len(bits), min(_BLOCK, -(-(size - start) // 8) * 8)), np.uint8
        )
        for row, packed in zip(block, bits, strict=True):
            part = packed[start : start + _BLOCK]
            row[: part.size] = part
        words = block.view(np.uint64)  # (n, words)
        for i in range(len(bits)):
            shared[i, i:] += _ones(words[i] & words[i:])
    return shared + np.triu(shared, 1).T


def _ones(words: np.ndarray) -> np.ndarray:
    """``(rows, words)`` uint64 -> ``(rows,)`` number of ones of each row."""
    if hasattr(np, "bitwise_count"):  # numpy 2
        return np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    return _POPCOUNT[words.view(np.uint16)].sum(axis=1, dtype=np.int64)


def write_similarity(
    masks: MaskSet,
    folder: str | os.PathLike,
    by: str = "all",
    order: str = "direction",
) -> list[Path]:
    """Compare *masks*; write JSON, CSV and a heat map as PNG and SVG to *folder*.

    Args:
        by: see :func:`parts_of`; the parts get heat maps of their own.
        order: see :func:`order_keys`.

    Returns:
        The files written.
    """
    from lass_plugin.analysis.similarity_files import write_overlaps

    return write_overlaps(overlaps(masks, parts_of(masks.shapes, by)), folder, order)


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


def order_keys(keys: Sequence[str], by: str = "direction") -> list[str]:
    """The order in which a matrix shows the masks of *keys*.

    Args:
        by: ``direction``: with the language that most pairs have (English) as source
            first, then with it as target, then the rest; ``source`` or ``target``:
            pairs of one language together; ``name``.
    """
    try:
        pairs = {key: Pair.parse(key) for key in keys}
    except LassError:
        return sorted(keys)
    if by == "source":
        return sorted(keys, key=lambda key: (pairs[key].source, pairs[key].target))
    if by == "target":
        return sorted(keys, key=lambda key: (pairs[key].target, pairs[key].source))
    if by == "name":
        return sorted(keys)
    if by != "direction":
        raise LassError(
            f"unknown order '{by}'; choose direction, source, target or name"
        )
    hub = hub_of(pairs.values())

    def rank(key: str) -> tuple[int, str, str]:
        pair = pairs[key]
        group = 0 if pair.source == hub else 1 if pair.target == hub else 2
        return group, pair.source, pair.target

    return sorted(keys, key=rank)


def hub_of(pairs: Iterable[Pair]) -> str:
    """The language that most of *pairs* have; of several English, then the last."""
    codes = sorted(code for p in pairs for code in {p.source, p.target})
    return max(codes, key=lambda code: (codes.count(code), code == "en"))
