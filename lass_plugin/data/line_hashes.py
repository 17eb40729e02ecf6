"""Lines told apart by eight bytes of a hash of their words, in little memory.

A corpus need not be in memory: eight bytes a line are, and for a moment twice that.
Among a hundred million lines two that differ have the same hash once in four thousand
corpora.
"""

import hashlib
from collections.abc import Iterable

import numpy as np


def digests(lines: Iterable[str]) -> np.ndarray:
    """A hash of the words of each line, shape ``(lines,)``, uint64."""
    return _hashes(map(_words, lines))


def pair_digests(sources: Iterable[str], targets: Iterable[str]) -> np.ndarray:
    """A hash of the words of both lines of each pair, shape ``(pairs,)``, uint64."""
    pairs = zip(sources, targets, strict=True)
    return _hashes(f"{_words(source)}\t{_words(target)}" for source, target in pairs)


def _words(line: str) -> str:
    return " ".join(line.split())


def _hashes(texts: Iterable[str]) -> np.ndarray:
    found = [hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts]
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
            new &= ~among(values, block)
        first = np.zeros(len(hashes), dtype=bool)
        first[places[new]] = True
        self._add(values[new])
        return first

    def _add(self, values: np.ndarray) -> None:
        while self._blocks and len(self._blocks[-1]) < 2 * len(values):
            values = np.sort(np.concatenate([self._blocks.pop(), values]))
        if len(values):
            self._blocks.append(values)


def among(hashes: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Whether each of *hashes* is one of *known*, which are in ascending order.

    Returns:
        Shape of *hashes*, bool.
    """
    if not len(known):
        return np.zeros(len(hashes), dtype=bool)
    places = np.searchsorted(known, hashes)
    return known[np.minimum(places, len(known) - 1)] == hashes
