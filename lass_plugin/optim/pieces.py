"""Pieces of parameters that an optimizer steps on one after the other, or together.

On a CPU a piece is so small that what is read twice is still in a core's caches.
Matrices that are much smaller, and on a GPU all matrices up to a bound for the copies,
are worked on together: there it is the number of operations that takes the time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Mapping

from torch import Tensor

from lass_plugin.devices import at_once

CPU_PIECE = 1 << 18
"""Weights stepped on at a time on a CPU: four tensors of it stay in a core's caches."""
CPU_TOGETHER = 1 << 15
"""Weights of matrices that are joined on a CPU."""
GPU_PIECE = 1 << 24


@dataclass(frozen=True, eq=False)
class Piece:
    """A parameter, or a stretch of one; tensors but the step are all of one shape."""

    value: Tensor
    gradient: Tensor
    mean: Tensor
    square: Tensor
    step: Tensor
    bits: Tensor | None = None
    """``(ceil(units / 8),)`` packed, 1 = may move; None where all of it may."""

    @classmethod
    def of(cls, parameter: Tensor, state: Mapping[str, Tensor]) -> "Piece":
        """A whole parameter that has a gradient."""
        assert parameter.grad is not None
        return cls(
            parameter,
            parameter.grad.contiguous(),
            state["exp_avg"],
            state["exp_avg_sq"],
            state["step"],
        )

    def flat(self) -> "Piece":
        """The same, each tensor ``(units,)``."""
        return Piece(
            self.value.view(-1),
            self.gradient.view(-1),
            self.mean.view(-1),
            self.square.view(-1),
            self.step,
        )

    @property
    def units(self) -> int:
        return self.value.numel()

    @property
    def movable(self) -> Tensor:
        """``bits``, which are there."""
        if self.bits is None:
            raise ValueError("nothing of this piece is held")
        return self.bits

    @property
    def changed(self) -> tuple[Tensor, Tensor, Tensor]:
        """What a step changes."""
        return self.value, self.mean, self.square

    def part(self, start: int, end: int, bits: Tensor | None = None) -> "Piece":
        """Weights *start* to *end* of it, which is flat."""
        tensors = (self.value, self.gradient, self.mean, self.square)
        if end - start < self.units:
            tensors = tuple(tensor[start:end] for tensor in tensors)  # type: ignore[assignment]
        return Piece(*tensors, self.step, bits)


def columns(pieces: Iterable[Piece]) -> tuple[tuple[Tensor, ...], ...]:
    """The values, the means and the squares of several pieces."""
    return tuple(zip(*(piece.changed for piece in pieces), strict=True))


def bundles(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Pieces with bits, cut to the size for the device, those together that fit."""
    together: list[Piece] = []
    units = 0
    for piece in _cut(pieces):
        most = GPU_PIECE if at_once(piece.value.device) else CPU_TOGETHER
        even = piece.units % 8 == 0  # the bits of the next begin with a byte
        joins = even and units + piece.units <= most
        if together and not (joins and piece.value.dtype == together[0].value.dtype):
            yield together
            together, units = [], 0
        together.append(piece)
        units += piece.units if even else most
    if together:
        yield together


def _cut(pieces: Iterable[Piece]) -> Iterator[Piece]:
    for piece in pieces:
        most = GPU_PIECE if at_once(piece.value.device) else CPU_PIECE
        if piece.units <= most or piece.bits is None:
            yield piece
            continue
        for start in range(0, piece.units, most):  # a multiple of eight
            end = min(start + most, piece.units)
            yield piece.part(start, end, piece.bits[start // 8 : (end + 7) // 8])
