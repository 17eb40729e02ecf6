"""Scores of neurons from their activations (Xie 2021, Eq. 7 and 8; Tan 2024, §3)."""

from typing import Mapping

import torch
from torch import Tensor

TAYLOR, TAYLOR_SENTENCE, ABSOLUTE = "taylor", "taylor-sentence", "absolute"
ACTIVATION = "activation"
CRITERIA = (TAYLOR, TAYLOR_SENTENCE, ABSOLUTE, ACTIVATION)
"""``taylor``: |∂L/∂h · h| of each position. ``taylor-sentence``: |Σ ∂L/∂h · h| over the
positions of a sentence, the first-order change of its loss if the neuron were removed.
``absolute``: |h| of each position. ``activation``: 1 where h > 0, so that the sum
counts how often a neuron is active. All are summed over the data, then averaged."""

OF_GRADIENTS = (TAYLOR, TAYLOR_SENTENCE)
"""Those that need a backward pass."""


def add_activation(
    sums: Mapping[str, Tensor], activation: Tensor, padding: Tensor, run: int = 1
) -> None:
    """Add Σ |h| and the number of h > 0 of a batch to *sums*.

    After a GELU h > 0 as after a ReLU exactly where its argument is.

    Args:
        sums: criterion -> ``(neurons,)`` float64, changed in place; those of
            :data:`ABSOLUTE` and :data:`ACTIVATION` where they are in it.
        activation: h, ``(positions, sentences, neurons · run)``.
        padding: ``(positions, sentences, 1)``, True where there is no token.
        run: entries of h that are one neuron (the width of a head).
    """
    values = activation.detach()
    if ABSOLUTE in sums:
        size = values.float().abs().masked_fill_(padding, 0.0)
        sums[ABSOLUTE].add_(_of_neurons(size, run).sum(dim=(0, 1)))
    if ACTIVATION in sums:
        active = ((values > 0) & ~padding).sum(dim=(0, 1))  # whole numbers: exact
        sums[ACTIVATION].add_(active if run == 1 else active.view(-1, run).sum(dim=1))


def add_taylor(
    sums: Mapping[str, Tensor],
    activation: Tensor,
    gradient: Tensor,
    padding: Tensor,
    run: int = 1,
) -> None:
    """Add both forms of Σ |∂L/∂h · h| of a batch to *sums*, where they are in it.

    Args:
        sums: criterion -> ``(neurons,)`` float64, changed in place.
        activation: h, ``(positions, sentences, neurons · run)``.
        gradient: ∂L/∂h of the loss summed over the batch, of the same shape.
        padding: ``(positions, sentences, 1)``, True where there is no token.
        run: entries of h that are one neuron; their changes of the loss are added up.
    """
    change = activation.detach().float() * gradient.float()
    change = _of_neurons(change.masked_fill_(padding, 0.0), run)
    if TAYLOR_SENTENCE in sums:
        sums[TAYLOR_SENTENCE].add_(change.sum(dim=0).abs_().sum(dim=0))
    if TAYLOR in sums:
        sums[TAYLOR].add_(change.abs_().sum(dim=(0, 1)))


def _of_neurons(values: Tensor, run: int) -> Tensor:
    """``(positions, sentences, neurons)``: the entries of a neuron added up."""
    if run == 1:
        return values
    return torch.unflatten(values, -1, (-1, run)).sum(dim=-1)
