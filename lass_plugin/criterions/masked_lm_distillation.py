"""The loss ``masked_lm_distillation``: masked language modelling beside a teacher."""

import math
from argparse import Namespace
from dataclasses import dataclass
from typing import Any, Optional

import torch
from fairseq import metrics, models
from fairseq.criterions import register_criterion
from fairseq.criterions.masked_lm import MaskedLmConfig, MaskedLmLoss
from torch import Tensor, nn
from torch.nn import functional as F

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.trained_with import ENTRY, check_dictionaries
from lass_plugin.errors import LassError
from lass_plugin.masks.fingerprint import fingerprint, short_name
from lass_plugin.methods.registry import method_of
from lass_plugin.options import flag


@dataclass
class MaskedLmDistillationConfig(MaskedLmConfig):
    teacher: Optional[str] = flag(None, "checkpoint of the encoder to learn from")
    distillation_temperature: float = flag(
        2.0, "T, by which the logits of both are divided"
    )
    distillation_weight: float = flag(
        0.5,
        "λ, share of the teacher in the loss, the rest is that of the text",
    )


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² · Σ KL(softmax(teacher / T) ‖ softmax(student / T)) (Hinton 2015, §2).

    T² keeps the size of its gradient the same for any T.

    Args:
        student, teacher: ``(tokens, symbols)`` logits.
    """
    ours, theirs = (
        F.log_softmax(logits.float() / temperature, dim=-1)
        for logits in (student, teacher)
    )
    total = F.kl_div(ours, theirs, log_target=True, reduction="sum")
    return temperature**2 * total


@register_criterion("masked_lm_distillation", dataclass=MaskedLmDistillationConfig)
class MaskedLmDistillation(MaskedLmLoss):
    """(1 − λ) · masked language modelling + λ · :func:`divergence` from a teacher.

    Both over the tokens to be guessed. The teacher computes without dropout, and not in
    validation, where the loss is that of masked language modelling alone.
    """

    def __init__(self, cfg: MaskedLmDistillationConfig, task: Any):
        super().__init__(cfg, task)
        if not cfg.teacher:
            raise LassError("masked_lm_distillation has no teacher; give --teacher")
        for option, value, good in (
            ("temperature", cfg.distillation_temperature, (0, math.inf)),
            ("weight", cfg.distillation_weight, (0, 1)),
        ):
            if not good[0] < value <= good[1] or math.isinf(value):
                raise LassError(
                    f"--distillation-{option} {value} is not above 0"
                    + (" and at most 1" if good[1] == 1 else "")
                )
        self.temperature = cfg.distillation_temperature
        self.weight = cfg.distillation_weight
        # in a list: it is no part of what is trained, saved and counted
        teacher = load_teacher(cfg.teacher, task)
        self._teacher = [teacher]
        matrices = {
            name: weight
            for name, weight in teacher.named_parameters()
            if weight.dim() == 2 and len(weight) != len(task.target_dictionary)
        }
        task.begun_with |= {
            "teacher": short_name(fingerprint(matrices)),
            "distillation": {"T": self.temperature, "λ": self.weight},
        }

    def forward(
        self, model: nn.Module, sample: dict[str, Any], reduce: bool = True
    ) -> tuple[Tensor, Tensor, dict[str, Any]]:
        watched = _Watched(model)
        loss, size, logging_output = super().forward(watched, sample, reduce)
        logging_output["nll_loss"] = loss.detach()
        chosen = watched.inputs.get("masked_tokens")
        if model.training and chosen is not None:
            teacher = self._teacher[0].to(loss.device)
            with torch.no_grad():
                theirs = teacher(**watched.inputs)[0]
            apart = divergence(watched.logits, theirs, self.temperature)
            loss = (1 - self.weight) * loss + self.weight * apart
            logging_output["divergence"] = apart.detach()
        else:
            logging_output["divergence"] = loss.detach() * 0
        logging_output["loss"] = loss.detach()
        return loss, size, logging_output

    @staticmethod
    def reduce_metrics(logging_outputs: list[dict[str, Any]]) -> None:
        """Log ``nll_loss`` and ``divergence`` (bits a token) beside the loss."""
        MaskedLmLoss.reduce_metrics(logging_outputs)
        size = sum(float(log.get("sample_size", 0)) for log in logging_outputs)
        for name in ("nll_loss", "divergence"):
            total = sum(float(log.get(name, 0)) for log in logging_outputs)
            value = total / max(size, 1) / math.log(2)
            metrics.log_scalar(name, value, size, round=3)


class _Watched:
    """A model that remembers what it was given and what it made of it."""

    def __init__(self, model: Any):
        self._model = model
        self.get_targets = model.get_targets
        self.inputs: dict[str, Any] = {}
        self.logits = torch.empty(0)

    def __call__(self, **inputs: Any) -> Any:
        self.inputs = inputs
        output = self._model(**inputs)
        self.logits = output[0]
        return output


def load_teacher(path: str, task: Any) -> nn.Module:
    """The encoder of a checkpoint, to compute with only.

    Raises:
        LassError: unreadable, no encoder, or of another dictionary than the task's.
    """
    checkpoint = Checkpoint.read_whole(path)
    if (method := method_of(checkpoint.task_state, path)).entry:
        raise LassError(
            f"{path} is a model with {method.words}, which a teacher has not; give the "
            "encoder that it was made of, or one that 'lass gates export' wrote"
        )
    pair = (task.source_dictionary, task.target_dictionary)
    if ENTRY in checkpoint.task_state:
        check_dictionaries(checkpoint.task_state, pair, path, str(task.cfg.data))
    options = Namespace(**checkpoint.model_options)
    try:
        model = models.build_model(options, task)
        model.load_state_dict(checkpoint.content["model"], model_cfg=options)
    except (RuntimeError, AssertionError, AttributeError, KeyError, TypeError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise LassError(
            f"{path} cannot be a teacher ({reason[0]}); give an encoder with the "
            "dictionary of the data"
        ) from error
    for parameter in model.parameters():
        parameter.requires_grad = False
    teacher: nn.Module = model.eval()
    return teacher
