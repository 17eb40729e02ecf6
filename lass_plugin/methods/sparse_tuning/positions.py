"""Positions of the weights that a difference has, and their code on disk.

The gaps between one position and the next are Rice codes in two streams: the quotients
by 2^r in unary (so many zeros, then a one), then the remainders, r bits each. With
r = 0 this is the bit mask itself, so a code never takes more than one bit a weight; r
is the one that takes least. Of n positions among N weights each takes at most
1 + r + (N / n − 1) / 2^r bits, whatever they are: 6.2 where 5 % are kept, 2 for a half.
"""

from typing import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from lass_plugin.masks.mask import Mask

MOST_REMAINDER = 40
"""Of r: no model has 2^40 weights."""

Sites = Mapping[str, Tensor]
"""Site -> ``(kept,)`` int32, rising: the weights that one difference has of it."""


def positions_of(mask: Mask, sites: Iterable[str]) -> dict[str, Tensor]:
    """The positions that a mask of weights keeps, in the order of *sites*."""
    return {site: mask.unpack(site).view(-1).nonzero().view(-1).int() for site in sites}


def encode(sites: Sites, units: Mapping[str, int]) -> tuple[int, Tensor]:
    """The code of the positions in all sites.

    Args:
        units: site -> number of its weights, in an order that is kept for decoding.

    Returns:
        r, and ``(bytes,)`` uint8.
    """
    starts = _starts(units)
    each = [sites[site].numpy().astype(np.int64) + starts[site] for site in units]
    places = np.concatenate(each) if each else np.zeros(0, np.int64)
    gaps = np.diff(places, prepend=-1) - 1
    longest = int(gaps.max(initial=0)).bit_length()
    sizes = [gaps.size * (1 + r) + int((gaps >> r).sum()) for r in range(longest + 1)]
    r = int(np.argmin(sizes))
    quotients = gaps >> r
    unary = np.zeros(gaps.size + int(quotients.sum()), np.uint8)
    unary[np.cumsum(quotients + 1) - 1] = 1
    low = np.empty((gaps.size, r), np.uint8)
    for bit in range(r):
        low[:, bit] = (gaps >> bit) & 1
    streams = [
        np.packbits(bits, bitorder="little") for bits in (unary, low.reshape(-1))
    ]
    return r, torch.from_numpy(np.concatenate(streams))


def decode(
    r: int, code: Tensor, count: int, units: Mapping[str, int]
) -> dict[str, Tensor]:
    """The positions that :func:`encode` coded.

    Args:
        count: how many there are, in all sites.

    Raises:
        ValueError: it is no such code.
    """
    if code.dtype != torch.uint8 or code.dim() != 1:
        raise ValueError(f"its code is {code.dtype} of {tuple(code.shape)}")
    if not 0 <= r < MOST_REMAINDER or not 0 <= count <= 8 * code.numel():
        raise ValueError(f"its code has {count} positions and remainders of {r} bits")
    data = code.cpu().numpy()
    rest = (count * r + 7) // 8  # bytes of the remainders
    unary, low = data[: data.size - rest], data[data.size - rest :]
    ones = np.flatnonzero(np.unpackbits(unary, bitorder="little"))
    bits = np.unpackbits(low, bitorder="little")[: count * r].reshape(count, r)
    if ones.size != count or len(bits) != count:
        raise ValueError(f"its code has {ones.size} positions, not {count}")
    gaps = (np.diff(ones, prepend=-1) - 1).astype(np.int64) << r
    for bit in range(r):
        gaps |= bits[:, bit].astype(np.int64) << bit
    places = np.cumsum(gaps + 1) - 1
    whole = sum(units.values())
    if count and places[-1] >= whole:
        raise ValueError(f"it has a position after the last of {whole} weights")
    starts = _starts(units)
    found = {}
    for site, size in units.items():
        first, last = np.searchsorted(places, (starts[site], starts[site] + size))
        own = (places[first:last] - starts[site]).astype(np.int32)
        found[site] = torch.from_numpy(own)
    return found


def _starts(units: Mapping[str, int]) -> dict[str, int]:
    """Site -> index of its first weight among those of all."""
    ends = np.cumsum([0, *units.values()])
    return {site: int(start) for site, start in zip(units, ends[:-1], strict=True)}
