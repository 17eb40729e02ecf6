"""What a fine-tuned encoder answers: labels, tags, or text of contexts."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from fairseq import utils
from torch import Tensor, nn

from lass_plugin.corpora.xtreme.questions import Question
from lass_plugin.data import batching
from lass_plugin.data.progress import Progress
from lass_plugin.data.xtreme.dataset import XtremeDataset
from lass_plugin.data.xtreme.features import IGNORED
from lass_plugin.data.xtreme.stored import Stored
from lass_plugin.errors import LassError
from lass_plugin.evaluation.xtreme.spans import Window, ranked_answers
from lass_plugin.models.xtreme_heads import END, START, outputs_of
from lass_plugin.tasks.xtreme import XtremeTask


class Predictor:
    """A model and the task that it answers.

    Args:
        batch: most examples of a batch.
    """

    def __init__(self, task: XtremeTask, model: nn.Module, batch: int):
        self.task, self.model, self.batch = task, model, batch
        self._cuda = next(model.parameters()).is_cuda

    def batches(self, stored: Stored, language: str) -> Iterator[dict[str, Any]]:
        """Yield the features as batches of like length, each in one of them."""
        data = XtremeDataset(
            self.task.xtreme, stored, self.task.source_dictionary, language
        )
        model: Any = self.model
        limit = model.max_positions()
        indices = torch.arange(len(data)).numpy()
        progress = Progress(f"computing {language}", len(data))
        for numbers in batching.make_batches(data.sizes, indices, None, self.batch):
            longest = int(data.sizes[numbers].max())
            if isinstance(limit, int) and longest > limit:
                raise LassError(
                    f"an example of {language} has {longest} tokens, and the model's "
                    f"positions end at {limit}; prepare the task with --length {limit}"
                )
            sample = data.collater([data[int(n)] for n in numbers])
            yield utils.move_to_cuda(sample) if self._cuda else sample
            progress.advance(len(numbers))
        progress.finish()

    def outputs(self, stored: Stored, language: str) -> list[Tensor]:
        """The head's outputs for each feature, with *language*'s part of the model.

        Returns:
            ``(labels,)`` of pairs, else ``(tokens, outputs)``, on the CPU.
        """
        found: dict[int, Tensor] = {}
        with torch.no_grad(), self.task.method_of(self.model).using(language):
            for sample in self.batches(stored, language):
                logits = outputs_of(self.model, self.task.xtreme, sample).cpu()
                for number, row in zip(sample["id"].tolist(), logits, strict=True):
                    start, end = stored.bounds(number)
                    found[number] = row if row.ndim == 1 else row[: end - start]
        return [found[number] for number in range(len(found))]


def labels_of(labels: Sequence[str], outputs: Sequence[Tensor]) -> list[str]:
    """The most likely label of each pair."""
    return [labels[int(row.argmax())] for row in outputs]


def gold_labels(labels: Sequence[str], stored: Stored) -> list[str]:
    """The true label of each pair."""
    return [labels[number] for number in stored.labels[:, 0].tolist()]


def tags_of(
    labels: Sequence[str], stored: Stored, outputs: Sequence[Tensor] | None = None
) -> list[list[str]]:
    """The most likely tag of each word of each sentence, or the true ones.

    Args:
        outputs: of each feature; None for the true tags.
    """
    found: list[list[str]] = [[] for _ in range(int(stored.source[-1]) + 1)]
    for number, source in enumerate(stored.source.tolist()):
        start, end = stored.bounds(number)
        true = stored.labels[start:end]
        chosen = true if outputs is None else outputs[number].argmax(-1)
        kept = chosen[true != IGNORED].tolist()
        found[source] += [labels[tag] for tag in kept]
    return found


def answers_of(
    questions: Sequence[Question],
    stored: Stored,
    outputs: Sequence[Tensor],
    stride: int,
    n_best: int,
    longest: int,
) -> dict[str, str]:
    """Id of each question -> the text of its best answer, empty where there is none."""
    windows: list[list[Window]] = [[] for _ in questions]
    for number, source in enumerate(stored.source.tolist()):
        start, end = stored.bounds(number)
        logits, characters = outputs[number], stored.characters[start:end]
        window = Window(logits[:, START], logits[:, END], characters)
        windows[source].append(window)
    answers = {}
    for asked, of in zip(questions, windows, strict=True):
        ranked = ranked_answers(of, stride, n_best, longest)
        best = ranked[0] if ranked else None
        answers[asked.id] = asked.context[best.start : best.end] if best else ""
    return answers
