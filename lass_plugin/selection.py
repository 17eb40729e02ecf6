"""Selection: which units stay when a share of the lowest scores goes."""

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
    flat = scores.detach().reshape(-1)
    if torch.isnan(flat).any():
        raise ValueError("scores hold NaN; the training that made them has diverged")
    remove = removed_units(flat.numel(), ratio)
    keep = torch.ones(flat.shape, dtype=torch.bool, device=flat.device)
    if remove == 0:
        return keep.view(scores.shape)
    boundary = torch.kthvalue(flat, remove).values
    torch.gt(flat, boundary, out=keep)
    spare = remove - (flat.numel() - int(keep.sum()))
    if spare < 0:  # more scores equal the boundary than may go: the last of them stay
        tied = torch.nonzero(flat == boundary).reshape(-1)
        keep[tied[spare:]] = True
    return keep.view(scores.shape)
