"""The negative log-likelihood of a batch, without label smoothing."""

from typing import Any

import torch
from torch import Tensor


def negative_log_likelihood(
    model: Any, output: Any, target: Tensor, padding: int
) -> Tensor:
    """Σ −log p of the target tokens, in nats.

    Args:
        model: a model of fairseq, which knows what its output means.
        output: what *model* gave for the batch, in any precision.
        target: ``(sentences, positions)``.
        padding: the token of *target* that does not count.

    Returns:
        A scalar in float32, with a gradient if *output* has one.
    """
    log_probabilities = model.get_normalized_probs(output, log_probs=True)
    return torch.nn.functional.nll_loss(
        log_probabilities.flatten(0, 1).float(),
        target.flatten(),
        ignore_index=padding,
        reduction="sum",
    )
