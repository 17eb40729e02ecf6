"""Controls: random masks that have some things in common with searched ones.

What a mask is worth is what it adds to a control that is alike in all but the choice of
the weights: alike in the number kept in each matrix (always), in its profile (the share
removed of the small, the middling and the large weights of each matrix), in how much
the masks of different pairs share, or in both.

To share, pairs draw a part of the weights in common. With a part q of every matrix

    Sim = chance + q · (most - chance)

is expected of two masks, where chance is what they share if each is drawn by itself and
most if all is drawn in common. Less than chance cannot be had this way.
"""

import logging
import math
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from lass_plugin.errors import LassError
from lass_plugin.masks.fingerprint import Fingerprint, fingerprint
from lass_plugin.masks.mask import Mask, MaskSet, Provenance
from lass_plugin.masks.packing import pack, shared_by_two
from lass_plugin.masks.random import draw
from lass_plugin.selection import keep_highest, removed_units

logger = logging.getLogger(__name__)

PROFILE, OVERLAP = "profile", "overlap"
MATCHES = (PROFILE, OVERLAP)
"""What a control can have in common with masks, beside the numbers kept."""

BINS = 20
"""Bins of |W| of each matrix, from the smallest weights to the largest; all hold as
many weights as the others, give or take one."""

_NEAR = 0.01
"""How far the expected similarity may be from that of the masks to be matched: masks
that are random themselves lie a little above chance or below it."""

_TOGETHER = ""
"""Key of the draw that all pairs have in common; no pair is called so."""

_Made = Mapping[str, tuple[Provenance, Fingerprint]]


def overlapping_masks(
    keys: Iterable[str],
    shapes: Mapping[str, Iterable[int]],
    ratio: float,
    seed: int,
    overlap: float,
    base: Fingerprint | None = None,
) -> MaskSet:
    """Random masks as :func:`.random.random_masks`, alike by *overlap*.

    Args:
        shapes: site name -> shape.
        ratio: share removed from each matrix, in [0, 1).
        overlap: mean similarity of every two masks that is expected (Lin 2021, Eq. 2).

    Raises:
        LassError: it cannot be reached at this ratio, or there is one pair only.
    """
    keys = sorted(keys)

    def sites() -> Iterator[_Site]:
        for name, sizes in shapes.items():
            shape = tuple(sizes)
            units = math.prod(shape)
            kept = np.full((len(keys), 1), units - removed_units(units, ratio))
            yield _Site(name, shape, None, np.array([0, units]), kept)

    how = Provenance("random", ratio, note=f"seed {seed}; overlap {overlap:g}")
    shares = _shares_in_common(keys, sites, overlap)
    return _draw_all(dict.fromkeys(keys, (how, base or {})), sites, seed, shares)


def matched_masks(
    masks: MaskSet,
    seed: int,
    match: Collection[str] = (),
    weights: Mapping[str, Tensor] | None = None,
    overlap: float | None = None,
    nearest: bool = False,
) -> MaskSet:
    """Random masks that keep as many weights of each matrix as *masks*, pair by pair.

    Args:
        match: of :data:`MATCHES`. ``profile``: as many are kept in each of
            :data:`BINS` bins of |W|, too. ``overlap``: the mean similarity of every two
            masks is expected to be that of *masks*, in each matrix (and chance in those
            where theirs is less).
        weights: site name -> W of the base, for the profile.
        overlap: mean similarity to have instead of that of *masks*.
        nearest: where *masks* share less than chance, draw by chance, and say so.

    Raises:
        LassError: an overlap that cannot be reached, one pair only, or masks of
            another base.
    """
    profile, same = PROFILE in match, OVERLAP in match
    if (profile and weights is None) or (same and overlap is not None):
        raise ValueError("the profile needs weights, and there is one overlap")
    if profile and weights is not None:
        base = fingerprint(weights)
        for mask in masks.values():
            mask.check_fits(weights, "the base")
            mask.check_base(base, "the base")
    note = [f"seed {seed}"]
    note += [f"{what} of masks given" for what in MATCHES if what in match]
    note += [] if overlap is None else [f"overlap {overlap:g}"]
    made = {}
    for key, mask in masks.items():
        how = Provenance("random", mask.provenance.ratio, note="; ".join(note))
        made[key] = how, mask.base
    sites = partial(_sites_of, masks, weights if profile else None)
    shares: Mapping[str, float] = {}
    if same or overlap is not None:
        shares = _shares_in_common(list(masks), sites, overlap, masks, nearest)
    return _draw_all(made, sites, seed, shares)


# -- what masks keep -------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Site:
    """What *n* masks keep in one matrix, bin by bin."""

    name: str
    shape: tuple[int, ...]
    order: np.ndarray | None
    """``(units,)`` indices by increasing |W|; None for one bin."""
    edges: np.ndarray
    """``(bins + 1,)`` where in :attr:`order` the bins begin and end."""
    kept: np.ndarray
    """``(n, bins)`` number of weights kept."""

    def by_chance(self) -> np.ndarray:
        """``(n, n)`` number that two share, expected if each is drawn by itself."""
        return (self.kept / np.diff(self.edges)) @ self.kept.T

    def at_most(self) -> np.ndarray:
        """``(n, n)`` number that two share if all is drawn in common."""
        return np.minimum(self.kept[:, None], self.kept[None]).sum(axis=-1)


def _sites_of(masks: MaskSet, weights: Mapping[str, Tensor] | None) -> Iterator[_Site]:
    """One matrix after the other, so that one only is in memory."""
    for name, shape in masks.shapes.items():
        units = math.prod(shape)
        bins = 1 if weights is None else min(BINS, units)
        edges = np.arange(bins + 1, dtype=np.int64) * units // bins
        order = None
        if weights is not None:
            size = weights[name].detach().float().cpu().abs().reshape(-1)
            order = torch.argsort(size, stable=True).numpy()
        kept = np.empty((len(masks), bins), dtype=np.int64)
        for row, mask in zip(kept, masks.values(), strict=True):
            if order is None:
                row[:] = mask.kept(name)
            else:
                there = mask.unpack(name).cpu().reshape(-1).numpy()[order]
                row[:] = np.add.reduceat(there, edges[:-1], dtype=np.int64)
        yield _Site(name, shape, order, edges, kept)


def _shares_in_common(
    keys: Sequence[str],
    sites: Callable[[], Iterator[_Site]],
    overlap: float | None,
    masks: MaskSet | None = None,
    nearest: bool = False,
) -> dict[str, float]:
    """Site -> part of its weights that is drawn for all pairs in common.

    Args:
        overlap: None for that of *masks*.

    Raises:
        LassError: it cannot be reached.
    """
    if len(keys) < 2:
        raise LassError(
            f"the masks are of {', '.join(keys)} only, and an overlap is between those "
            "of two or more pairs; leave the overlap out"
        )
    chance, most, found = {}, {}, {}
    for site in sites():
        chance[site.name], most[site.name] = site.by_chance(), site.at_most()
        if overlap is None and masks is not None:
            bits = [mask.bits[site.name] for mask in masks.values()]
            found[site.name] = shared_by_two(bits)
    kept = np.maximum(1, np.diagonal(sum(most.values())))
    # Sim of two masks is what they share divided by what the first keeps
    weight = np.where(np.eye(len(kept)), 0.0, 1 / kept[:, None])
    weight /= len(kept) * (len(kept) - 1)

    def mean(shared: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Site -> its part of the mean similarity."""
        return {name: float((weight * each).sum()) for name, each in shared.items()}

    low, high, wanted = mean(chance), mean(most), mean(found)
    least, largest = sum(low.values()), sum(high.values())
    if overlap is not None:
        if not least - 0.0005 <= overlap <= largest + 0.0005:
            raise LassError(
                f"an overlap of {overlap:g} cannot be reached: random masks that keep "
                f"as many weights have one of {least:.3f} (each drawn by itself) to "
                f"{largest:.3f} (as alike as can be); choose one of these, or another "
                "ratio"
            )
        return dict.fromkeys(low, _share(overlap, least, largest))
    shares = {name: _share(wanted[name], low[name], high[name]) for name in low}
    expected = sum(low[n] + share * (high[n] - low[n]) for n, share in shares.items())
    if abs(expected - sum(wanted.values())) > _NEAR:
        told = (
            f"the masks overlap by {sum(wanted.values()):.3f}, but random masks that "
            f"keep as many weights by {expected:.3f} or more"
        )
        if not nearest:
            raise LassError(
                f"{told}, so their overlap cannot be matched; leave the overlap out"
            )
        logger.warning(f"{told}; the control has that overlap")
    return shares


def _share(wanted: float, low: float, high: float) -> float:
    """The part in common at which *wanted* is expected, within [0, 1]."""
    return min(1.0, max(0.0, (wanted - low) / (high - low))) if high > low else 0.0


# -- the draw --------------------------------------------------------------------------


def _draw_all(
    made: _Made,
    sites: Callable[[], Iterator[_Site]],
    seed: int,
    shares: Mapping[str, float],
) -> MaskSet:
    """The masks of all keys, matrix by matrix."""
    bits: dict[str, dict[str, Tensor]] = {key: {} for key in made}
    shapes = {}
    for site in sites():
        shapes[site.name] = site.shape
        common = _draw_in_common(site, seed, shares.get(site.name, 0.0))
        for key, kept in zip(made, site.kept, strict=True):
            bits[key][site.name] = pack(_draw_one(site, key, kept, seed, common))
    return MaskSet(
        Mask(key, bits[key], shapes, how, dict(base))
        for key, (how, base) in made.items()
    )


def _draw_in_common(site: _Site, seed: int, share: float) -> list[np.ndarray]:
    """The places, bin by bin, that all pairs decide on alike, those to go first.

    They are round(share · n) of the n weights of a bin; empty if there are none.
    """
    counts = np.round(share * np.diff(site.edges)).astype(np.int64)
    if not counts.any():
        return []
    drawn = draw(seed, _TOGETHER, site.name, site.shape).view(-1).numpy()
    return [
        start + np.argsort(drawn[start:end], kind="stable")[:count]
        for (start, end), count in zip(pairwise(site.edges), counts, strict=True)
    ]


def _draw_one(
    site: _Site, key: str, kept: np.ndarray, seed: int, common: Sequence[np.ndarray]
) -> Tensor:
    """The mask of one key, boolean and of the shape of the matrix, True = keep.

    Of the places in common it keeps k/n, rounded, where it keeps k of the n weights of
    a bin; its own draw decides on the others, so that it keeps exactly k.

    Args:
        kept: ``(bins,)`` k.
    """
    # the values are independent, so they may as well be those of the sorted weights
    scores = draw(seed, key, site.name, site.shape).view(-1)
    chosen = torch.empty(scores.shape, dtype=torch.bool)
    for number, (start, end) in enumerate(pairwise(site.edges)):
        size, stay = int(end - start), int(kept[number])
        if common:
            places = torch.from_numpy(common[number])
            gone = len(places) - round(stay * len(places) / size)
            scores[places[:gone]] = -1  # below every draw
            scores[places[gone:]] = torch.iinfo(torch.int64).max
        chosen[start:end] = keep_highest(scores[start:end], size - stay)
    if site.order is not None:
        by_index = np.empty(len(chosen), dtype=bool)
        by_index[site.order] = chosen.numpy()
        chosen = torch.from_numpy(by_index)
    return chosen.view(site.shape)
