"""Heads of the XTREME tasks on an encoder: one answer, or one for each token.

They are classification heads of fairseq's RoBERTa, by which checkpoints of it load and
keep them; on tokens the same layers stand at every position.
"""

from typing import Any

from fairseq.models.roberta import RobertaClassificationHead, RobertaModel
from torch import Tensor, nn

from lass_plugin.corpora.xtreme.tasks import PAIRS, SPANS, Task
from lass_plugin.errors import LassError

START, END = 0, 1
"""Outputs of a head of spans."""


class TokenHead(RobertaClassificationHead):
    """A classification head at every position."""

    def forward(self, features: Tensor, **kwargs: Any) -> Tensor:
        """Outputs ``(b, t, outputs)`` for *features* ``(b, t, d)``."""
        x = self.activation_fn(self.dense(self.dropout(features)))
        outputs: Tensor = self.out_proj(self.dropout(x))
        return outputs


def head_name(task: Task) -> str:
    """Name of the head of *task* among a model's classification heads."""
    return f"xtreme_{task.name}"


def add_head(model: nn.Module, task: Task) -> None:
    """Give *model* a new head for *task*.

    Raises:
        LassError: it is no encoder of RoBERTa's kind.
    """
    if not isinstance(model, RobertaModel):
        raise LassError(
            f"the tasks of XTREME are for encoders such as --arch roberta_base, and "
            f"this is a {type(model).__name__}; choose another --arch"
        )
    name, outputs = head_name(task), len(task.labels) or 2
    if task.kind == PAIRS:
        model.register_classification_head(name, num_classes=outputs)
        return
    options = model.args
    model.classification_heads[name] = TokenHead(
        options.encoder_embed_dim,
        options.encoder_embed_dim,
        outputs,
        options.pooler_activation_fn,
        options.pooler_dropout,
    )


def outputs_of(model: nn.Module, task: Task, sample: Any) -> Tensor:
    """What the head says of a batch: ``(b, labels)`` or ``(b, t, outputs)`` float32.

    Starts and ends of answers that are no token of the context are -inf; the first
    token stands for no answer.
    """
    logits: Tensor = model(
        **sample["net_input"],
        features_only=True,
        classification_head_name=head_name(task),
    )[0].float()
    if task.kind == SPANS:
        logits = logits.masked_fill(~sample["answerable"][:, :, None], float("-inf"))
    return logits
