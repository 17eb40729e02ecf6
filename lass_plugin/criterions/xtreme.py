"""The criterion ``xtreme``: cross-entropy of what a task's head should answer."""

import math
from typing import Any

import torch
from fairseq import metrics
from fairseq.criterions import FairseqCriterion, register_criterion
from torch import Tensor
from torch.nn.functional import cross_entropy

from lass_plugin.corpora.xtreme.tasks import PAIRS, TAGS, Task
from lass_plugin.data.xtreme.features import IGNORED
from lass_plugin.models.xtreme_heads import END, START, outputs_of


@register_criterion("xtreme")
class XtremeCriterion(FairseqCriterion):
    """Cross-entropy of pairs (each), tags (each word) or spans (start and end).

    The loss of a span is the mean of that of its start and its end, as in XTREME.
    """

    def forward(
        self, model: Any, sample: dict[str, Any], reduce: bool = True
    ) -> tuple[Tensor, int, dict[str, Any]]:
        """Loss of a batch, what it is a sum over, and figures for the log."""
        task: Task = self.task.xtreme
        logits, target = outputs_of(model, task, sample), sample["target"]
        loss, correct, count = answered(task, logits, target)
        figures = {
            "loss": loss.data,
            "correct": correct,
            "sample_size": count,
            "nsentences": sample["nsentences"],
            "ntokens": sample["ntokens"],
        }
        return loss, count, figures

    @staticmethod
    def reduce_metrics(logging_outputs: list[dict[str, Any]]) -> None:
        """Log the loss in bits and the share of right answers in percent."""

        def total(name: str) -> float:
            return float(sum(float(one.get(name, 0)) for one in logging_outputs))

        count = total("sample_size")
        if count:
            bits = total("loss") / count / math.log(2)
            metrics.log_scalar("loss", bits, count, round=3)
            right = 100.0 * total("correct") / count
            metrics.log_scalar("accuracy", right, count, round=2)

    @staticmethod
    def logging_outputs_can_be_summed() -> bool:
        return True


def answered(task: Task, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor, int]:
    """The summed loss, how many answers are right, and how many there are.

    Args:
        logits, target: as :func:`.outputs_of` and :class:`.XtremeDataset` have them.
    """
    if task.kind == PAIRS:
        loss = cross_entropy(logits, target, reduction="sum")
        return loss, (logits.argmax(-1) == target).sum(), len(target)
    if task.kind == TAGS:
        of_word = target != IGNORED
        loss = cross_entropy(
            logits.flatten(0, 1),
            target.flatten(),
            ignore_index=IGNORED,
            reduction="sum",
        )
        right = ((logits.argmax(-1) == target) & of_word).sum()
        return loss, right, int(of_word.sum())
    starts, ends = logits[..., START], logits[..., END]
    loss = cross_entropy(starts, target[:, 0], reduction="sum")
    loss = (loss + cross_entropy(ends, target[:, 1], reduction="sum")) / 2
    found = torch.stack([starts.argmax(-1), ends.argmax(-1)], dim=1)
    return loss, (found == target).all(1).sum(), len(target)
