"""What adding pairs did to an older pair: how much of it moved, counted exactly."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lass_plugin.anatomy.vocabulary import is_vocabulary
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError
from lass_plugin.masks import MaskSet
from lass_plugin.masks.packing import count_shared, unpack


@dataclass(frozen=True)
class Effect:
    """Counts of weights of one older pair; None where the model has no masks."""

    kept: int | None
    """Weights that its mask keeps."""
    overlap: int | None
    """Those that a mask of a new pair keeps too."""
    moved: int
    """Weights of its sub-network (of the whole model without masks) whose value is not
    the same, bit for bit."""
    shared_moved: int
    """The same of what no mask covers, but for the embeddings of symbols that the pair
    does not know."""

    @property
    def unchanged(self) -> bool:
        """Whether the pair computes with the same bits as before."""
        return not (self.moved or self.shared_moved)


def effect_of(
    pair: str,
    before: Checkpoint,
    after: Checkpoint,
    symbols: int,
    masks: MaskSet | None = None,
    new: MaskSet | None = None,
) -> Effect:
    """Compare two checkpoints of one model for an older *pair*.

    Args:
        symbols: number of symbols that the pair knows.
        masks: of the older pairs; None for a dense model.
        new: of the new pairs.

    Raises:
        LassError: the checkpoints are of different models.
    """
    mask = masks[pair] if masks is not None else None
    kept = overlap = None
    if mask is not None:
        kept, overlap = mask.kept(), 0
        if new is not None and len(new):
            union = new.union(new)
            overlap = sum(
                count_shared(bits, union[site]) for site, bits in mask.bits.items()
            )
    other = after.weights
    moved = shared = 0
    for name, value in before.parameters.items():
        if name not in other or other[name].shape != value.shape:
            raise LassError(f"the checkpoints compared differ in {name}; train again")
        differs = ~_same(value, other[name])
        if is_vocabulary(name):
            differs = differs[:symbols]
        if mask is not None and name in mask.bits:
            inside = unpack(mask.bits[name], mask.shapes[name])[: len(differs)]
            moved += int((differs & inside).sum())
        elif mask is not None:
            shared += int(differs.sum())
        else:
            moved += int(differs.sum())
    return Effect(kept, overlap, moved, shared)


def _same(first: Tensor, second: Tensor) -> Tensor:
    """Where the bits of two tensors are equal."""
    if first.dtype != second.dtype or not first.is_floating_point():
        return first == second
    integer = {2: torch.int16, 4: torch.int32, 8: torch.int64}[first.itemsize]
    return first.contiguous().view(integer) == second.contiguous().view(integer)
