"""Export: W + scale · B A of one direction as a plain checkpoint of stock fairseq."""

import os
from collections import defaultdict
from typing import Any, Sequence

from torch import Tensor

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.stock import changed_weights, plain_checkpoint
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.methods.lowrank.frozen_base import (
    check_exists,
    check_same_weights,
    read_base,
)
from lass_plugin.methods.lowrank.stored import StoredModule, low_rank_of


def exported(
    checkpoint: Checkpoint,
    pair: Pair,
    base: str | os.PathLike | None = None,
    half: bool = False,
) -> dict[str, Any]:
    """A checkpoint of stock fairseq that translates *pair*, its modules merged.

    Args:
        checkpoint: of a training of low-rank modules.
        base: where the base is now; None for where it was in training.
        half: store the weights in half precision.

    Raises:
        LassError: the base is missing or another one, or the plan says nothing of a
            language.
    """
    found = low_rank_of(checkpoint, pair)
    entry = found.entry
    place = check_exists(base or entry.base, recorded=not base)
    trained_on = read_base(place)
    check_same_weights(entry.fingerprint, trained_on.weights, place)
    tensors = merged(trained_on, found.modules, half)
    return plain_checkpoint(checkpoint, pair, tensors)


def merged(
    base: Checkpoint, modules: Sequence[StoredModule], half: bool = False
) -> dict[str, Tensor]:
    """Name -> weight, W + scale · B A beside every one of *modules*.

    The sum is in float32 and stays so where the base is stored in half precision:
    rounded, the modules would be lost in part. There is one matrix at a time in
    memory beside what is returned.

    Raises:
        LassError: a module does not fit its matrix.
    """
    of_matrix: dict[str, list[StoredModule]] = defaultdict(list)
    for module in modules:
        of_matrix[f"{module.matrix.name}.weight"].append(module)

    def added(name: str, first: str, weight: Tensor) -> Tensor:
        for module in of_matrix.get(name, ()):
            delta = module.delta()
            if delta.shape != weight.shape:
                raise LassError(
                    f"{name} of {base.path} is of shape {tuple(weight.shape)}, the "
                    f"low-rank module of {module.language} beside it of "
                    f"{tuple(delta.shape)}; give the base that it was trained on"
                )
            weight = weight.float() + delta
        return weight

    return changed_weights(base, added, half)
