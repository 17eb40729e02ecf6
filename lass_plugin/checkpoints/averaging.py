"""The mean of several checkpoints of one training, or of several of the same kind."""

from typing import Any, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from lass_plugin.checkpoints.architecture import differing_options
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.trained_with import ENTRY
from lass_plugin.errors import LassError


def averaged(checkpoints: Sequence[Checkpoint]) -> dict[str, Any]:
    """The first of *checkpoints* with the mean of all weights, to translate with.

    What is no number with a point (packed masks of pruned modules) must be the same in
    all, and so must all that a task keeps: masks, plans of modules, dictionaries,
    language tokens. A mean is of the type of its weights, summed up in float64. There
    is no optimizer state.

    Raises:
        LassError: a checkpoint is of another model, and what it differs in.
    """
    first, *others = checkpoints
    for other in others:
        both = f"{first.path} and {other.path}"
        for place in _differences(first.task_state, other.task_state):
            if place[0] == ENTRY and _unsaid(place, first, other):
                continue  # an earlier version did not say it
            raise LassError(
                f"{both} differ in {'/'.join(place)}, so they are not of one model; "
                "average checkpoints that were trained with the same"
            )
        for name, *values in differing_options(
            first.model_options, other.model_options
        ):
            raise LassError(
                f"{both} differ in --{name.replace('_', '-')} ({values[0]} and "
                f"{values[1]}), so their weights compute other functions; average "
                "checkpoints of one model"
            )
        for name in first.weights.keys() ^ other.weights.keys():
            raise LassError(f"{both} are of different models: one has no {name}")
        for name, weight in first.weights.items():
            theirs = other.weights[name]
            if weight.shape != theirs.shape:
                raise LassError(f"{both} are of different models: see {name}")
            if not (weight.is_floating_point() or torch.equal(weight, theirs)):
                raise LassError(
                    f"{both} differ in {name}, which has no mean: their modules are "
                    "pruned at other places; average checkpoints after the pruning"
                )
    return first.as_start(model=dict(_means(checkpoints)))


def _means(checkpoints: Sequence[Checkpoint]) -> Iterator[tuple[str, Tensor]]:
    """Name -> mean, one tensor for all names of a shared one."""
    first = checkpoints[0]
    made: dict[str, Tensor] = {}
    for name, weight in first.weights.items():
        one = first.shared.get(name, name)
        if one not in made:
            made[one] = weight.clone()
            if weight.is_floating_point():
                total = torch.zeros_like(weight, dtype=torch.float64)
                for each in checkpoints:
                    total += each.weights[one]
                made[one] = (total / len(checkpoints)).to(weight.dtype)
        yield name, made[one]


def _unsaid(place: tuple[str, ...], *checkpoints: Checkpoint) -> bool:
    """Whether one of *checkpoints* has nothing at *place* of its ``task_state``."""

    def found(checkpoint: Checkpoint) -> Any:
        value: Any = checkpoint.task_state
        for name in place:
            value = value.get(name)
        return value

    return None in map(found, checkpoints)


def _differences(
    one: Any, other: Any, place: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Places at which nested values, plain ones and tensors, are not the same."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in [*one, *(name for name in other if name not in one)]:
            if name == "base" and _of_same_base(one, other):
                continue
            yield from _differences(one.get(name), other.get(name), (*place, str(name)))
    elif isinstance(one, Tensor) and isinstance(other, Tensor):
        if one.dtype != other.dtype or not torch.equal(one, other):
            yield place
    elif isinstance(one, Tensor) or isinstance(other, Tensor) or one != other:
        yield place


def _of_same_base(one: Mapping, other: Mapping) -> bool:
    """Whether two entries are of what stands in the same base, wherever that was."""
    fingerprint = one.get("fingerprint")
    return bool(fingerprint) and fingerprint == other.get("fingerprint")
