"""Bits: boolean masks packed eight to a byte, and counts on the packed form.

Bit *i* of the flattened mask is bit ``i % 8`` (least significant first) of byte
``i // 8``; the unused high bits of the last byte are zero.
"""

import functools
from typing import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from lass_plugin.devices import at_once

_POPCOUNT = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(
    axis=1, dtype=np.uint8
)


_BLOCK = 1 << 15
"""Bytes of each mask that are compared at once: all masks together fit in a cache."""


def packed_size(units: int) -> int:
    """Bytes that hold *units* bits."""
    return (units + 7) // 8


def pack(mask: Tensor) -> Tensor:
    """Pack a boolean tensor of any shape.

    Returns:
        ``(ceil(mask.numel() / 8),)`` uint8 on the device of *mask*.
    """
    if mask.dtype != torch.bool:
        raise TypeError(f"a mask is boolean, not {mask.dtype}")
    if at_once(mask.device):
        return _pack_there(mask.detach().reshape(-1))
    bits = np.packbits(mask.detach().numpy().reshape(-1), bitorder="little")
    return torch.from_numpy(bits)


def pack_each(masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """:func:`pack` of every mask; on a GPU of all in a few operations."""
    if not all(at_once(mask.device) for mask in masks.values()) or not masks:
        return {name: pack(mask) for name, mask in masks.items()}
    pieces = []
    for mask in masks.values():
        pieces.append(mask.detach().reshape(-1))
        if missing := -mask.numel() % 8:
            pieces.append(mask.new_zeros(missing))
    sizes = [packed_size(mask.numel()) for mask in masks.values()]
    packed = _pack_there(torch.cat(pieces)).split(sizes)
    return dict(zip(masks, packed, strict=True))


def _pack_there(flat: Tensor) -> Tensor:
    """The same by torch's operations, so that a GPU is not waited for."""
    eighths = torch.zeros(
        packed_size(flat.numel()) * 8, dtype=torch.uint8, device=flat.device
    )
    eighths[: flat.numel()] = flat
    places = 1 << torch.arange(8, dtype=torch.uint8, device=flat.device)
    return (eighths.view(-1, 8) * places).sum(1, dtype=torch.uint8)


@functools.cache
def _byte_table(device: torch.device) -> Tensor:
    """``(256,)`` int64: the eight bits of each byte, one byte a bit."""
    every_byte = np.arange(256, dtype=np.uint8)[:, None]
    bits = np.unpackbits(every_byte, axis=1, bitorder="little")
    return torch.from_numpy(bits).contiguous().view(torch.int64).view(-1).to(device)


def unpack(packed: Tensor, shape: torch.Size | tuple[int, ...]) -> Tensor:
    """The boolean mask of *shape* that :func:`pack` packed, on the same device.

    One gather of eight-byte entries a packed byte: no loop over bits.
    """
    units = int(np.prod(shape, dtype=np.int64))
    spread = torch.index_select(_byte_table(packed.device), 0, packed.int())
    return spread.view(torch.bool)[:units].view(shape)


def unpack_into(packed: Tensor, out: Tensor) -> None:
    """Unpack to eight booleans a byte, ``(8 · bytes,)``, in memory that is there."""
    torch.index_select(
        _byte_table(packed.device), 0, packed.int(), out=out.view(torch.int64)
    )


def count(packed: Tensor) -> int:
    """Number of ones."""
    return int(ones(packed.cpu().numpy()))


def count_shared(first: Tensor, second: Tensor) -> int:
    """Number of ones that two packed masks of the same length share."""
    if first.shape != second.shape:
        raise ValueError(f"masks of {first.numel()} and {second.numel()} bytes")
    return int(ones(first.cpu().numpy() & second.cpu().numpy()))


def shared_by_two(masks: Sequence[Tensor]) -> np.ndarray:
    """``(n, n)`` number of ones that every two packed masks of one site share."""
    bits = [mask.cpu().numpy() for mask in masks]
    shared = np.zeros((len(bits), len(bits)), dtype=np.int64)
    size = bits[0].size
    for start in range(0, size, _BLOCK):
        block = np.zeros(
            (len(bits), min(_BLOCK, -(-(size - start) // 8) * 8)), np.uint8
        )
        for row, packed in zip(block, bits, strict=True):
            part = packed[start : start + _BLOCK]
            row[: part.size] = part
        words = block.view(np.uint64)  # (n, words)
        for i in range(len(bits)):
            shared[i, i:] += ones(words[i] & words[i:])
    return shared + np.triu(shared, 1).T


def ones(data: np.ndarray) -> np.ndarray:
    """``(…, n)`` unsigned integers -> ``(…)`` number of ones in each row."""
    if hasattr(np, "bitwise_count"):  # numpy 2
        return np.bitwise_count(data).sum(axis=-1, dtype=np.int64)
    return _POPCOUNT[data.view(np.uint8)].sum(axis=-1, dtype=np.int64)
