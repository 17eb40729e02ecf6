"""Pairs of lines told apart by eight bytes of a hash of their words, in little memory.

A corpus need not be in memory: eight bytes a line are, and for a moment twice that.
Among a hundred million pairs two that differ have the same hash in one corpus of four
thousand.
"""

import hashlib
from collections.abc import Iterable

import numpy as np


def pair_hashes(sources: Iterable[str], targets: Iterable[str]) -> np.ndarray:
    """A hash of the words of both lines of each pair, shape ``(pairs,)``, uint64."""
    found = []
    for pair in zip(sources, targets, strict=True):
        text = "\n".join(" ".join(line.split()) for line in pair)
        found.append(hashlib.blake2b(text.encode(), digest_size=8).digest())
    return np.frombuffer(b"".join(found), dtype=np.uint64)


class Seen:
    """Hashes that have been met, in sorted blocks each twice as large as the next."""

    def __init__(self) -> None:
        self._blocks: list[np.ndarray] = []

    def first(self, hashes: np.ndarray) -> np.ndarray:
        """Whether each of *hashes* is met for the first time; they are met then.

        Returns:
            Shape of *hashes*, bool.
        """
        values, places = np.unique(hashes, return_index=True)
        new = np.ones(len(values), dtype=bool)
        for block in self._blocks:
            new &= ~_among(values, block)
        first = np.zeros(len(hashes), dtype=bool)
        first[places[new]] = True
        self._add(values[new])
        return first

    def _add(self, values: np.ndarray) -> None:
        while self._blocks and len(self._blocks[-1]) < 2 * len(values):
            values = np.sort(np.concatenate([self._blocks.pop(), values]))
        if len(values):
            self._blocks.append(values)


def _among(hashes: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Whether each of *hashes* is one of *known*, which are in ascending order.

    Returns:
        Shape of *hashes*, bool.
    """
    if not len(known):
        return np.zeros(len(hashes), dtype=bool)
    places = np.searchsorted(known, hashes)
    return known[np.minimum(places, len(known) - 1)] == hashes
