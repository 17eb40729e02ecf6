"""Masks as LaSS's public code writes them: a ``torch.save`` of name -> tensor.

The tensors are boolean (True = keep), or numbers 0 and 1. That code would broadcast a
mask of another shape and scale by values that are not 0 or 1 without a word; here both
are errors that name the matrix.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Iterable, Mapping

import torch
from torch import Tensor

from lass_plugin.anatomy.targets import DEFAULT_TARGETS, TARGETS, select_sites
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.torch_files import load_tensors
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.masks.fingerprint import fingerprint
from lass_plugin.masks.mask import Mask, MaskSet, Provenance


def read_lass_file(path: str | os.PathLike) -> dict[str, Tensor]:
    """Name of the weight -> boolean mask, as the file has them.

    Raises:
        LassError: not a flat dict of tensors, or a tensor that is no mask of a matrix.
    """
    stored = load_tensors(path, "a mask file of LaSS")
    if not isinstance(stored, Mapping) or not stored:
        raise LassError(
            f"{path} is not a mask file of LaSS: it holds no dictionary of tensors"
        )
    if "model" in stored and not isinstance(stored["model"], Tensor):
        raise LassError(
            f"{path} is a checkpoint, not a mask file of LaSS; 'lass extract' takes "
            "the masks out of checkpoints of this package"
        )
    return {str(name): _boolean(str(name), stored[name], path) for name in stored}


def _boolean(name: str, value: Any, path: str | os.PathLike) -> Tensor:
    if not isinstance(value, Tensor):
        raise LassError(
            f"{path} holds {type(value).__name__} for {name}, not a tensor; it is not "
            "a mask file of LaSS"
        )
    if value.dtype == torch.bool:
        return value
    if value.is_complex() or not bool(((value == 0) | (value == 1)).all()):
        raise LassError(
            f"{path} holds values other than 0 and 1 for {name}; these are weights or "
            "scores, not a mask"
        )
    return value == 1


def import_masks(
    sources: Mapping[str, str | os.PathLike],
    targets: Iterable[str] | None = None,
    base: str | os.PathLike | None = None,
) -> MaskSet:
    """The masks of several files of LaSS, for one model.

    What a file keeps whole in every pair (embeddings, often) needs no mask and is left
    out; attention and feed-forward matrices are kept as they are.

    Args:
        sources: language key -> file.
        targets: import these (see ``masks.TARGETS``) and nothing else.
        base: checkpoint of the base model, to check names and shapes against and to
            take the fingerprint of.

    Raises:
        LassError: names the file and the matrix at fault.
    """
    checkpoint = None if base is None else Checkpoint.read(base)
    files = {key: read_lass_file(path) for key, path in sources.items()}
    if checkpoint is not None:
        shared = checkpoint.shared
        files = {key: _unite(files[key], shared, sources[key]) for key in files}
    chosen = _choose(files, sources, targets)
    sites: dict[str, Tensor] = {}
    if checkpoint is not None:
        known = checkpoint.weights
        sites = {name: known[name] for name in chosen if name in known}
    masks = []
    for key, tensors in files.items():
        masked = {name: tensors[name] for name in chosen if name in tensors}
        note = Path(sources[key]).name
        mask = Mask.from_tensors(
            key, masked, Provenance("imported", _ratio(masked), note=note)
        )
        _check_shapes(mask, sources[key])
        if checkpoint is not None:
            mask.check_fits(sites, str(base))
        masks.append(replace(mask, base=fingerprint(sites)))
    return MaskSet(masks)


def _unite(
    tensors: Mapping[str, Tensor], shared: Mapping[str, str], path: str | os.PathLike
) -> dict[str, Tensor]:
    """One entry for an embedding that the model uses under several names."""
    result = dict(tensors)
    for name, first in shared.items():
        if name not in result:
            continue
        mask = result.pop(name)
        other = result.setdefault(first, mask)
        if other.shape != mask.shape or not torch.equal(other, mask):
            raise LassError(
                f"{path} masks {first} and {name} differently, but in the base they "
                "are one matrix; import other targets with --targets"
            )
    return result


def _choose(
    files: Mapping[str, Mapping[str, Tensor]],
    sources: Mapping[str, str | os.PathLike],
    targets: Iterable[str] | None,
) -> list[str]:
    """Names of the matrices to import, in the order of the first file."""
    every = {name: mask for tensors in files.values() for name, mask in tensors.items()}
    pruned = {
        name: sources[key]
        for key, tensors in files.items()
        for name, mask in tensors.items()
        if not bool(mask.all())
    }
    wanted = select_sites(every, TARGETS if targets is None else targets)
    if targets is None:
        strange = sorted(pruned.keys() - wanted.keys())
        if strange:
            raise LassError(
                f"{pruned[strange[0]]} masks {strange[0]}, which is no matrix that "
                f"this package masks ({', '.join(TARGETS)}); import some of these "
                "with --targets"
            )
        always = select_sites(every, DEFAULT_TARGETS)
        wanted = {n: m for n, m in wanted.items() if n in always or n in pruned}
    if not wanted:
        path = next(iter(sources.values()))
        raise LassError(
            f"{path} holds no mask of the targets {', '.join(targets or TARGETS)}; "
            "its names are " + ", ".join(list(every)[:3]) + " …"
        )
    return list(wanted)


def _check_shapes(mask: Mask, path: str | os.PathLike) -> None:
    """Refuse what can be no weight matrix: LaSS's code would broadcast it."""
    for name, shape in mask.shapes.items():
        if len(shape) != 2 or min(shape) < 2:
            raise LassError(
                f"{path} has a mask of shape {shape} for {name}, which is no weight "
                "matrix (LaSS's code broadcasts such a mask silently); write it with "
                "one value a weight"
            )


def _ratio(masks: Mapping[str, Tensor]) -> float | None:
    """The share removed, if it is the same in every matrix but for rounding."""
    units = sum(mask.numel() for mask in masks.values())
    removed = sum(int((~mask).sum()) for mask in masks.values())
    ratio = round(removed / units, 4)
    for mask in masks.values():
        if abs(int((~mask).sum()) - ratio * mask.numel()) > 1 + 5e-5 * mask.numel():
            return None
    return ratio if ratio < 1 else None


def find_files(place: str, pairs: Iterable[Pair]) -> dict[str, Path]:
    """Pair -> its file, by a pattern such as ``masks/{pair}.pt``.

    Args:
        place: path with ``{pair}``, or ``{source}`` and ``{target}``, or a folder,
            which stands for ``FOLDER/{pair}.pt``.

    Raises:
        LassError: a file is missing, or the pattern names no pair.
    """
    pattern = str(Path(place) / "{pair}.pt") if Path(place).is_dir() else place
    found = {}
    for pair in pairs:
        name = pattern
        values = {"pair": str(pair), "source": pair.source, "target": pair.target}
        for field, value in values.items():
            name = name.replace("{" + field + "}", value)
        found[str(pair)] = Path(name)
        if not found[str(pair)].is_file():
            raise LassError(
                f"there is no file {name} for {pair}; give a folder or a pattern with "
                "{pair}, or {source} and {target}, such as 'masks/{pair}.pt'"
            )
    repeated = len(set(found.values())) < len(found)
    if repeated:
        raise LassError(
            f"{pattern} is one file for all of {', '.join(found)}; write {{pair}}, or "
            "{source} and {target}, into the path"
        )
    return found
