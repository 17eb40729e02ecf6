"""The importance of heads and hidden units of a translation model, measured on data."""

import numpy as np
import torch
from fairseq import utils

from lass_plugin.data import batching
from lass_plugin.data.progress import Progress
from lass_plugin.errors import LassError
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
from lass_plugin.training.validation import summed_loss


def measure_gates(settings: ImportanceSettings) -> ComponentImportance:
    """Measure every pair, write the whole, and return it.

    Raises:
        LassError: names what does not fit, or a pair without sentences.
    """
    saved = Saved(System("base", settings.checkpoint, dense=True))
    pairs = list(map(str, settings.pairs or saved.trained_pairs))
    ready = saved.set_up(settings.data, parse_pairs(pairs))
    usable = torch.cuda.is_available() and not settings.cpu
    device = torch.device("cuda" if usable else "cpu")
    model, task = ready.build_model(device, fp16=False), ready.task
    components = find_components(model)
    base = base_of(components, dict(model.named_parameters()))
    task.load_dataset(settings.split)
    data = task.datasets[settings.split]
    limits = utils.resolve_max_positions(task.max_positions(), model.max_positions())
    chosen, first = {}, 0
    for number, (pair, part) in enumerate(data.parts.items()):
        fitting = np.flatnonzero(batching.fits(part.sizes, limits))
        if not len(fitting):
            raise LassError(
                f"the {settings.split} data of {pair} have no sentence that the model "
                "can take; leave the pair out of --pairs or choose another --split"
            )
        order = np.random.default_rng([settings.seed, number]).permutation(fitting)
        chosen[pair] = np.sort(order[: settings.sample or None]) + first
        first += len(part)
    progress = Progress("importance", sum(map(len, chosen.values())))
    rows, terms, padding = {}, {}, task.target_dictionary.pad()
    for pair, sentences in chosen.items():
        recorder = ComponentRecorder(model, components, settings.granularity)
        for numbers in batching.make_batches(
            data.sizes[sentences], sentences, settings.max_tokens, None
        ):
            sample = data.collater([data[int(n)] for n in numbers])
            sample = utils.move_to_cuda(sample) if usable else sample
            with recorder.batch(len(numbers)):
                summed_loss(model, sample, padding).backward()
            progress.advance(len(numbers), pair)
        rows[pair] = components.joined(recorder.importance())
        terms[pair] = recorder.terms
    progress.finish()
    note = f"{settings.split} data of {settings.data.resolve().name}, at most "
    note += f"{settings.sample or 'all'} sentences a pair, seed {settings.seed}"
    found = ComponentImportance(
        components, rows, terms, settings.granularity, base, note
    )
    save_importance(settings.out, found)
    return found
