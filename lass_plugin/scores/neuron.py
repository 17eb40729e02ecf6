"""Scores of neurons from their activations (Xie 2021, Eq. 7 and 8)."""

from typing import Mapping

import torch
from torch import Tensor

TAYLOR, TAYLOR_SENTENCE, ABSOLUTE = "taylor", "taylor-sentence", "absolute"
CRITERIA = (TAYLOR, TAYLOR_SENTENCE, ABSOLUTE)
"""``taylor``: |∂L/∂h · h| of each position. ``taylor-sentence``: |Σ ∂L/∂h · h| over the
positions of a sentence, the first-order change of its loss if the neuron were removed.
``absolute``: |h| of each position. All are summed over the data and then averaged."""


def add_activation(
    sums: Mapping[str, Tensor], activation: Tensor, padding: Tensor, run: int = 1
) -> None:
    """Add Σ |h| of a batch to ``sums[ABSOLUTE]``.

    Args:
        sums: criterion -> ``(neurons,)`` float64, changed in place.
        activation: h, ``(positions, sentences, neurons · run)``.
        padding: ``(positions, sentences, 1)``, True where there is no token.
        run: entries of h that are one neuron (the width of a head).
    """
    size = activation.detach().float().abs().masked_fill_(padding, 0.0)
    sums[ABSOLUTE].add_(_of_neurons(size, run).sum(dim=(0, 1)))


def add_taylor(
    sums: Mapping[str, Tensor],
    activation: Tensor,
    gradient: Tensor,
    padding: Tensor,
    run: int = 1,
) -> None:
    """Add both forms of Σ |∂L/∂h · h| of a batch to *sums*.

    Args:
        sums: criterion -> ``(neurons,)`` float64, changed in place.
        activation: h, ``(positions, sentences, neurons · run)``.
        gradient: ∂L/∂h of the loss summed over the batch, of the same shape.
        padding: ``(positions, sentences, 1)``, True where there is no token.
        run: entries of h that are one neuron; their changes of the loss are added up.
    """
    change = activation.detach().float() * gradient.float()
    change = _of_neurons(change.masked_fill_(padding, 0.0), run)
    sums[TAYLOR_SENTENCE].add_(change.sum(dim=0).abs_().sum(dim=0))
    sums[TAYLOR].add_(change.abs_().sum(dim=(0, 1)))


def _of_neurons(values: Tensor, run: int) -> Tensor:
    """``(positions, sentences, neurons)``: the entries of a neuron added up."""
    if run == 1:
        return values
    return torch.unflatten(values, -1, (-1, run)).sum(dim=-1)
