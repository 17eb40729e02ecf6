"""Places that masks are read from: files, folders of files, checkpoints."""

import os
import zipfile
from pathlib import Path
from typing import Iterable

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError
from lass_plugin.masks.file import load_masks
from lass_plugin.masks.mask import Mask, MaskSet
from lass_plugin.masks.state import from_state


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
