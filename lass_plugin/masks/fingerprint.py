"""A fingerprint of the weights that a mask was searched on.

One number a matrix: its projection on a fixed pattern of signs, divided by its norm.
Rounding to half precision moves these numbers by about 1e-3, another model moves them
by about 1, so one fingerprint serves every precision, where a hash of bytes would not.
"""

import hashlib
from typing import Mapping

import numpy as np
from torch import Tensor

from lass_plugin.errors import LassError

Fingerprint = dict[str, float]

TOLERANCE = 4e-3
"""Largest root mean square difference between fingerprints of the same weights (the
rounding to bfloat16 gives 1.2e-3)."""


def fingerprint(sites: Mapping[str, Tensor]) -> Fingerprint:
    """Project every matrix of *sites* on ±1 / ‖W‖₂. Computed in float64 on the CPU."""
    return {name: _project(tensor) for name, tensor in sites.items()}


def _project(tensor: Tensor) -> float:
    values = tensor.detach().float().cpu().numpy().reshape(-1).astype(np.float64)
    norm = float(np.sqrt(np.dot(values, values)))
    if not np.isfinite(norm):
        raise LassError(
            "the weights hold numbers that are not finite: training has diverged; take "
            "an earlier checkpoint"
        )
    if norm == 0.0:
        return 0.0
    return float(np.dot(values, _signs(values.size)) / norm)


def _signs(size: int) -> np.ndarray:
    """``(size,)`` ±1 from the high bits of a multiplicative hash of the index."""
    index = np.arange(1, size + 1, dtype=np.uint64)
    mixed = (index * np.uint64(0x9E3779B97F4A7C15)) ^ (index << np.uint64(17))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return 1.0 - 2.0 * ((mixed >> np.uint64(41)) & np.uint64(1)).astype(np.float64)


def distance(first: Fingerprint, second: Fingerprint) -> float:
    """Root mean square difference; infinite when the matrices are not the same ones."""
    if first.keys() != second.keys() or not first:
        return float("inf")
    differences = np.array([first[name] - second[name] for name in first])
    return float(np.sqrt(np.mean(differences**2)))


def same_weights(first: Fingerprint, second: Fingerprint) -> bool:
    """Whether two fingerprints are of the same weights, up to their precision."""
    return distance(first, second) <= TOLERANCE


def short_name(value: Fingerprint) -> str:
    """Eight hexadecimal digits for people to compare by eye (coarse on purpose)."""
    text = ";".join(f"{name}={value[name]:+.1f}" for name in sorted(value))
    return hashlib.sha256(text.encode()).hexdigest()[:8]
