"""W + scale · B A of one direction, for a checkpoint of stock fairseq."""

from collections import defaultdict
from typing import Sequence

from torch import Tensor

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.stock import changed_weights
from lass_plugin.errors import LassError
from lass_plugin.methods.lowrank.stored import StoredModule


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
