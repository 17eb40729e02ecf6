"""Masks inside a checkpoint: plain tensors and numbers, one bit a weight and key.

This is what ``task_state`` of a jointly trained checkpoint holds, so that a checkpoint
is all that translating needs. Matrices are described once for the whole set.
"""

import hashlib
from typing import Any, Mapping

import torch

from lass_plugin.errors import LassError
from lass_plugin.masks.file import VERSION, restore
from lass_plugin.masks.mask import MaskSet, packing_units
from lass_plugin.masks.packing import packed_size


def to_state(masks: MaskSet) -> dict[str, Any]:
    """Lists, numbers, strings and one uint8 tensor a key, safe to load anywhere."""
    bases: list[dict[str, float]] = []
    entries = {}
    for key, mask in masks.items():
        if mask.base not in bases:
            bases.append(mask.base)
        entries[key] = {
            "bits": torch.cat([mask.bits[name].cpu() for name in masks.shapes]),
            "provenance": mask.provenance.to_dict(),
            "base": bases.index(mask.base),
        }
    shapes = {name: list(shape) for name, shape in masks.shapes.items()}
    return {"version": VERSION, "shapes": shapes, "bases": bases, "masks": entries}


def from_state(state: Mapping[str, Any], where: str = "the checkpoint") -> MaskSet:
    """The mask set that :func:`to_state` stored; everything is checked.

    Raises:
        LassError: the state is not one of ours or does not fit together.
    """
    masks = []
    try:
        sizes = {
            name: packed_size(packing_units(shape))
            for name, shape in state["shapes"].items()
        }
        for key, entry in state["masks"].items():
            bits = entry["bits"]
            if bits.dim() != 1 or bits.numel() != sum(sizes.values()):
                raise LassError(
                    f"{where} holds {bits.numel()} bytes for the mask of {key} where "
                    f"{sum(sizes.values())} are expected; it is damaged"
                )
            parts = torch.split(bits, list(sizes.values()))
            header = {
                "version": state["version"],
                "key": key,
                "shapes": state["shapes"],
                "provenance": entry["provenance"],
                "base": state["bases"][entry["base"]],
            }
            tensors = dict(zip(sizes, parts, strict=True))
            masks.append(restore(header, tensors, f"the mask of {key} in {where}"))
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RuntimeError,
    ) as error:
        raise LassError(
            f"the masks in {where} cannot be read ({type(error).__name__}: {error}); "
            "the checkpoint is damaged or was not written by this package"
        ) from error
    return MaskSet(masks)


def digest(masks: MaskSet) -> str:
    """Hexadecimal SHA-256 of keys, names, shapes and bits."""
    result = hashlib.sha256()
    for key, mask in masks.items():
        result.update(key.encode())
        for name in sorted(mask.bits):
            result.update(f"{name}{mask.shapes[name]}".encode())
            result.update(mask.bits[name].cpu().numpy().tobytes())
    return result.hexdigest()
