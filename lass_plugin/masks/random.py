"""Random masks: the baseline that a searched mask has to beat."""

import hashlib
import math
from typing import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from lass_plugin.masks.fingerprint import Fingerprint
from lass_plugin.masks.mask import Mask, MaskSet, Provenance
from lass_plugin.schedules import check_ratio
from lass_plugin.selection import select


def random_mask(
    key: str,
    shapes: Mapping[str, Iterable[int]],
    ratio: float,
    seed: int,
    base: Fingerprint | None = None,
) -> Mask:
    """Remove exactly ``round(ratio * n)`` weights of each matrix, chosen at random.

    The choice depends on *seed*, *key* and the name of the site only: not on other
    sites, the number of threads, or the releases of numpy and torch.

    Args:
        shapes: site name -> shape.
        ratio: share removed from each matrix, in [0, 1).
    """
    check_ratio(ratio)
    masks = {
        name: select(draw(seed, key, name, tuple(shape)), ratio)
        for name, shape in shapes.items()
    }
    provenance = Provenance("random", ratio, note=f"seed {seed}")
    return Mask.from_tensors(key, masks, provenance, base)


def random_masks(
    keys: Iterable[str],
    shapes: Mapping[str, Iterable[int]],
    ratio: float,
    seed: int,
    base: Fingerprint | None = None,
) -> MaskSet:
    """:func:`random_mask` for each of *keys*; every key gets another one."""
    return MaskSet(random_mask(key, shapes, ratio, seed, base) for key in keys)


def draw(seed: int, key: str, site: str, shape: tuple[int, ...]) -> Tensor:
    """Scores of *shape*: the raw 63 high bits of a generator of this site's own."""
    words = hashlib.sha256(f"{seed}\0{key}\0{site}".encode()).digest()
    generator = np.random.Philox(key=np.frombuffer(words[:16], dtype="<u8"))
    raw = generator.random_raw(math.prod(shape))
    raw >>= np.uint64(1)
    return torch.from_numpy(raw.view(np.int64)).view(shape)
