"""Masks as they are stored: in files of their own, and inside checkpoints.

A mask file is safetensors, the same bytes for the same mask. It holds the mask of one
language key: each site is a uint8 tensor of packed bits under the site's name, the rest
is the header of the file (:mod:`lass_plugin.tensor_files`). A mask set is a folder of
such files, ``de-en.safetensors`` and so on.

``task_state`` of a jointly trained checkpoint holds a mask set in plain tensors and
numbers, so that a checkpoint is all that translating needs.
"""

import hashlib
import math
import os
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, Collection, Iterable, Mapping

import torch
from torch import Tensor

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import DAMAGED, LassError, naming_damage
from lass_plugin.masks.mask import Mask, MaskSet, Provenance, is_key
from lass_plugin.masks.packing import packed_size
from lass_plugin.records.fields import filled, whole
from lass_plugin.tensor_files import OtherKind, Unreadable, read_tensors, write_tensors

SUFFIX = ".safetensors"
_ENTRY = "lass_mask"
VERSION = 2
"""Of a file; the first had no digest of its contents, and is read all the same."""
CARRIED = 1
"""Version of masks inside a checkpoint."""
REFERRED = 2
"""Version of an entry that names masks outside of it, by their digest."""


def save_mask(path: str | os.PathLike, mask: Mask) -> None:
    """Write *mask* to *path* atomically."""
    write_tensors(path, _ENTRY, describe(mask), mask.bits)


def save_masks(folder: str | os.PathLike, masks: MaskSet) -> list[Path]:
    """Write every mask of the set to ``folder/KEY.safetensors``."""
    paths = [Path(folder) / f"{key}{SUFFIX}" for key in masks]
    for path, mask in zip(paths, masks.values(), strict=True):
        save_mask(path, mask)
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
        "provenance": asdict(mask.provenance),
        "base": mask.base,
    }


def _restore(header: Any, tensors: Mapping[str, Tensor], where: str) -> Mask:
    """The mask of a description and its packed bits; everything is checked.

    Raises:
        LassError: they are not those of a mask of ours; names *where* they stand.
    """
    try:
        if header["version"] not in range(1, VERSION + 1):
            raise LassError(
                f"{where} is a mask of format version {header['version']}; this "
                f"release reads versions up to {VERSION}, so use the release that "
                "wrote it"
            )
        if not is_key(header["key"]):
            raise ValueError(f"its key is {header['key']!r}")
        shapes = filled(dict[str, tuple[int, ...]], header["shapes"], "shapes")
        provenance = Provenance.from_dict(header["provenance"])
        base = filled(dict[str, float], header["base"], "base")
        mask = Mask(header["key"], dict(tensors), shapes, provenance, base)
    except DAMAGED as error:
        raise LassError(
            f"{where} is not a mask of this package ({type(error).__name__}: {error}); "
            "write it again with 'lass extract' or 'lass import-lass'"
        ) from error
    _check_bits(mask, where)
    if base.keys() not in (set(), shapes.keys()):
        raise LassError(f"{where} has a fingerprint of other weights; it is broken")
    return mask


def _check_bits(mask: Mask, where: str) -> None:
    if mask.bits.keys() != mask.shapes.keys() or not mask.shapes:
        raise LassError(f"{where} names matrices without their bits; it is broken")
    for name, shape in mask.shapes.items():
        bits, units = mask.bits[name], math.prod(shape)
        sound = bool(shape) and min(shape) >= 1 and bits.dtype == torch.uint8
        if not sound or bits.shape != (packed_size(units),):
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
    if not Path(path).is_file():
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
    return _restore(header, tensors, str(path))


def load_masks(path: str | os.PathLike) -> MaskSet:
    """Read a mask set: a folder of mask files, or one file, or several with commas."""
    masks: list[Mask] = []
    for place in map(Path, str(path).split(",")):
        files = sorted(place.glob(f"*{SUFFIX}")) if place.is_dir() else [place]
        if not files:
            raise LassError(f"there is no mask file (*{SUFFIX}) in {place}")
        masks += map(load_mask, files)
    return MaskSet(masks)


def to_state(masks: MaskSet) -> dict[str, Any]:
    """Lists, numbers, strings and one uint8 tensor a key, safe to load anywhere."""
    bases: list[dict[str, float]] = []
    entries = {}
    for key, mask in masks.items():
        if mask.base not in bases:
            bases.append(mask.base)
        entries[key] = {
            "bits": torch.cat([mask.bits[name].cpu() for name in masks.shapes]),
            "provenance": asdict(mask.provenance),
            "base": bases.index(mask.base),
        }
    shapes = {name: list(shape) for name, shape in masks.shapes.items()}
    return {"version": CARRIED, "shapes": shapes, "bases": bases, "masks": entries}


def from_state(state: Mapping[str, Any], where: str = "the checkpoint") -> MaskSet:
    """The mask set that :func:`to_state` stored; everything is checked.

    Raises:
        LassError: the state is not one of ours or does not fit together.
    """
    masks = []
    advice = "the checkpoint is damaged or was not written by this package"
    with naming_damage(f"the masks in {where}", where, advice):
        if state["version"] == REFERRED:
            return _referred(state, where)
        common = {name: state[name] for name in ("version", "shapes")}
        if common["version"] != CARRIED:
            raise LassError(
                f"the masks in {where} are of version {common['version']}; this "
                f"release reads versions up to {REFERRED}, so use the release that "
                "wrote it"
            )
        shapes = common["shapes"]
        sizes = [
            packed_size(math.prod(filled(list[int], shape, name)))
            for name, shape in shapes.items()
        ]
        for key, entry in state["masks"].items():
            bits = entry["bits"]
            if bits.shape != (sum(sizes),):
                raise LassError(
                    f"{where} holds {bits.numel()} bytes for the mask of {key} where "
                    f"{sum(sizes)} are expected; it is damaged"
                )
            base = state["bases"][whole(entry["base"], "base")]
            header = {**entry, **common, "key": key, "base": base}
            tensors = dict(zip(shapes, torch.split(bits, sizes), strict=True))
            masks.append(_restore(header, tensors, f"the mask of {key} in {where}"))
        return MaskSet(masks)


def reference(masks: MaskSet, sha256: str, places: str, folder: str) -> dict[str, Any]:
    """An entry that stands for masks which stay where they are.

    Args:
        sha256: their :func:`digest`.
        places: that :func:`load_masks` read them from.
        folder: of the checkpoint, to find both again where they are moved together.
    """
    files = [os.path.abspath(place) for place in places.split(",")]
    return {
        "version": REFERRED,
        "keys": list(masks),
        "sha256": sha256,
        "places": files,
        "from_here": [os.path.relpath(file, folder) for file in files],
    }


def is_reference(state: Any) -> bool:
    """Whether an entry only names its masks."""
    return isinstance(state, Mapping) and state.get("version") == REFERRED


def _referred(state: Mapping[str, Any], where: str) -> MaskSet:
    places = [str(place) for place in state["places"]]
    if not all(map(os.path.exists, places)):
        beside = [
            os.path.join(os.path.dirname(where), place) for place in state["from_here"]
        ]
        if not all(map(os.path.exists, beside)):
            raise LassError(
                f"{where} refers to the masks {', '.join(places)}, which are not "
                "there; put them back"
            )
        places = beside
    masks = MaskSet(mask for place in places for mask in load_masks(place).values())
    if not masks.keys() >= set(state["keys"]):
        found = None
    else:
        masks = masks.only(state["keys"])
        found = digest(masks)
    if found != state["sha256"]:
        raise LassError(
            f"the masks in {', '.join(places)} are not those that {where} was trained "
            f"with (sha256 {str(state['sha256'])[:12]}); put these back"
        )
    return masks


def digest(masks: MaskSet) -> str:
    """Hexadecimal SHA-256 of keys, names, shapes and bits."""
    result = hashlib.sha256()
    for key, mask in masks.items():
        result.update(key.encode())
        for name in sorted(mask.bits):
            result.update(f"{name}{mask.shapes[name]}".encode())
            result.update(mask.bits[name].cpu().numpy().tobytes())
    return result.hexdigest()


def carried_masks(checkpoint: Checkpoint) -> MaskSet | None:
    """The masks that a jointly trained checkpoint carries, None for any other."""
    state = checkpoint.task_state.get("masks")
    if state is None:
        return None
    if not isinstance(state, dict):
        raise LassError(
            f"the masks in {checkpoint.path} are damaged; take another checkpoint"
        )
    return from_state(state, str(checkpoint.path))


def masks_at(places: str | os.PathLike | Iterable[str | os.PathLike]) -> MaskSet:
    """The masks at one or several places, as one set.

    Args:
        places: mask files, folders of mask files, jointly trained checkpoints; in a
            single text these may be separated by commas.

    Raises:
        LassError: a place holds no mask, or the masks are of different models.
    """
    if isinstance(places, str | os.PathLike):
        places = str(places).split(",")
    found: list[Mask] = []
    for place in map(Path, places):
        if place.is_file() and (place.suffix == ".pt" or zipfile.is_zipfile(place)):
            masks = carried_masks(Checkpoint.read(place))
            if masks is None:
                raise LassError(
                    f"{place} carries no masks; give a jointly trained checkpoint, or "
                    "take the mask of a search out with 'lass extract'"
                )
        else:
            masks = load_masks(place)
        found.extend(masks.values())
    return MaskSet(found)
