"""The importance of the components of a translation model or an encoder, measured."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from fairseq import utils
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lass_plugin.anatomy.encoders import stands_alone
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.data import batching
from lass_plugin.data.pairs_dataset import PairsDataset
from lass_plugin.data.progress import Progress
from lass_plugin.errors import LassError
from lass_plugin.evaluation.encoders import build_encoder, chosen_device
from lass_plugin.evaluation.systems import Saved, System
from lass_plugin.languages import parse_pairs
from lass_plugin.methods.gates.gating import find_components
from lass_plugin.methods.gates.importance import ComponentRecorder
from lass_plugin.methods.gates.sets import base_of
from lass_plugin.methods.gates.settings import ImportanceSettings
from lass_plugin.methods.gates.stored_importance import (
    ComponentImportance,
    save_importance,
)
from lass_plugin.methods.registry import method_of, refuse_parts
from lass_plugin.options import MaskedLmLanguagesConfig
from lass_plugin.settings import needless
from lass_plugin.tasks.masked_lm_languages import MaskedLmLanguagesTask
from lass_plugin.training.validation import summed_loss

LONGEST = 512
"""Tokens of a sample of an encoder at most."""


@dataclass(frozen=True)
class _Ready:
    """A model in evaluation mode, and the data of its keys."""

    model: Any
    data: PairsDataset
    loss: Callable[[Any, dict[str, Any]], Tensor]
    """Model and batch -> the loss summed over the tokens."""
    limits: Any


def measure_gates(settings: ImportanceSettings) -> ComponentImportance:
    """Measure every key, write the whole, and return it.

    Raises:
        LassError: names what does not fit, or a key without sentences.
    """
    device = chosen_device(settings.cpu)
    checkpoint = Checkpoint.read(settings.checkpoint)
    method = method_of(checkpoint.task_state, str(settings.checkpoint))
    refuse_parts(method, settings.checkpoint, "lass gates importance")
    alone = stands_alone(checkpoint.weights)
    ready = (_encoder if alone else _translation)(settings, device)
    model, data = ready.model, ready.data
    components = find_components(model, settings.kinds)
    base = base_of(components, dict(model.named_parameters()))
    chosen, first = {}, 0
    for number, (key, part) in enumerate(data.parts.items()):
        fitting = np.flatnonzero(batching.fits(part.sizes, ready.limits))
        if not len(fitting):
            raise LassError(
                f"the {settings.split} data of {key} have no sentence that the model "
                "can take; leave it out, or choose another --split"
            )
        order = np.random.default_rng([settings.seed, number]).permutation(fitting)
        chosen[key] = np.sort(order[: settings.sample or None]) + first
        first += len(part)
    progress = Progress("importance", sum(map(len, chosen.values())))
    rows, terms = {}, {}
    for key, sentences in chosen.items():
        recorder = ComponentRecorder(model, components, settings.granularity)
        for numbers in batching.make_batches(
            data.sizes[sentences], sentences, settings.max_tokens, None
        ):
            sample = data.batch(numbers)
            sample = utils.move_to_cuda(sample) if device.type == "cuda" else sample
            with recorder.batch(len(numbers)):
                ready.loss(model, sample).backward()
            progress.advance(len(numbers), key)
        rows[key] = components.joined(recorder.importance())
        terms[key] = recorder.terms
    progress.finish()
    note = f"{settings.split} data of {settings.data.resolve().name}, at most "
    note += f"{settings.sample or 'all'} sentences a key, seed {settings.seed}"
    found = ComponentImportance(
        components, rows, terms, settings.granularity, base, note
    )
    save_importance(settings.out, found)
    return found


def _translation(settings: ImportanceSettings, device: torch.device) -> _Ready:
    needless(settings, ("langs",), "on a model that translates; give --pairs")
    saved = Saved(System("base", settings.checkpoint, dense=True))
    pairs = list(map(str, settings.pairs or saved.trained_pairs))
    ready = saved.set_up(settings.data, parse_pairs(pairs))
    model, task = ready.build_model(device, fp16=False), ready.task
    task.load_dataset(settings.split, combine=settings.split == "train")
    padding = task.target_dictionary.pad()

    def loss(model: Any, sample: dict[str, Any]) -> Tensor:
        return summed_loss(model, sample, padding)

    limits = utils.resolve_max_positions(task.max_positions(), model.max_positions())
    return _Ready(model, task.datasets[settings.split], loss, limits)


def _encoder(settings: ImportanceSettings, device: torch.device) -> _Ready:
    """An encoder alone, and samples of text of which some tokens are masked."""
    needless(settings, ("pairs",), "on an encoder alone; give --langs")
    found = Checkpoint.read_whole(settings.checkpoint)
    cfg: Any = MaskedLmLanguagesConfig()
    for field in fields(cfg):
        if str(field.default).startswith("${"):  # an option of fairseq's own
            setattr(cfg, field.name, False)
    cfg.data, cfg.train_subset, cfg.seed = str(settings.data), "train", settings.seed
    cfg.langs = ",".join(settings.langs) or None
    positions = int(found.model_options.get("max_positions") or LONGEST)
    cfg.tokens_per_sample = min(LONGEST, positions)
    task = MaskedLmLanguagesTask.setup_task(cfg, from_checkpoint=True)
    model = build_encoder(found, task, device)
    task.load_dataset(settings.split, combine=settings.split == "train")

    def loss(model: nn.Module, sample: dict[str, Any]) -> Tensor:
        target = sample["target"]
        guessed = target.ne(task.dictionary.pad())
        output = model(**sample["net_input"], masked_tokens=guessed)[0]
        return cross_entropy(output.float(), target[guessed], reduction="sum")

    return _Ready(model, task.datasets[settings.split], loss, task.max_positions())
