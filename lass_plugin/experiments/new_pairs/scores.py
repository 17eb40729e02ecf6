"""Scores of all checkpoints of all ways, and what each way did to the older pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lass_plugin.anatomy.vocabulary import is_vocabulary
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError
from lass_plugin.evaluation.choice import Choice
from lass_plugin.evaluation.evaluation import Evaluation, evaluate
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.systems import System
from lass_plugin.experiments.new_pairs.settings import DENSE, ExtendSettings
from lass_plugin.languages import Pair
from lass_plugin.masks import MaskSet
from lass_plugin.masks.file import masks_at
from lass_plugin.masks.packing import count_shared, unpack
from lass_plugin.methods.subnetworks.extension import read_symbols

Checkpoints = Mapping[str, Mapping[int, Path]]
"""Way -> updates done -> checkpoint."""

START = "start"


def score(
    settings: ExtendSettings,
    found: Checkpoints,
    watched: Sequence[Pair],
    choice: Choice,
) -> dict[str, Any]:
    """Translate and score; write each group's scores below ``out/scores``.

    Returns:
        ``points`` of the curve, one for each pair under each checkpoint (a start is
        step 0 of each of its ways); ``changes`` of every pair from before to after each
        way; the form of the ``text``; and ``notes`` on how it was translated.
    """
    points, changes = [], []
    notes, text = tuple[str, ...](), None
    masked = [way for way in found if way != DENSE]
    for ways in (masked, [way for way in found if way == DENSE]):
        if not ways:
            continue
        pairs = [*settings.pairs, *watched]
        result = _evaluate(settings, found, ways, pairs, choice)
        notes, text = result.report.notes, result.report.text
        for way in ways:
            points += _points(settings, result, way, found[way])
            changes += _changes(settings, result, way, found[way])
    parts = {"points": points, "changes": changes}
    return {"text": text, "notes": list(notes), **parts}


def _evaluate(
    settings: ExtendSettings,
    found: Checkpoints,
    ways: Sequence[str],
    pairs: Sequence[Pair],
    choice: Choice,
) -> Evaluation:
    first, dense = settings.start_of(ways[0]), ways == [DENSE]
    masks = None if dense else f"{settings.masks},{first}"
    systems = [System(START, first, inference_masks=masks, dense=dense)]
    for way in ways:
        for step, path in found[way].items():
            systems.append(System(_name(way, step), path, dense=dense))
    decoding = Decoding(beam=settings.beam, limit=settings.limit, cpu=settings.cpu)
    out = settings.out / "scores" / (DENSE if dense else "sub-networks")
    how = (pairs, settings.split, out, decoding)
    return evaluate(settings.data_out, systems, *how, choice=choice)


def _name(way: str, step: int) -> str:
    return f"{way} {step}" if step else START


def _points(
    settings: ExtendSettings, result: Evaluation, way: str, found: Mapping[int, Path]
) -> list[dict[str, Any]]:
    """The scores of every pair under each checkpoint of *way*."""
    by_name = {system.name: system for system in result.report.systems}
    return [
        {
            "way": way,
            "step": step,
            "pair": pair,
            "new": Pair.parse(pair) in settings.pairs,
            "sentences": scored.sentences,
            "scores": {name: asdict(value) for name, value in scored.scores.items()},
            "checkpoint": system.checkpoint,
            "mask": system.mask,
        }
        for step in (0, *found)
        for system in [by_name[_name(way, step)]]
        for pair, scored in system.pairs.items()
    ]


def _changes(
    settings: ExtendSettings, result: Evaluation, way: str, found: Mapping[int, Path]
) -> list[dict[str, Any]]:
    """What the last checkpoint of *way* changed for each pair: scores and weights."""
    last, path, report = list(found)[-1], settings.start_of(way), result.report
    end = next(each for each in report.systems if each.name == _name(way, last))
    outputs = {each.name: each.hypotheses for each in result.outputs}
    before, after = Checkpoint.read(path), Checkpoint.read(found[last])
    symbols = read_symbols(before.task_state, str(path))
    masks = None if way == DENSE else masks_at(path)
    added = None if way == DENSE else masks_at(settings.masks)
    changes = []
    for pair, at_start in report.baseline.pairs.items():
        scores = {}
        for metric in report.metrics:
            start, difference = at_start.scores[metric], end.pairs[pair].differences
            scores[metric] = {
                "start": start.value,
                "end": end.pairs[pair].scores[metric].value,
                "delta": difference[metric].delta,
                "p_value": difference[metric].p_value,
                "signature": start.signature,
            }
        effect = None  # of a new pair
        if pair in symbols:
            effect = effect_of(pair, before, after, symbols[pair], masks, added)
        lines = zip(outputs[START][pair], outputs[end.name][pair], strict=True)
        changes.append(
            {
                "way": way,
                "pair": pair,
                "new": Pair.parse(pair) in settings.pairs,
                "scores": scores,
                "sentences": at_start.sentences,
                "identical": sum(one == other for one, other in lines),
                "effect": effect,
            }
        )
    return changes


def effect_of(
    pair: str,
    before: Checkpoint,
    after: Checkpoint,
    symbols: int,
    masks: MaskSet | None = None,
    new: MaskSet | None = None,
) -> dict[str, Any]:
    """Count what is not the same, bit for bit, in two checkpoints for an older *pair*.

    Args:
        symbols: number of symbols that the pair knows.
        masks: of the older pairs; None for a dense model.
        new: of the new pairs.

    Returns:
        ``kept``: weights that its mask keeps, and ``overlap``: those that a mask of a
        new pair keeps too, None in a dense model; ``moved``: weights of its sub-network
        (of the whole dense model) with another value; ``shared_moved``: such weights of
        what no mask covers, but for the embeddings of symbols that the pair does not
        know; ``unchanged``: whether the pair computes with the same bits as before.

    Raises:
        LassError: the checkpoints are of different models.
    """
    mask = None if masks is None else masks[pair]
    kept = overlap = None
    if mask is not None:
        kept, overlap = mask.kept(), 0
        if new is not None and len(new):
            union, sites = new.union(new), mask.bits.items()
            overlap = sum(count_shared(bits, union[site]) for site, bits in sites)
    weights, moved, shared = after.weights, 0, 0
    for name, value in before.parameters.items():
        if name not in weights or weights[name].shape != value.shape:
            raise LassError(f"the checkpoints compared differ in {name}; train again")
        differs = ~_same(value, weights[name])
        if is_vocabulary(name):
            differs = differs[:symbols]
        if mask is not None and name not in mask.bits:
            shared += int(differs.sum())
            continue
        if mask is not None:
            differs &= unpack(mask.bits[name], mask.shapes[name])[: len(differs)]
        moved += int(differs.sum())
    return {
        "kept": kept,
        "overlap": overlap,
        "moved": moved,
        "shared_moved": shared,
        "unchanged": not (moved or shared),
    }


def _same(first: Tensor, second: Tensor) -> Tensor:
    """Where the bits of two tensors are equal."""
    if first.dtype != second.dtype or not first.is_floating_point():
        return first == second
    integer = {2: torch.int16, 4: torch.int32, 8: torch.int64}[first.itemsize]
    return first.contiguous().view(integer) == second.contiguous().view(integer)
