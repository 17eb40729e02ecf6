"""Packed masks spread to numbers to compute with.

On a CPU one gather of rows, eight numbers for a packed byte, gives the operand in the
type that is computed in; multiplying by booleans would convert them first. A GPU is
bound by its memory, where booleans are a quarter of the bytes.
"""

import functools

import torch
from torch import Tensor

from lass_plugin.devices import at_once
from lass_plugin.masks.packing import unpack

_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def integer_type(number: torch.dtype) -> torch.dtype:
    """The integers of the same size as *number*."""
    return _INTEGERS[number.itemsize]


def factors(bits: Tensor, like: Tensor) -> Tensor:
    """The mask to multiply *like* by: 1 where kept, 0 elsewhere, in its shape.

    Args:
        bits: ``(ceil(units / 8),)`` packed mask on the device of *like*.
    """
    if at_once(like.device):
        return unpack(bits, like.shape)
    return _gather(bits, _rows(like.dtype), like.numel()).view(like.shape)


def held_pattern(bits: Tensor, like: Tensor) -> Tensor:
    """``(units,)`` integers as wide as *like*: all ones where the mask is 0, else 0.

    Args:
        bits: ``(ceil(units / 8),)`` packed mask on the device of *like*.
        like: ``(units,)``.
    """
    integer = integer_type(like.dtype)
    if at_once(like.device):
        return unpack(bits, (like.numel(),)).to(integer).sub_(1)
    return _gather(bits, _rows(integer), like.numel())


def _gather(bits: Tensor, rows: Tensor, units: int) -> Tensor:
    return torch.index_select(rows, 0, bits.int()).view(-1)[:units]


@functools.cache
def _rows(number: torch.dtype) -> Tensor:
    """``(256, 8)``: for each byte the factors, or for integers the held pattern."""
    kept = unpack(torch.arange(256, dtype=torch.uint8), (256, 8))
    return kept.to(number) - (0 if number.is_floating_point else 1)
