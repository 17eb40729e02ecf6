"""A checkpoint of an encoder with other weights and options."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lass_plugin.checkpoints.checkpoint import Checkpoint, changed_options


def changed_encoder(
    checkpoint: Checkpoint, weights: Mapping[str, Tensor], changes: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of a checkpoint to begin a training from, or to be a teacher.

    Args:
        weights: all of them.
        changes: options of the model that are not as they are in *checkpoint*.
    """
    model = dict(weights)
    before = checkpoint.section("cfg", "model")
    if before is None:  # an old one, with all options in one namespace
        args = changed_options(checkpoint.content.get("args") or {}, changes)
        return checkpoint.as_start(model=model, args=args)
    sections = {
        **dict(checkpoint.content["cfg"]),
        "model": changed_options(before, changes),
    }
    return checkpoint.as_start(model=model, cfg=sections)
