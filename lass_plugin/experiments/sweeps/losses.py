"""Validation loss of each pair under its mask before any joint training.

It is the loss that joint training starts from: of the base's weights under a mask that
they were not trained with. It is cheap, and says which ratios hurt a pair, not what
training will mend.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from fairseq import utils

from lass_plugin.data.progress import Progress
from lass_plugin.evaluation.systems import Saved, System
from lass_plugin.experiments import content
from lass_plugin.experiments.sweeps.settings import BaseSettings
from lass_plugin.experiments.sweeps.variants import V
from lass_plugin.languages import parse_pairs
from lass_plugin.masks import MaskSet
from lass_plugin.masks.file import digest
from lass_plugin.methods.subnetworks.joint import masked_weights
from lass_plugin.records.json_record import RecordFormat
from lass_plugin.training.validation import summed_loss

FORM = RecordFormat(
    "lass_plugin sweep losses", "a losses.json of a sweep", measured=True
)

MEASURE = (
    "validation loss in bits a token, without label smoothing, of the base's weights "
    "under the mask, before any joint training"
)


def measure_losses(
    settings: BaseSettings, pairs: list[str], masks: Mapping[V, MaskSet | None]
) -> dict[str, dict[str, float]]:
    """Measure what is not in ``losses.json`` of the sweep yet, and keep it there.

    Args:
        masks: variant -> its masks, None for the dense baseline.

    Returns:
        Name of each variant -> pair -> validation loss.
    """
    path, split = settings.out / "losses.json", settings.valid_split
    data = content.of_data(settings.folders[:1], pairs, [split])
    known: dict[str, Any] = (FORM.read_or_none(path) or {}).get("variants", {})
    keys = {
        variant: {
            "base": content.of_weights(settings.base),
            "data": data,
            "split": split,
            "masks": None if each is None else digest(each),
            "pairs": pairs,
        }
        for variant, each in masks.items()
    }
    missing = [v for v, key in keys.items() if known.get(v.name, {}).get("of") != key]
    if missing:
        data_folder, cpu = settings.folders[0], settings.cpu
        model = ValidationLosses(settings.base, data_folder, pairs, split, cpu)
        progress = Progress("validation", len(missing) * len(pairs))
        for variant in missing:
            found = {}
            for pair, loss in model.of(masks[variant]):
                found[pair] = loss
                progress.advance(1, f"{variant.name} {pair}")
            known[variant.name] = {"of": keys[variant], "losses": found}
            FORM.write(path, {"variants": known})
        progress.finish()
    return {variant.name: known[variant.name]["losses"] for variant in masks}


class ValidationLosses:
    """A base model and the validation data of its pairs.

    Args:
        checkpoint: the base.
        data: data folder.
        cpu: do not use the GPU.

    Raises:
        LassError: data, dictionary or checkpoint do not fit together.
    """

    def __init__(
        self,
        checkpoint: Path,
        data: Path,
        pairs: list[str],
        split: str = "valid",
        cpu: bool = False,
    ):
        saved = Saved(System("base", checkpoint, dense=True))
        ready = saved.set_up(data, parse_pairs(pairs))
        usable = torch.cuda.is_available() and not cpu
        self._device = torch.device("cuda" if usable else "cpu")
        self._model = ready.build_model(self._device, fp16=False)
        self._model.requires_grad_(False)
        task = ready.task
        task.load_dataset(split)
        self._data = task.datasets[split]
        self._padding = task.target_dictionary.pad()
        positions = (task.max_positions(), self._model.max_positions())
        limits = utils.resolve_max_positions(*positions)
        self._batches: dict[str, list] = {key: [] for key in pairs}
        for numbers in self._data.batches(max_tokens=4096, limits=limits):
            self._batches[self._data.locate(int(numbers[0]))[0]].append(numbers)

    def of(self, masks: MaskSet | None) -> Iterator[tuple[str, float]]:
        """Yield pairs and losses in bits a token; without masks of the dense base."""
        weights = None if masks is None else masked_weights(self._model, masks)
        for key in self._batches:
            with nullcontext() if weights is None else weights.using(key):
                loss = self._loss(key)
            yield key, loss

    @torch.no_grad()
    def _loss(self, key: str) -> float:
        total, tokens = 0.0, 0
        for numbers in self._batches[key]:
            sample = self._data.batch(numbers)
            if self._device.type == "cuda":
                sample = utils.move_to_cuda(sample)
            total += float(summed_loss(self._model, sample, self._padding))
            tokens += sample["ntokens"]
        return total / tokens / math.log(2)
