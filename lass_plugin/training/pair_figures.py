"""Figures of each pair in what a training logs, so that its lines stay readable.

The line of a log interval has them for few pairs, that of an epoch for any number; both
go to TensorBoard and W&B. Among them is what the training is made of: the share of each
pair in the target words. Pairs are drawn by the temperature, so it is known beforehand
only where no sentence is too long and batches are filled alike.
"""

from functools import partial
from typing import Any, Mapping, Sequence

from fairseq.logging.meters import AverageMeter, MetersDict, SumMeter

from lass_plugin.training.validation import nothing_like

EPOCH, INTERVAL = "train", "train_inner"
"""What fairseq collects for the line of an epoch, and for that of a log interval."""

IN_EVERY_LINE = 8
"""Pairs up to which the line of a log interval has their figures, too."""

_COUNT, _SHARE = "_words_{}", "share_{}"
"""Names of meters; fairseq shows none that begins with a line, but saves them."""
_PRIORITY = 500


def add_words(
    logging_output: dict[str, Any], key: str | None, keys: Sequence[str]
) -> None:
    """Note the words of a batch under its pair; every rank gets the same entries.

    Args:
        key: None where the batch mixes pairs, or does not count.
        keys: of the training.
    """
    words = logging_output["ntokens"]
    for name in keys:
        own = name == key
        logging_output[f"drawn_words:{name}"] = words if own else nothing_like(words)


def log_shares(metrics: Any, logging_outputs: Sequence[dict[str, Any]]) -> None:
    """Log ``share_de-en`` of each pair that was drawn, from the sums of *metrics*.

    Sums go on after a resume, since fairseq saves them with the run.

    Args:
        metrics: :mod:`fairseq.metrics`.
    """
    words: dict[str, float] = {}
    for output in logging_outputs:
        for entry, count in output.items():
            kind, _, name = entry.partition(":")
            if kind == "drawn_words":
                words[name] = words.get(name, 0.0) + float(count)
    if not words:
        return
    for meters in _meters(metrics, len(words)):
        _add(meters, words)


def log_figures(metrics: Any, figures: Mapping[str, Mapping[str, float]]) -> None:
    """Log the latest figures of each pair, and their means over the pairs.

    Args:
        metrics: :mod:`fairseq.metrics`.
        figures: pair -> name -> value; a figure of one pair has the bare name.
    """
    names = {name: 0 for each in figures.values() for name in each}
    for name in names:
        values = {key: each[name] for key, each in figures.items() if name in each}
        mean = sum(values.values()) / len(values)
        metrics.log_scalar(name, mean, weight=0, round=4)
        for meters in _meters(metrics, len(figures)) if len(figures) > 1 else ():
            for key, value in values.items():
                label = f"{name}_{key}"
                if label not in meters:
                    meters.add_meter(label, AverageMeter(round=4), _PRIORITY)
                meters[label].update(value, 0)


def _meters(metrics: Any, pairs: int) -> list[MetersDict]:
    """What the figures of so many pairs are collected in."""
    lines = (EPOCH, INTERVAL) if pairs <= IN_EVERY_LINE else (EPOCH,)
    found = [metrics.get_meters(line) for line in lines]
    return [meters for meters in found if meters is not None]


def _add(meters: MetersDict, words: dict[str, float]) -> None:
    counts = [_COUNT.format(name) for name in words]

    def share(count: str, all_meters: MetersDict) -> float:
        sums = [all_meters[each].sum or 0.0 for each in counts if each in all_meters]
        return round((all_meters[count].sum or 0.0) / max(1.0, sum(sums)), 4)

    for name, count in zip(words, counts, strict=True):
        if words[name]:
            if count not in meters:
                meters.add_meter(count, SumMeter(round=0), _PRIORITY)
            meters[count].update(words[name])
        if count in meters and _SHARE.format(name) not in meters:
            derived = MetersDict._DerivedMeter(partial(share, count))
            meters.add_meter(_SHARE.format(name), derived, _PRIORITY)
