"""Measuring importance: one pass over data of every pair, part by part.

The sentences of a pair are put into a random order that depends on the seed and on the
place of the pair among those that are measured, a sample is its beginning, and it is
cut into parts. Each part is a file, so a run that is killed goes on, several processes
share the parts, and the result does not depend on who measured what.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fairseq import utils

from lass_plugin.data import batching
from lass_plugin.errors import LassError
from lass_plugin.evaluation.systems import Ready
from lass_plugin.masks.neurons import base_of
from lass_plugin.neurons.importance import Counts, Importance
from lass_plugin.neurons.recording import Recorder
from lass_plugin.neurons.settings import MeasuringSettings
from lass_plugin.training.validation import negative_log_likelihood

LOSS_SCALE = 1024.0
"""What the loss is multiplied by in float16, whose small numbers are too large for the
gradients of single activations; the gradients are divided by it again."""


@dataclass(frozen=True)
class Part:
    """A share of the sentences of one pair."""

    pair: str
    sentences: np.ndarray
    """Numbers of the sentences in the data set of all pairs."""
    path: Path


class Measuring:
    """A model and the data of its pairs.

    Raises:
        LassError: the model has no such neurons, or a pair no sentence for it.
    """

    def __init__(self, settings: MeasuringSettings, ready: Ready):
        self.settings = settings
        usable = torch.cuda.is_available() and not settings.cpu
        self._device = torch.device("cuda" if usable else "cpu")
        self._model = ready.build_model(self._device, fp16=False)
        self._task = ready.task
        self._recorder = Recorder(self._model, settings.units, settings.criteria)
        shapes = {name: (s.neurons,) for name, s in self._recorder.sites.items()}
        self.base = base_of(shapes, dict(self._model.named_parameters()))
        # all parts of training text (train, train1 …), as training has it
        self._task.load_dataset(settings.split, combine=settings.split == "train")
        self._data = self._task.datasets[settings.split]
        limits = utils.resolve_max_positions(
            self._task.max_positions(), self._model.max_positions()
        )
        self.parts = list_parts(settings, self._data, limits)
        """Those of all pairs, pair after pair."""

    def measure(self, part: Part, advance: Callable[[int, str], None]) -> Importance:
        """The importance over the data of *part*.

        Args:
            advance: called after each batch with its sentences and the pair.

        Raises:
            LassError: activations or gradients are not finite.
        """
        recorder, precision = self._recorder, self.settings.precision
        sums, counts = recorder.zeros(self._device), Counts(0, 0, 0)
        for sample in self._samples(part.sentences):
            counts += measure_batch(
                recorder, sums, self._model, self._task, sample, precision
            )
            advance(sample["nsentences"], part.pair)
        check_finite(sums, part.pair, precision)
        return Importance(
            {
                criterion: {
                    site: values[criterion].cpu().unsqueeze(0)
                    for site, values in sums.items()
                }
                for criterion in recorder.criteria
            },
            {part.pair: counts},
            {name: site.side for name, site in recorder.sites.items()},
            self.base,
        )

    def _samples(self, sentences: np.ndarray) -> Iterator[dict[str, Any]]:
        sizes, most = self._data.sizes_of(sentences), self.settings.max_tokens
        for numbers in batching.make_batches(sizes, sentences, most, None):
            sample = self._data.batch(numbers)
            yield utils.move_to_cuda(sample) if self._device.type == "cuda" else sample


def list_parts(settings: MeasuringSettings, data: Any, limits: Any) -> list[Part]:
    """The parts of all pairs, pair after pair.

    Raises:
        LassError: a pair has no sentence that the model can take.
    """
    parts, first = [], 0
    for number, (pair, own) in enumerate(data.parts.items()):
        fitting = np.flatnonzero(batching.fits(own.sizes, limits))
        if not len(fitting):
            raise LassError(
                f"the {settings.split} data of {pair} have no sentence that the model "
                "can take; leave the pair out of --pairs or choose another --split"
            )
        order = np.random.default_rng([settings.seed, number]).permutation(fitting)
        chosen = order[: settings.sample or None] + first
        for index in range(math.ceil(len(chosen) / settings.part)):
            sentences = chosen[index * settings.part : (index + 1) * settings.part]
            path = settings.out / "parts" / f"{pair}.{index:05d}.safetensors"
            parts.append(Part(pair, sentences, path))
        first += len(own)
    return parts


def measure_batch(
    recorder: Recorder,
    sums: Any,
    model: Any,
    task: Any,
    sample: Mapping[str, Any],
    precision: str = "float32",
) -> Counts:
    """Add a batch to *sums*: forward, and backward of its negative log-likelihood where
    a criterion needs that.

    Args:
        sums: see :meth:`.recording.Recorder.zeros`; changed in place.
        sample: a batch as the task's data make it, on the device of the model.
        precision: of matrix products, ``float32``, ``bfloat16`` or ``float16``.
    """
    inputs, target = sample["net_input"], sample["target"]
    source_padding = inputs["src_tokens"].eq(task.source_dictionary.pad())
    target_padding = target.eq(task.target_dictionary.pad())
    dtype = getattr(torch, precision)
    scale = LOSS_SCALE if dtype is torch.float16 else 1.0
    with (
        torch.set_grad_enabled(recorder.goes_back),
        recorder.recording(sums, source_padding, target_padding, scale),
    ):
        reduced = dtype is not torch.float32
        with torch.autocast(target.device.type, dtype=dtype, enabled=reduced):
            output = model(**inputs)
        if recorder.goes_back:
            padding = task.target_dictionary.pad()
            loss = negative_log_likelihood(model, output, target, padding)
            (loss * scale).backward()
    return Counts(
        int(sample["nsentences"]),
        int((~source_padding).sum()),
        int((~target_padding).sum()),
    )


def check_finite(sums: Any, pair: str, precision: str) -> None:
    """Refuse sums that hold infinities or NaN.

    Raises:
        LassError: names the site and the pair.
    """
    advice = "take an earlier checkpoint"
    if precision != "float32":
        advice = "measure without reduced precision"
    for site, values in sums.items():
        if not all(bool(torch.isfinite(value).all()) for value in values.values()):
            raise LassError(
                f"activations or gradients of {site} are not finite on {pair}; {advice}"
            )
