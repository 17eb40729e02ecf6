"""The mask file: safetensors, one bit a weight, the same bytes for the same mask.

A file holds the mask of one language key. Each site is a uint8 tensor of packed bits
under the site's name; everything else is the header of the file
(:mod:`lass_plugin.tensor_files`). A mask set is a folder of such files,
``de-en.safetensors`` and so on.
"""

import math
import operator
import os
from pathlib import Path
from typing import Any, Collection, Mapping

import torch
from torch import Tensor

from lass_plugin.errors import LassError
from lass_plugin.masks.mask import Mask, MaskSet, Provenance, is_key, packing_units
from lass_plugin.masks.packing import packed_size
from lass_plugin.tensor_files import OtherKind, Unreadable, read_tensors, write_tensors

SUFFIX = ".safetensors"
_ENTRY = "lass_mask"
VERSION = 1
_SIGNS_OF_ANOTHER_KIND = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
)


def save_mask(path: str | os.PathLike, mask: Mask) -> None:
    """Write *mask* to *path* atomically."""
    write_tensors(path, _ENTRY, describe(mask), mask.bits)


def save_masks(folder: str | os.PathLike, masks: MaskSet) -> list[Path]:
    """Write every mask of the set to ``folder/KEY.safetensors``."""
    paths = []
    for key, mask in masks.items():
        paths.append(Path(folder) / f"{key}{SUFFIX}")
        save_mask(paths[-1], mask)
    return paths


def mask_files(
    out: str | os.PathLike, keys: Collection[str], single: bool = False
) -> dict[str, Path]:
    """Where ``--out`` has the mask of each key: one file, or files of a folder.

    Args:
        single: whether it has to be one file.

    Raises:
        LassError: it is a file, but not for one mask, or must be one and is not.
    """
    place = Path(out)
    if place.suffix == SUFFIX and not place.is_dir():
        if len(keys) > 1:
            raise LassError(
                f"--out {place} is one file, but there are {len(keys)} masks "
                f"({', '.join(keys)}); give a folder, or one of the --pairs"
            )
        return dict.fromkeys(keys, place)
    if single:
        raise LassError(f"--out {place} must be a file that ends in {SUFFIX}")
    if place.is_file():
        raise LassError(f"--out {place} is a file; give a folder or NAME{SUFFIX}")
    return {key: place / f"{key}{SUFFIX}" for key in keys}


def describe(mask: Mask) -> dict[str, Any]:
    """The JSON-able description of a mask: all of it but the bits."""
    return {
        "version": VERSION,
        "key": mask.key,
        "shapes": {name: list(shape) for name, shape in mask.shapes.items()},
        "provenance": mask.provenance.to_dict(),
        "base": mask.base,
    }


def restore(header: Any, tensors: Mapping[str, Tensor], where: str) -> Mask:
    """The mask of a description and its packed bits; everything is checked.

    Raises:
        LassError: the description or the bits are not those of a mask of ours; *where*
            names the file in the message.
    """
    try:
        if header["version"] != VERSION:
            raise LassError(
                f"{where} is a mask of format version {header['version']}; this "
                f"release reads version {VERSION}, so use the release that wrote it"
            )
        shapes = {
            name: tuple(operator.index(size) for size in shape)
            for name, shape in header["shapes"].items()
        }
        if not is_key(header["key"]):
            raise ValueError(f"its key is {header['key']!r}")
        mask = Mask(
            key=header["key"],
            bits=dict(tensors),
            shapes=shapes,
            provenance=Provenance.from_dict(header["provenance"]),
            base={name: float(value) for name, value in header["base"].items()},
        )
    except _SIGNS_OF_ANOTHER_KIND as error:
        raise LassError(
            f"{where} is not a mask of this package ({type(error).__name__}: {error}); "
            "write it again with 'lass extract' or 'lass import-lass'"
        ) from error
    _check_bits(mask, where)
    if (mask.base and mask.base.keys() != mask.shapes.keys()) or not all(
        map(math.isfinite, mask.base.values())
    ):
        raise LassError(f"{where} has a fingerprint of other weights; it is broken")
    return mask


def _check_bits(mask: Mask, where: str) -> None:
    if mask.bits.keys() != mask.shapes.keys() or not mask.shapes:
        raise LassError(f"{where} names matrices without their bits; it is broken")
    for name, shape in mask.shapes.items():
        bits, units = mask.bits[name], packing_units(shape)
        if (
            not shape
            or min(shape) < 1
            or bits.dtype != torch.uint8
            or bits.dim() != 1
            or bits.numel() != packed_size(units)
        ):
            raise LassError(
                f"{where} holds {bits.numel()} bytes of {bits.dtype} for {name} of "
                f"shape {shape}; one bit a weight is expected, so it is broken"
            )
        spare = -units % 8
        if spare and int(bits[-1]) >> (8 - spare):
            raise LassError(f"{where} has stray bits after the end of {name}")


def load_mask(path: str | os.PathLike) -> Mask:
    """Read one mask file.

    Raises:
        LassError: missing, unreadable, truncated, or not a mask file of ours.
    """
    path = Path(path)
    if not path.is_file():
        raise LassError(f"there is no mask file {path}")
    try:
        header, tensors = read_tensors(path, _ENTRY)
    except OtherKind as error:
        raise LassError(
            f"{path} is a safetensors file but not a mask of this package; give a file "
            "that 'lass extract' wrote"
        ) from error
    except Unreadable as error:
        raise LassError(
            f"{path} cannot be read as a mask ({error}); it is truncated, damaged or "
            "of another format ('lass import-lass' reads the masks of LaSS)"
        ) from error
    return restore(header, tensors, str(path))


def load_masks(path: str | os.PathLike) -> MaskSet:
    """Read a mask set: a folder of mask files, or one file, or several with commas."""
    masks: list[Mask] = []
    for part in str(path).split(","):
        place = Path(part)
        if place.is_dir():
            found = sorted(place.glob(f"*{SUFFIX}"))
            if not found:
                raise LassError(f"there is no mask file (*{SUFFIX}) in {place}")
            masks.extend(load_mask(file) for file in found)
        else:
            masks.append(load_mask(place))
    return MaskSet(masks)
