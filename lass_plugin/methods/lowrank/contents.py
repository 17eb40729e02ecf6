"""What a checkpoint of low-rank modules holds, read without its base."""

import os
from dataclasses import dataclass
from typing import Any, Iterator, Mapping

import torch
from torch import Tensor

from lass_plugin.anatomy.matrices import SIDES, Matrix
from lass_plugin.checkpoints.checkpoint import iterator_state, read_checkpoint, weights
from lass_plugin.errors import LassError
from lass_plugin.masks.packing import count, packed_size
from lass_plugin.methods.lowrank.attaching import KEPT, WEIGHTS, all_matrices
from lass_plugin.methods.lowrank.entry import Carried, carried_by
from lass_plugin.methods.lowrank.modules import entry_name, written
from lass_plugin.methods.lowrank.planning.placement import SOURCE, TARGET
from lass_plugin.methods.lowrank.pruning import PruningPlan


@dataclass(frozen=True)
class Module:
    """The low-rank module of one language beside a matrix."""

    matrix: Matrix
    index: str
    """``source`` or ``target``."""
    language: str
    rank: int
    pruned: Mapping[str, int]
    """``A`` and ``B`` -> weights that are pruned."""

    def units(self, factor: str) -> int:
        """#A or #B, pruned or not."""
        size = self.matrix.outputs if factor == "B" else self.matrix.inputs
        return self.rank * size


@dataclass(frozen=True)
class Contents:
    """What a checkpoint says of its low-rank modules."""

    carried: Carried
    matrices: Mapping[str, Matrix]
    """Those that a language has a module beside."""
    modules: tuple[Module, ...]
    weights: Mapping[tuple[str, int], Tensor]
    """Side and layer -> ``(2,)`` learned weights of source and target, before their
    softmax (Eq. 5); empty without weight learning."""
    pruning: PruningPlan | None
    epoch: int
    """The last one that has begun; 0 where it is not known."""


def read_contents(path: str | os.PathLike) -> Contents:
    """Read what training with ``--task translation_lslo`` saved.

    Raises:
        LassError: of another training, or damaged.
    """
    checkpoint = read_checkpoint(path)
    entry = carried_by(checkpoint, path)
    tensors = weights(checkpoint)
    iterator = iterator_state(checkpoint)
    try:
        matrices = _matrices(tensors, entry)
        return Contents(
            entry,
            matrices,
            tuple(_modules(tensors, entry, matrices)),
            dict(_learned(tensors, entry)),
            _pruning(iterator),
            _epoch(iterator),
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise LassError(
            f"the low-rank modules in {path} are damaged ({type(error).__name__}: "
            f"{error}); take another checkpoint"
        ) from error


def _places(entry: Carried, matrix: Matrix) -> Iterator[tuple[str, str, int]]:
    """Index, language and rank of each module that the plan puts beside *matrix*."""
    for index in entry.plan.index(matrix):
        for language, rank in entry.plan.ranks[matrix.name].items():
            if rank:
                yield index, language, rank


def _matrices(tensors: Mapping[str, Tensor], entry: Carried) -> dict[str, Matrix]:
    """The shapes of the base's matrices, as the modules beside them show them."""
    shapes: dict[str, Tensor] = {}
    for name, ranks in entry.plan.ranks.items():
        language = next((each for each, rank in ranks.items() if rank), None)
        if language is None:
            continue
        sizes = {}
        for index in (SOURCE, TARGET):
            for factor, side in (("A", 1), ("B", 0)):
                tensor = tensors.get(entry_name(name, index, factor, language))
                if tensor is not None:
                    sizes[factor] = tensor.shape[side]
        shapes[f"{name}.weight"] = torch.empty(sizes["B"], sizes["A"], device="meta")
    found = all_matrices(shapes)
    if len(found) != len(shapes):
        raise ValueError("the plan names what is no matrix of a layer")
    return found


def _modules(
    tensors: Mapping[str, Tensor], entry: Carried, matrices: Mapping[str, Matrix]
) -> Iterator[Module]:
    for matrix in matrices.values():
        for index, language, rank in _places(entry, matrix):
            place, key = f"{matrix.name}.lslo_{index}", written(language)
            shapes = {"A": (rank, matrix.inputs), "B": (matrix.outputs, rank)}
            pruned = {}
            for factor, shape in shapes.items():
                name = entry_name(matrix.name, index, factor, language)
                if tuple(tensors[name].shape) != shape:
                    raise ValueError(f"{name} is of shape {tuple(tensors[name].shape)}")
                kept = tensors.get(f"{place}.{KEPT}{factor}_{key}")
                pruned[factor] = 0 if kept is None else _pruned(kept, shape, name)
            yield Module(matrix, index, language, rank, pruned)


def _pruned(kept: Tensor, shape: tuple[int, int], name: str) -> int:
    """How many weights of *shape* the packed bits *kept* leave out."""
    units = shape[0] * shape[1]
    if kept.dtype != torch.uint8 or kept.shape != (packed_size(units),):
        raise ValueError(f"what is kept of {name} is of another size")
    return units - count(kept)


def _learned(
    tensors: Mapping[str, Tensor], entry: Carried
) -> Iterator[tuple[tuple[str, int], Tensor]]:
    for side in SIDES:
        for layer in range(len(getattr(entry.plan.placement, side))):
            found = tensors.get(f"{side}.layers.{layer}.{WEIGHTS}")
            if found is not None:
                if found.shape != (2,):
                    raise ValueError(f"the weights of {side} layer {layer} are not two")
                yield (side, layer), found.double()


def _pruning(iterator: Mapping[str, Any]) -> PruningPlan | None:
    state = iterator.get("subnetwork") or {}
    plan = state.get("pruning")
    return None if plan is None else PruningPlan.from_dict(plan)


def _epoch(iterator: Mapping[str, Any]) -> int:
    """What is saved at the end of an epoch counts as the next one's beginning."""
    epoch, done = (
        int(iterator.get("epoch", 1)),
        int(iterator.get("iterations_in_epoch", 0)),
    )
    return epoch if done else epoch - 1
