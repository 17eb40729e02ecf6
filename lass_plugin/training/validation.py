"""Losses: of each key in validation with their unweighted mean; and of a batch."""

import math
from typing import Any, Sequence

import torch
from torch import Tensor


def add_key(
    logging_output: dict[str, Any],
    key: str | None,
    keys: Sequence[str],
    counted: str = "ntokens",
) -> None:
    """Note the loss of a batch under its key; every rank gets the same entries.

    They are of the same kind, too: over processes fairseq sums tensors and plain
    numbers apart, each by its place among its like.

    Args:
        counted: entry of what the loss is a sum over.
    """
    loss = logging_output.get("nll_loss", logging_output["loss"])
    tokens = logging_output[counted]
    for name in keys:
        own = name == key
        logging_output[f"key_loss:{name}"] = loss if own else nothing_like(loss)
        logging_output[f"key_tokens:{name}"] = tokens if own else nothing_like(tokens)


def nothing_like(value: Any) -> Any:
    """Zero of the kind of *value*: a tensor where it is one, else a number."""
    return torch.zeros_like(value) if isinstance(value, Tensor) else 0


def log_keys(
    metrics: Any, logging_outputs: Sequence[dict[str, Any]], mean: str = "pair_loss"
) -> None:
    """Log ``loss_de-en`` (bits a token) for each key and, as *mean*, their mean.

    ``--best-checkpoint-metric pair_loss`` chooses the checkpoint that is best for the
    average pair, where ``loss`` weighs every pair by the size of its validation data.
    """
    names = {
        name.partition(":")[2]
        for output in logging_outputs
        for name in output
        if name.startswith("key_tokens:")
    }
    if not names:
        return
    for name in sorted(names):
        tokens = _total(logging_outputs, f"key_tokens:{name}")
        if tokens > 0:
            loss = _total(logging_outputs, f"key_loss:{name}") / tokens / math.log(2)
            metrics.log_scalar(f"loss_{name}", loss, tokens, round=3)
    metrics.log_derived(mean, lambda meters: _mean_of_keys(meters, names))


def _mean_of_keys(meters: Any, names: set[str]) -> float:
    present = [f"loss_{name}" for name in sorted(names) if f"loss_{name}" in meters]
    values = [meters[name].avg for name in present]
    return round(float(sum(values) / max(1, len(values))), 4)


def _total(logging_outputs: Sequence[dict[str, Any]], name: str) -> float:
    return float(sum(float(output.get(name, 0)) for output in logging_outputs))


def summed_loss(model: Any, sample: dict[str, Any], padding: int) -> Tensor:
    """:func:`negative_log_likelihood` of what *model* makes of *sample*."""
    output = model(**sample["net_input"])
    return negative_log_likelihood(model, output, sample["target"], padding)


def negative_log_likelihood(
    model: Any, output: Any, target: Tensor, padding: int
) -> Tensor:
    """Σ −log p of the target tokens of a batch, in nats, without label smoothing.

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
