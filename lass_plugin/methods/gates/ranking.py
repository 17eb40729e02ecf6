"""Ranking: which components go at a sparsity, the least important first."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from lass_plugin.errors import LassError
from lass_plugin.methods.gates.components import Components
from lass_plugin.schedules import check_ratio


def ranked(components: Components, importance: Mapping[str, Tensor]) -> np.ndarray:
    """``(components,)`` numbers of the components, the least important first.

    Of equal ones that come first which stand first in the model.

    Args:
        importance: site -> ``(n,)``.

    Raises:
        LassError: a number is none, or infinite.
    """
    values = components.joined(importance).detach().double().cpu().numpy()
    if not np.isfinite(values).all():
        raise LassError(
            "the importance holds numbers that are not finite; measure it again with a "
            "model that has not diverged"
        )
    return np.argsort(values, kind="stable")


def keep_most_important(
    components: Components, importance: Mapping[str, Tensor], sparsity: float
) -> dict[str, Tensor]:
    """Gates of 0 and 1 that keep the most important components.

    The least important ones go, heads and hidden units together, until the weighted
    share of those removed is nearest to *sparsity* (of two that are as near, the
    smaller). Ranks are no part of that share; those go which are less important than
    the last one of the others that goes.

    Args:
        importance: site -> ``(n,)``.
        sparsity: in [0, 1).

    Returns:
        Site -> ``(n,)`` float32.
    """
    check_ratio(sparsity, "sparsity")
    order = ranked(components, importance)
    counted = components.counted().numpy()[order]
    weights = components.weights().numpy()[order] * counted
    removed = np.concatenate([[0.0], np.cumsum(weights)])
    nearest = int(np.argmin(np.abs(removed - sparsity * weights.sum())))
    # equal sums are those of ranks that follow: argmin takes the first, without them
    gates = torch.ones(components.total)
    gates[torch.from_numpy(order[:nearest].copy())] = 0.0
    return components.split(gates)


def activation_sizes(
    components: Components, importance: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """t̂ of §6.1: the network size from which on each component is there.

    The most important one has the smallest. A size is the weighted share (Appendix D)
    of heads and hidden units that are as important or more; a rank has that of the
    place at which it stands between these.

    Returns:
        Site -> ``(n,)`` float64 in [0, 1].
    """
    order = ranked(components, importance)[::-1].copy()
    weights = (components.weights() * components.counted()).numpy()[order]
    sizes = np.cumsum(weights) / weights.sum()
    found = torch.empty(components.total, dtype=torch.float64)
    found[torch.from_numpy(order)] = torch.from_numpy(sizes)
    return components.split(found)
