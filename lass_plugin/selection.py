"""Selection: which units stay when a share of the lowest scores goes."""

from typing import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from lass_plugin.devices import at_once
from lass_plugin.schedules import check_ratio

AT_ONCE = 1 << 24
"""Scores that are selected from in one call, on a GPU."""
_ROUNDING = 1e-12
"""Relative error of a sum of float64, amply."""
_NAN = "scores hold NaN; the training that made them has diverged"


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
        raise ValueError(_NAN)
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


def keep_share(scores: Tensor, share: float) -> Tensor:
    """Keep the fewest of the highest scores whose sum reaches *share* of the sum of all
    (Tan 2024, §4; for counts of activations).

    A sum that lacks less than a rounding error reaches it. Of equal scores at the
    boundary those with the highest index stay, as in :func:`select`; at a share of 1
    only zeros go. Where all scores are zero nothing is told apart, and all stay.

    Args:
        scores: ``(units,)`` floating point, none of them negative.
        share: in (0, 1].

    Raises:
        ValueError: a score is NaN or negative.
    """
    values = scores.detach().double()
    if not bool((values >= 0).all()):
        raise ValueError("scores are negative or NaN, so their sum has no shares")
    sums = values.sort(descending=True).values.cumsum(0)
    positive = int((values > 0).sum())
    if not positive:
        return torch.ones_like(scores, dtype=torch.bool)
    enough = sums >= share * sums[-1] * (1.0 - _ROUNDING)
    count = positive if share == 1.0 else int((~enough).sum()) + 1
    return keep_highest(scores, scores.numel() - count)


def select_each(scores: Mapping[str, Tensor], ratio: float) -> dict[str, Tensor]:
    """:func:`select` from every matrix.

    On a GPU matrices of one shape are selected from in one call, and the host waits
    once for the device.

    Raises:
        ValueError: a score is NaN.
    """
    if not all(at_once(score.device) for score in scores.values()):
        return {name: select(score, ratio) for name, score in scores.items()}
    kept: dict[str, Tensor] = {}
    finite = []
    for names in _alike(scores):
        rows = torch.stack([scores[name].detach().reshape(-1) for name in names])
        finite.append(~torch.isnan(rows).any())
        keep = _keep_of_rows(rows, removed_units(rows.shape[1], ratio))
        for name, row in zip(names, keep, strict=True):
            kept[name] = row.view(scores[name].shape)
    if finite and not bool(torch.stack(finite).all()):
        raise ValueError(_NAN)
    return {name: kept[name] for name in scores}


def select_together(scores: Mapping[str, Tensor], ratio: float) -> dict[str, Tensor]:
    """:func:`select` from all matrices as if they were one, in the order given.

    Raises:
        ValueError: a score is NaN.
    """
    keep = select(
        torch.cat([each.detach().reshape(-1) for each in scores.values()]), ratio
    )
    parts = keep.split([each.numel() for each in scores.values()])
    return {
        name: part.view(each.shape)
        for (name, each), part in zip(scores.items(), parts, strict=True)
    }


def _alike(scores: Mapping[str, Tensor]) -> Iterator[Sequence[str]]:
    """Names of matrices of one shape, type and device, as many as may go together."""
    groups: dict[tuple, list[str]] = {}
    for name, score in scores.items():
        kind = (score.shape, score.dtype, score.device)
        groups.setdefault(kind, []).append(name)
    for names in groups.values():
        most = max(1, AT_ONCE // max(1, scores[names[0]].numel()))
        for start in range(0, len(names), most):
            yield names[start : start + most]


def _keep_of_rows(rows: Tensor, remove: int) -> Tensor:
    """``(matrices, units)`` boolean: all but the *remove* lowest of each row stay."""
    if remove == 0:
        return torch.ones_like(rows, dtype=torch.bool)
    boundary = torch.kthvalue(rows, remove, dim=1, keepdim=True).values
    above, tied = rows > boundary, rows == boundary
    spare = rows.shape[1] - remove - above.sum(1, keepdim=True)
    from_the_end = tied.flip(1).cumsum(1, dtype=torch.int32).flip(1)
    return above | (tied & (from_the_end <= spare))  # the last of the tied stay


def _lowest(flat: Tensor, number: int) -> Tensor:
    """The *number*-th lowest value, counted from 1."""
    if flat.device.type == "cpu" and flat.dtype != torch.bfloat16:
        # numpy has a quicker one, but not of bfloat16
        value = np.partition(flat.numpy(), number - 1)[number - 1]
        return torch.tensor(value, dtype=flat.dtype)
    return torch.kthvalue(flat, number).values
