"""Measuring importance: one pass over data of every pair, part by part.

The sentences of a pair are put into a random order that depends on the seed and the
pair only, a sample is its beginning, and it is cut into parts. Each part is a file, so
a run that is killed goes on, several processes share the parts, and the result does not
depend on who measured what.
"""

import json
import math
import operator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

import numpy as np
import torch
from fairseq import utils

from lass_plugin import files
from lass_plugin.anatomy.neurons import DEFAULT_UNITS
from lass_plugin.data import batching
from lass_plugin.data.progress import Progress
from lass_plugin.errors import LassError
from lass_plugin.evaluation.likelihood import negative_log_likelihood
from lass_plugin.evaluation.systems import Saved, System
from lass_plugin.languages import parse_pairs
from lass_plugin.masks import Fingerprint
from lass_plugin.masks.fingerprint import same_weights
from lass_plugin.masks.fitting import base_of
from lass_plugin.neurons.importance import (
    NAME,
    Counts,
    Importance,
    add_parts,
    load_importance,
    save_importance,
    side_by_side,
)
from lass_plugin.neurons.recording import Recorder
from lass_plugin.scores.neuron import CRITERIA

LOSS_SCALE = 1024.0
"""What the loss is multiplied by in float16, whose small numbers are too large for the
gradients of single activations; the gradients are divided by it again."""

PRECISIONS = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class MeasuringPlan:
    """What is measured; a folder of parts belongs to one plan."""

    checkpoint: Path
    data: Path
    out: Path
    pairs: tuple[str, ...] = ()
    """Empty for those that the model was trained on."""
    units: tuple[str, ...] = DEFAULT_UNITS
    split: str = "train"
    sample: int = 0
    """Sentences of each pair; 0 for all."""
    part: int = 5000
    """Sentences of a part."""
    seed: int = 1
    max_tokens: int = 4096
    precision: str = "float32"
    cpu: bool = False
    share: tuple[int, int] = (1, 1)
    """(i, n): this process measures every n-th part, from the i-th on (from 1)."""

    def check(self) -> None:
        """Refuse what cannot be carried out.

        Raises:
            LassError: names the option.
        """
        for name in ("part", "max_tokens"):
            if getattr(self, name) < 1:
                option = name.replace("_", "-")
                raise LassError(f"--{option} must be 1 or more")
        if self.sample < 0:
            raise LassError(f"--sample must be 1 or more, not {self.sample}")
        if self.precision not in PRECISIONS:
            raise LassError(
                f"unknown precision '{self.precision}'; choose from "
                f"{', '.join(PRECISIONS)}"
            )
        number, processes = self.share
        if not 1 <= number <= processes:
            raise LassError(
                f"--share {number}/{processes} is none of 1/{processes} to "
                f"{processes}/{processes}"
            )

    def identity(self, pairs: Sequence[str], base: Fingerprint) -> dict[str, Any]:
        """What must be the same for parts to be added up."""
        return {
            "base": base,
            "data": str(self.data.resolve()),
            "pairs": list(pairs),
            "units": list(self.units),
            "split": self.split,
            "sample": self.sample,
            "part": self.part,
            "seed": self.seed,
            "precision": self.precision,
        }


@dataclass(frozen=True)
class Part:
    """A share of the sentences of one pair."""

    pair: str
    number: int
    sentences: np.ndarray
    """Numbers of the sentences in the data set of all pairs."""
    path: Path


def measure(plan: MeasuringPlan) -> Importance | None:
    """Measure the parts of this process that have not been measured.

    Returns:
        The importance for all pairs, also written to ``out``; None while parts of
        other processes are missing.

    Raises:
        LassError: names what does not fit, before anything is measured; or a pair or
            an activation that is at fault.
    """
    plan.check()
    saved = Saved(System("base", plan.checkpoint, dense=True))
    pairs = list(plan.pairs or map(str, saved.trained_pairs))
    ready = saved.set_up(plan.data, parse_pairs(pairs))
    usable = torch.cuda.is_available() and not plan.cpu
    device = torch.device("cuda" if usable else "cpu")
    model = ready.build_model(device, fp16=False)
    recorder = Recorder(model, plan.units)
    parameters = dict(model.named_parameters())
    shapes = {name: (site.neurons,) for name, site in recorder.sites.items()}
    base = base_of(shapes, parameters)
    _check_identity(plan, plan.identity(pairs, base))
    task = ready.task
    task.load_dataset(plan.split)
    data = task.datasets[plan.split]
    limits = utils.resolve_max_positions(task.max_positions(), model.max_positions())
    parts = list_parts(plan, data, pairs, limits)
    number, processes = plan.share
    mine = [part for part in parts[number - 1 :: processes] if not part.path.is_file()]
    progress = Progress("importance", sum(len(part.sentences) for part in mine))
    for part in mine:
        sums, counts = recorder.zeros(device), Counts(0, 0, 0)
        for sample in _samples(data, part.sentences, plan.max_tokens, device):
            counts += measure_batch(recorder, sums, model, task, sample, plan.precision)
            progress.advance(sample["nsentences"], part.pair)
        check_finite(sums, part.pair, plan.precision)
        save_importance(
            part.path,
            Importance(
                {
                    criterion: {
                        site: values[criterion].cpu().unsqueeze(0)
                        for site, values in sums.items()
                    }
                    for criterion in CRITERIA
                },
                {part.pair: counts},
                {name: site.side for name, site in recorder.sites.items()},
                base,
            ),
        )
    progress.finish()
    if not all(part.path.is_file() for part in parts):
        return None
    return _put_together(plan, pairs, parts)


def list_parts(
    plan: MeasuringPlan, data: Any, pairs: Sequence[str], limits: Any
) -> list[Part]:
    """The parts of all pairs, pair after pair.

    Raises:
        LassError: a pair has no sentence that the model can take.
    """
    parts, first = [], 0
    for number, (pair, own) in enumerate(data.parts.items()):
        fitting = np.flatnonzero(batching.fits(own.sizes, limits))
        if not len(fitting):
            raise LassError(
                f"the {plan.split} data of {pair} have no sentence that the model can "
                "take; leave the pair out of --pairs or choose another --split"
            )
        order = np.random.default_rng([plan.seed, number]).permutation(fitting)
        chosen = order[: plan.sample or None] + first
        for index in range(math.ceil(len(chosen) / plan.part)):
            sentences = chosen[index * plan.part : (index + 1) * plan.part]
            path = plan.out / "parts" / f"{pair}.{index:05d}.safetensors"
            parts.append(Part(pair, index, sentences, path))
        first += len(own)
    return parts


def _samples(
    data: Any, sentences: np.ndarray, max_tokens: int, device: torch.device
) -> Iterator[dict[str, Any]]:
    batches = batching.make_batches(data.sizes[sentences], sentences, max_tokens, None)
    for numbers in batches:
        sample = data.collater([data[int(number)] for number in numbers])
        yield utils.move_to_cuda(sample) if device.type == "cuda" else sample


def measure_batch(
    recorder: Recorder,
    sums: Any,
    model: Any,
    task: Any,
    sample: Mapping[str, Any],
    precision: str = "float32",
) -> Counts:
    """Add a batch to *sums*: forward and backward of its negative log-likelihood.

    Args:
        sums: see :meth:`.recording.Recorder.zeros`; changed in place.
        sample: a batch as the task's data make it, on the device of the model.
        precision: see :data:`PRECISIONS`.
    """
    inputs, target = sample["net_input"], sample["target"]
    source_padding = inputs["src_tokens"].eq(task.source_dictionary.pad())
    target_padding = target.eq(task.target_dictionary.pad())
    half = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(precision)
    scale = LOSS_SCALE if half is torch.float16 else 1.0
    with (
        torch.enable_grad(),
        recorder.recording(sums, source_padding, target_padding, scale),
    ):
        with torch.autocast(target.device.type, dtype=half, enabled=half is not None):
            output = model(**inputs)
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
    for site, values in sums.items():
        for value in values.values():
            if not bool(torch.isfinite(value).all()):
                advice = (
                    "take an earlier checkpoint"
                    if precision == "float32"
                    else "measure without reduced precision"
                )
                raise LassError(
                    f"activations or gradients of {site} are not finite on {pair}; "
                    f"{advice}"
                )


def _check_identity(plan: MeasuringPlan, identity: dict[str, Any]) -> None:
    """Refuse to add up parts of another plan."""
    path = plan.out / "plan.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        files.write_json(path, identity)
        return
    except ValueError as error:
        raise LassError(
            f"{path} is damaged ({error}); remove {plan.out} or choose another --out"
        ) from error
    if (
        not isinstance(known, dict)
        or known.keys() != identity.keys()
        or not isinstance(known["base"], dict)
    ):
        raise LassError(f"{path} is damaged; remove {plan.out} or choose another --out")
    for name, value in identity.items():
        # other machines may differ in the last digits of a fingerprint
        same = same_weights if name == "base" else operator.eq
        if not same(known[name], value):
            what = "another model" if name == "base" else f"another {name}"
            raise LassError(
                f"the importance in {plan.out} is being measured with {what}; go on "
                "with the same options or choose another --out"
            )


def _put_together(
    plan: MeasuringPlan, pairs: Sequence[str], parts: Sequence[Part]
) -> Importance:
    of_pairs = []
    for pair in pairs:
        own = [load_importance(part.path) for part in parts if part.pair == pair]
        of_pairs.append(add_parts(own))
    note = f"{plan.split} data of {plan.data.resolve().name}, {plan.precision}"
    if plan.sample:
        note += f", at most {plan.sample} sentences a pair, seed {plan.seed}"
    whole = side_by_side(of_pairs, note)
    save_importance(plan.out / NAME, whole)
    return whole
