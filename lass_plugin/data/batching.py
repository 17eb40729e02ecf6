"""Batches of sentences of one pair each, filled up to the token limit."""

from typing import Sequence

import numpy as np


def order_by_length(sizes: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """Indices in ascending order of length, so that neighbours need little padding.

    The length that a batch is charged for is the longer side, so this comes first.
    Sentences of one length follow by source minus target, up for even and down for odd
    lengths: then the shorter side changes little from one to the next as well, also
    where the length rises. What is equal in both stands in random order.

    Args:
        sizes: ``(n, 2)`` or ``(n,)`` tokens of source (and target).
        rng: None keeps equals in the order of the data.
    """
    count = len(sizes)
    if rng is None:
        order = np.arange(count)
    else:
        order = rng.permutation(count)
    if sizes.ndim == 2:
        longest = sizes.max(axis=1)
        slant = sizes[:, 0].astype(np.int32) - sizes[:, 1].astype(np.int32)
        np.negative(slant, out=slant, where=longest % 2 == 1)
        slant -= slant.min(initial=0)
        order = order[np.argsort(_short(slant[order]), kind="stable")]
    else:
        longest = sizes
    return order[np.argsort(_short(longest[order]), kind="stable")]


def _short(lengths: np.ndarray) -> np.ndarray:
    # numpy sorts 16-bit integers by radix, ten times as fast
    small = not len(lengths) or lengths.max() < np.iinfo(np.uint16).max
    return lengths.astype(np.uint16) if small else lengths


def split_batches(
    lengths: np.ndarray,
    max_tokens: int | None,
    max_sentences: int | None,
    multiple: int = 1,
) -> list[tuple[int, int]]:
    """Cut sentences in ascending order of length into batches; none is left out.

    A batch holds as many sentences as fit: ``longest * count <= max_tokens`` and
    ``count <= max_sentences``, rounded down to a multiple of *multiple* where it holds
    more than that. A sentence longer than *max_tokens* is a batch of its own.

    Args:
        lengths: ``(n,)`` ascending.

    Returns:
        ``(start, end)`` of each batch; together they cover 0 … n exactly once.
    """
    total = len(lengths)
    token_limit = max_tokens or np.iinfo(np.int64).max
    most = max_sentences or total
    bounds = []
    start = 0
    while start < total:
        high = min(most, max(1, token_limit // int(lengths[start])), total - start)
        low = 1
        while low < high:  # the longest run whose last sentence still fits
            middle = (low + high + 1) // 2
            if int(lengths[start + middle - 1]) * middle <= token_limit:
                low = middle
            else:
                high = middle - 1
        if start + low < total and low > multiple:
            low -= low % multiple
        bounds.append((start, start + low))
        start += low
    return bounds


def split_full_batches(
    lengths: np.ndarray,
    max_tokens: int | None,
    max_sentences: int | None,
    multiple: int,
    rng: np.random.Generator,
) -> list[tuple[int, int]]:
    """As :func:`split_batches`, but all batches are full and two of them overlap.

    Up to a random place batches are filled from the short end, from there on from the
    long end; where the two meet, some sentences are in both neighbours. Nothing is
    left out. Sentences that all fit into one batch are one batch.
    """
    forward = split_batches(lengths, max_tokens, max_sentences, multiple)
    if len(forward) == 1:
        return forward
    kept = forward[: rng.integers(1, len(forward))]
    covered, end = kept[-1][1], len(lengths)
    backward = []
    while end > covered:
        count = max(1, (max_tokens or np.iinfo(np.int64).max) // int(lengths[end - 1]))
        count = min(count, max_sentences or count, end)
        if count > multiple:
            count -= count % multiple
        backward.append((end - count, end))
        end -= count
    return kept + backward[::-1]


def make_batches(
    sizes: np.ndarray,
    indices: np.ndarray,
    max_tokens: int | None,
    max_sentences: int | None,
    multiple: int = 1,
    rng: np.random.Generator | None = None,
    full: bool = False,
) -> list[np.ndarray]:
    """Batches of *indices*, each of sentences of like length.

    Args:
        sizes: ``(n, 2)`` or ``(n,)`` tokens of the sentences that *indices* name.
        indices: ``(n,)`` what the batches are to hold.
        full: fill every batch, for which some sentences are taken twice (needs *rng*).

    Returns:
        Views of one array of int64.
    """
    if len(indices) == 0:
        return []
    order = order_by_length(sizes, rng)
    longest = sizes.max(axis=1) if sizes.ndim == 2 else sizes
    ordered = np.ascontiguousarray(indices[order])
    limits = (max_tokens, max_sentences, multiple)
    if full and rng is not None:
        bounds = split_full_batches(longest[order], *limits, rng)
    else:
        bounds = split_batches(longest[order], *limits)
    return [ordered[start:end] for start, end in bounds]


def fits(sizes: np.ndarray, limits: Sequence[int | None] | int | None) -> np.ndarray:
    """Which sentences are within the position limits of the model.

    Args:
        sizes: ``(n, 2)`` or ``(n,)``.
        limits: one number for both sides, one for each, or None for no limit.

    Returns:
        ``(n,)`` boolean.
    """
    table = sizes if sizes.ndim == 2 else sizes[:, None]
    if limits is None:
        return np.ones(len(table), dtype=bool)
    if isinstance(limits, (int, float)):
        limits = [limits] * table.shape[1]
    within = np.ones(len(table), dtype=bool)
    for side, limit in zip(range(table.shape[1]), limits, strict=False):
        if limit is not None:
            within &= table[:, side] <= limit
    return within
