"""Batches of the features of one language."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from fairseq.data import Dictionary, FairseqDataset
from torch import Tensor

from lass_plugin.corpora.xtreme.tasks import SPANS, TAGS, Task
from lass_plugin.data.xtreme.features import IGNORED
from lass_plugin.data.xtreme.stored import Stored


class XtremeDataset(FairseqDataset):
    """Features of one split and language; a part of :class:`.PairsDataset`.

    A batch has ``net_input.src_tokens`` ``(b, t)``; ``target`` is ``(b,)`` for pairs,
    ``(b, t)`` for tags (:data:`.IGNORED` where there is none), ``(b, 2)`` for spans;
    ``answerable`` ``(b, t)`` are the tokens of a context and the first of all, which
    stands for no answer. X-MOD reads the language in ``net_input.lang_id``.
    """

    def __init__(
        self, task: Task, stored: Stored, dictionary: Dictionary, language: str
    ):
        super().__init__()
        self.task, self.stored, self.pad = task, stored, dictionary.pad()
        self.language = language
        ends = stored.ends.numpy()
        self._lengths = np.diff(ends, prepend=0)

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def sizes(self) -> np.ndarray:
        """``(features,)`` tokens."""
        return self._lengths

    def size(self, index: int) -> int:
        return int(self._lengths[index])

    def num_tokens(self, index: int) -> int:
        return int(self._lengths[index])

    def __getitem__(self, index: int) -> dict[str, Any]:
        start, end = self.stored.bounds(index)
        item: dict[str, Any] = {"id": index, "tokens": self.stored.tokens[start:end]}
        if self.task.kind == TAGS:
            item["target"] = self.stored.labels[start:end]
        elif self.task.trains:
            item["target"] = self.stored.labels[index]
        if self.task.kind == SPANS:
            item["answerable"] = self.stored.characters[start:end, 0] >= 0
        return item

    def collater(self, samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Pad *samples* to a batch."""
        if not samples:
            return {}
        tokens = padded([one["tokens"].long() for one in samples], self.pad)
        batch: dict[str, Any] = {
            "id": torch.tensor([one["id"] for one in samples]),
            "nsentences": len(samples),
            "ntokens": sum(len(one["tokens"]) for one in samples),
            "net_input": {
                "src_tokens": tokens,
                "lang_id": [self.language] * len(samples),
            },
        }
        if self.task.kind == TAGS:
            batch["target"] = padded([one["target"].long() for one in samples], IGNORED)
        elif self.task.trains:
            batch["target"] = torch.stack([one["target"].long() for one in samples])
            if self.task.kind != SPANS:
                batch["target"] = batch["target"][:, 0]
        if self.task.kind == SPANS:
            batch["answerable"] = padded([one["answerable"] for one in samples], False)
            batch["answerable"][:, 0] = True
        return batch


def padded(rows: Sequence[Tensor], value: int | bool) -> Tensor:
    """*rows* ``(t_i,)`` as ``(b, max t)``, *value* behind the shorter ones."""
    return torch.nn.utils.rnn.pad_sequence(list(rows), True, value)
