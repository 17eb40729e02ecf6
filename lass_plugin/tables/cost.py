"""What a system costs in parameters and bytes, read from its files."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lass_plugin.checkpoints.checkpoint import (
    carried_masks,
    masks_at,
    read_checkpoint,
    same_tensors,
    weights,
)
from lass_plugin.errors import LassError
from lass_plugin.masks import MaskSet
from lass_plugin.masks.file import SUFFIX
from lass_plugin.masks.fitting import check_fit
from lass_plugin.masks.neurons import weight_masks
from lass_plugin.methods.lowrank.attaching import KEPT
from lass_plugin.methods.lowrank.entry import carried
from lass_plugin.methods.lowrank.frozen_base import check_exists, check_same_weights

_NO_PARAMETER = re.compile(rf"(.*\.)?(version|_float_tensor|{KEPT}[AB]_.*)")
"""Entries of a state dict that are buffers: a version, a device marker, what pruning
has left of a low-rank module."""


@dataclass(frozen=True)
class Cost:
    """Parameters and bytes of one system, as in He 2023, Table 12.

    Attributes:
        parameters: in all; a tensor that the model uses twice counts once.
        maskable: those that the masks cover, 0 without masks.
        kept: pair -> parameters that its sub-network uses; empty without masks.
        weight_bytes: of the parameters as the checkpoint stores them.
        mask_bytes: of all masks: their files, or their bits in the checkpoint.
        file_bytes: the checkpoint on disk. fairseq writes the optimizer's state into it
            too, unless it is told ``--no-save-optimizer-state``.
        carried: the masks are inside the checkpoint.
        base_parameters: of the base that low-rank modules stand in, part of
            *parameters*; 0 without them. Its bytes are not counted.
    """

    name: str
    checkpoint: str
    parameters: int
    maskable: int
    kept: Mapping[str, int]
    weight_bytes: int
    mask_bytes: int
    file_bytes: int
    carried: bool
    base_parameters: int = 0

    @property
    def parameters_of_a_pair(self) -> int:
        """What a translation computes with: low-rank modules are merged for it."""
        return self.base_parameters or self.parameters

    @property
    def checkpoint_bytes(self) -> int:
        """The checkpoint on disk without the masks that it carries."""
        return self.file_bytes - (self.mask_bytes if self.carried else 0)

    @property
    def mask_bits(self) -> float | None:
        """Bits on disk for each weight and mask, None without masks."""
        if not self.kept:
            return None
        return 8 * self.mask_bytes / (self.maskable * len(self.kept))


def cost_of(
    name: str,
    checkpoint: str | Path,
    inference_masks: str | None = None,
    base: str | Path | None = None,
) -> Cost:
    """Read what a checkpoint and its masks take.

    Args:
        inference_masks: a folder, files (with commas) or a checkpoint with the masks in
            use; None for those that the checkpoint carries, if any.
        base: of low-rank modules; None for where it was in training.

    Raises:
        LassError: a file is missing or damaged, or the masks are of another model.
    """
    path = Path(checkpoint)
    state = read_checkpoint(path)
    tensors = parameters_of(state)
    masks = carried_masks(state, path)
    if inference_masks:
        masks = masks_at(inference_masks)
    of_base = _base_parameters(state, path, base)
    total = of_base + sum(tensor.numel() for tensor in tensors.values())
    own = not inference_masks and masks is not None
    if masks is None:
        maskable, kept, mask_bytes = 0, {}, 0
    else:
        _check(masks, tensors, path)
        of_weights = weight_masks(masks, tensors, str(path))
        maskable = next(iter(of_weights.values())).units
        kept = {key: total - maskable + mask.kept() for key, mask in of_weights.items()}
        mask_bytes = _bytes_of(masks, inference_masks)
    return Cost(
        name,
        str(path),
        total,
        maskable,
        kept,
        sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()),
        mask_bytes,
        path.stat().st_size,
        own,
        of_base,
    )


def _base_parameters(
    state: Mapping[str, Any], path: Path, base: str | Path | None
) -> int:
    """Parameters of the base of low-rank modules, 0 where *state* has none."""
    entry = carried(state.get("task_state") or {}, str(path))
    if entry is None:
        return 0
    place = check_exists(base or entry.base, recorded=not base)
    found = parameters_of(read_checkpoint(place))
    check_same_weights(entry.fingerprint, found, place)
    return sum(tensor.numel() for tensor in found.values())


def parameters_of(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Name -> parameter of a checkpoint; of shared tensors only the first name."""
    shared = same_tensors(state)
    return {
        name: tensor
        for name, tensor in weights(state).items()
        if name not in shared and not _NO_PARAMETER.fullmatch(name)
    }


def _check(masks: MaskSet, tensors: Mapping[str, Tensor], path: Path) -> None:
    if not masks:
        raise LassError(f"{path} carries an empty set of masks; give --inference-masks")
    check_fit(masks, tensors, str(path))


def _bytes_of(masks: MaskSet, places: str | None) -> int:
    """Bytes of the mask files; of packed bits where they are in a checkpoint."""
    files: list[Path] = []
    for place in map(Path, places.split(",") if places else ()):
        files += sorted(place.glob(f"*{SUFFIX}")) if place.is_dir() else [place]
    if files and all(file.suffix == SUFFIX for file in files):
        return sum(file.stat().st_size for file in files)
    return sum(bits.numel() for mask in masks.values() for bits in mask.bits.values())
