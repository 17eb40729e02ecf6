"""The masked matrices of a model side by side in one buffer: one operation for all."""

import itertools
from dataclasses import dataclass
from typing import Mapping, Sequence

import torch
from torch import Tensor

from lass_plugin.devices import at_once
from lass_plugin.masks.packing import packed_size, unpack_into

PackedMask = Mapping[str, Tensor]
"""Site name -> ``(ceil(units / 8),)`` uint8 on the device of the site."""


@dataclass(frozen=True, eq=False)
class JoinedMask:
    """The packed mask of every matrix."""

    parts: PackedMask
    """Of each matrix; views of ``joined`` where that is there."""
    joined: Tensor | None
    """``(bytes,)``, one matrix after the other, on a GPU; None on a CPU."""


@dataclass(frozen=True, eq=False)
class SpreadMask:
    """A mask of all matrices as booleans: a byte a weight."""

    all: Tensor
    """``(units,)``."""
    views: Mapping[str, Tensor]
    """Of each matrix, in its shape."""


class SideBySide:
    """Where each matrix lies in a buffer that holds one number a weight.

    A matrix begins at a multiple of eight weights, as its packed bits do where those of
    all matrices are joined.

    Args:
        weights: name -> matrix; all on one device.
    """

    def __init__(self, weights: Mapping[str, Tensor]):
        self._shapes = {name: weight.shape for name, weight in weights.items()}
        self._units = [weight.numel() for weight in weights.values()]
        self._bytes = [packed_size(units) for units in self._units]
        starts = itertools.accumulate(self._bytes, initial=0)
        *self._starts, size = (8 * start for start in starts)
        self.units = size
        """Numbers in a buffer."""
        self.names = list(self._shapes)

    def views(self, buffer: Tensor) -> dict[str, Tensor]:
        """The part of each matrix in a buffer, in its shape."""
        places = zip(self._starts, self._units, strict=True)
        return {
            name: buffer[start : start + units].view(shape)
            for (name, shape), (start, units) in zip(
                self._shapes.items(), places, strict=True
            )
        }

    def joined(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The matrices in a new buffer."""
        buffer = next(iter(weights.values())).new_empty(self.units)
        self.join(weights, out=buffer)
        return buffer

    def join(self, weights: Mapping[str, Tensor], out: Tensor) -> None:
        """Copy the matrices into a buffer."""
        pieces = []
        for name, units, size in zip(
            self._shapes, self._units, self._bytes, strict=True
        ):
            pieces.append(weights[name].reshape(-1))
            if units < 8 * size:
                pieces.append(pieces[-1].new_zeros(8 * size - units))
        torch.cat(pieces, out=out)

    def mask(self, bits: PackedMask) -> JoinedMask:
        """The packed masks of all matrices, joined where the device is a GPU."""
        parts = {name: bits[name] for name in self._shapes}
        if not all(at_once(part.device) for part in parts.values()):
            return JoinedMask(parts, None)
        return self._split(torch.cat(list(parts.values())))

    def _split(self, joined: Tensor) -> JoinedMask:
        parts = joined.split(self._bytes)
        return JoinedMask(dict(zip(self._shapes, parts, strict=True)), joined)

    def union(self, masks: Sequence[JoinedMask]) -> JoinedMask:
        """What at least one of the masks keeps."""
        merged = masks[0]
        for mask in masks[1:]:
            if merged.joined is not None and mask.joined is not None:
                merged = self._split(merged.joined | mask.joined)
            else:
                parts = {
                    name: merged.parts[name] | mask.parts[name] for name in mask.parts
                }
                merged = JoinedMask(parts, None)
        return merged

    def spread(self, mask: JoinedMask, memory: SpreadMask | None) -> SpreadMask:
        """A joined mask as booleans.

        Args:
            memory: of an earlier call, to be used again.
        """
        if mask.joined is None:
            raise ValueError("the mask is not joined")
        if memory is None:
            kept = torch.empty(self.units, dtype=torch.bool, device=mask.joined.device)
            memory = SpreadMask(kept, self.views(kept))
        unpack_into(mask.joined, memory.all)
        return memory
