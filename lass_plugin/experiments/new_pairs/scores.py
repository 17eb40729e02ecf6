"""Scores of all checkpoints of all ways, on new and old pairs, in one process."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.evaluation.choice import METRICS
from lass_plugin.evaluation.decoding import Decoding
from lass_plugin.evaluation.evaluation import Evaluation, evaluate
from lass_plugin.evaluation.systems import System
from lass_plugin.experiments.new_pairs.effects import effect_of
from lass_plugin.experiments.new_pairs.settings import DENSE, ExtendSettings
from lass_plugin.languages import Pair
from lass_plugin.masks.file import masks_at
from lass_plugin.methods.subnetworks.extension import read_symbols

Checkpoints = Mapping[str, Mapping[int, Path]]
"""Way -> updates done -> checkpoint."""

START = "start"


def score(
    settings: ExtendSettings, found: Checkpoints, watched: Sequence[Pair]
) -> dict[str, Any]:
    """Translate and score; write each group's scores below ``out/scores``.

    Returns:
        ``points`` of the curve, one for each pair under each checkpoint (a start is
        step 0 of each of its ways); ``changes`` of every pair from before to after each
        way; and ``notes`` on how the text was translated.
    """
    points, changes = [], []
    notes: tuple[str, ...] = ()
    masked = [way for way in found if way != DENSE]
    for ways in (masked, [way for way in found if way == DENSE]):
        if not ways:
            continue
        result = _evaluate(settings, found, ways, [*settings.pairs, *watched])
        notes = result.report.notes
        for way in ways:
            points += _points(settings, result, way, found[way])
            changes += _changes(settings, result, way, found[way])
    return {"notes": list(notes), "points": points, "changes": changes}


def _evaluate(
    settings: ExtendSettings,
    found: Checkpoints,
    ways: Sequence[str],
    pairs: Sequence[Pair],
) -> Evaluation:
    first = settings.start_of(ways[0])
    dense = ways == [DENSE]
    masks = None if dense else f"{settings.masks},{first}"
    systems = [System(START, first, inference_masks=masks, dense=dense)]
    for way in ways:
        for step, path in found[way].items():
            systems.append(System(_name(way, step), path, dense=dense))
    decoding = Decoding(beam=settings.beam, limit=settings.limit, cpu=settings.cpu)
    out = settings.out / "scores" / (DENSE if dense else "sub-networks")
    return evaluate(
        settings.data_out, systems, pairs, settings.split, out, decoding=decoding
    )


def _name(way: str, step: int) -> str:
    return f"{way} {step}"


def _points(
    settings: ExtendSettings, result: Evaluation, way: str, found: Mapping[int, Path]
) -> list[dict[str, Any]]:
    """The scores of every pair under each checkpoint of *way*."""
    by_name = {system.name: system for system in result.report.systems}
    new = {str(pair) for pair in settings.pairs}
    points = []
    for step in (0, *found):
        system = by_name[_name(way, step) if step else START]
        for pair, scored in system.pairs.items():
            points.append(
                {
                    "way": way,
                    "step": step,
                    "pair": pair,
                    "new": pair in new,
                    "sentences": scored.sentences,
                    "scores": {n: asdict(value) for n, value in scored.scores.items()},
                    "checkpoint": system.checkpoint,
                    "mask": system.mask,
                }
            )
    return points


def _changes(
    settings: ExtendSettings, result: Evaluation, way: str, found: Mapping[int, Path]
) -> list[dict[str, Any]]:
    """What the last checkpoint of *way* changed for each pair: scores and weights."""
    last = list(found)[-1]
    report = result.report
    end = next(each for each in report.systems if each.name == _name(way, last))
    outputs = {each.name: each.hypotheses for each in result.outputs}
    before = Checkpoint.read(settings.start_of(way))
    after = Checkpoint.read(found[last])
    symbols = read_symbols(before.task_state, str(settings.start_of(way)))
    masks = None if way == DENSE else masks_at(settings.start_of(way))
    added = None if way == DENSE else masks_at(settings.masks)
    changes = []
    for pair in report.pairs:
        scores = {}
        for metric in METRICS:
            start = report.baseline.pairs[pair].scores[metric]
            difference = end.pairs[pair].differences[metric]
            scores[metric] = {
                "start": start.value,
                "end": end.pairs[pair].scores[metric].value,
                "delta": difference.delta,
                "p_value": difference.p_value,
                "signature": start.signature,
            }
        effect = None  # of a new pair
        if pair in symbols:
            found_out = effect_of(pair, before, after, symbols[pair], masks, added)
            effect = {**asdict(found_out), "unchanged": found_out.unchanged}
        lines = zip(outputs[START][pair], outputs[end.name][pair], strict=True)
        changes.append(
            {
                "way": way,
                "pair": pair,
                "new": Pair.parse(pair) in settings.pairs,
                "scores": scores,
                "sentences": report.baseline.pairs[pair].sentences,
                "identical": sum(one == other for one, other in lines),
                "effect": effect,
            }
        )
    return changes
