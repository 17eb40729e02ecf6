"""Selection: which units stay when a share of the lowest scores goes."""

import numpy as np
import torch
from torch import Tensor

from lass_plugin.schedules import check_ratio


def removed_units(units: int, ratio: float) -> int:
    """Number of units that *ratio* removes of *units*: round(ratio · units)."""
    return round(check_ratio(ratio) * units)


def select(scores: Tensor, ratio: float) -> Tensor:
    """Keep all but the ``round(ratio * n)`` lowest scores (He 2023, Eq. 3).

    Exact and deterministic: of equal scores at the boundary those with the lowest
    index (row by row) are removed, never all of them as a threshold would; the same on
    every device and for any number of threads.

    Args:
        scores: any shape, floating point.
        ratio: share removed, in [0, 1).

    Returns:
        Boolean tensor of the same shape and device, True = keep.

    Raises:
        ValueError: a score is NaN.
    """
    return keep_highest(scores, removed_units(scores.numel(), ratio))


def keep_highest(scores: Tensor, remove: int) -> Tensor:
    """Keep all but the *remove* lowest scores; otherwise as :func:`select`."""
    flat = scores.detach().reshape(-1)
    if flat.is_floating_point() and torch.isnan(flat).any():
        raise ValueError("scores hold NaN; the training that made them has diverged")
    keep = torch.ones(flat.shape, dtype=torch.bool, device=flat.device)
    if remove == 0:
        return keep.view(scores.shape)
    boundary = _lowest(flat, remove)
    torch.gt(flat, boundary, out=keep)
    spare = remove - (flat.numel() - int(keep.sum()))
    if spare < 0:  # more scores equal the boundary than may go: the last of them stay
        tied = torch.nonzero(flat == boundary).reshape(-1)
        keep[tied[spare:]] = True
    return keep.view(scores.shape)


def _lowest(flat: Tensor, number: int) -> Tensor:
    """The *number*-th lowest value, counted from 1."""
    if flat.device.type == "cpu" and flat.dtype != torch.bfloat16:
        # numpy has a quicker one, but not of bfloat16
        value = np.partition(flat.numpy(), number - 1)[number - 1]
        return torch.tensor(value, dtype=flat.dtype)
    return torch.kthvalue(flat, number).values
