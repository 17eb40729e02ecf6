"""Sampling of pairs: how often each pair's sentences are seen in an epoch."""

from typing import Sequence

import numpy as np

from lass_plugin.errors import LassError

METHODS = ("concat", "temperature", "uniform")


def sampling_weights(
    sizes: Sequence[int], method: str = "concat", temperature: float = 1.0
) -> np.ndarray:
    """Share of each pair among the sentences drawn; sums to 1.

    temperature: p_i ∝ (n_i / Σ n)^(1/T) (Arivazhagan 2019; He 2023, §4.1). ``uniform``
    is T → ∞, ``concat`` is T = 1.

    Args:
        sizes: n_i, number of sentences of each pair.
        temperature: T > 0.
    """
    counts = np.asarray(sizes, dtype=np.float64)
    if method == "uniform":
        weights = np.ones_like(counts)
    elif method == "concat":
        weights = counts
    elif method == "temperature":
        if not temperature > 0.0:
            raise LassError(f"--sampling-temperature {temperature} is not above 0")
        weights = (counts / counts.sum()) ** (1.0 / temperature)
    else:
        raise LassError(
            f"unknown --sampling-method '{method}'; choose from {', '.join(METHODS)}"
        )
    return weights / weights.sum()


def passes(
    sizes: Sequence[int], method: str = "concat", temperature: float = 1.0
) -> np.ndarray:
    """Times that each pair's data is gone through in one epoch.

    An epoch is as long as it takes to see the largest pair's data once, as in the
    stock multilingual task; smaller pairs are then seen once or more (for T >= 1).
    """
    counts = np.asarray(sizes, dtype=np.float64)
    weights = sampling_weights(sizes, method, temperature)
    largest = int(np.argmax(counts))
    return (weights / counts) / (weights[largest] / counts[largest])


def draw(size: int, times: float, rng: np.random.Generator) -> np.ndarray:
    """Indices below *size*, each ⌊times⌋ times and a random part of them once more.

    Returns:
        ``(round(times * size),)`` int64, at least one.
    """
    whole = int(times)
    total = max(1, round(times * size))
    rest = total - whole * size
    if rest < 0:  # rounding of times just below a whole number
        whole, rest = whole - 1, rest + size
    parts = [np.tile(np.arange(size), whole)]
    if rest:
        parts.append(rng.permutation(size)[:rest])
    return np.concatenate(parts)
