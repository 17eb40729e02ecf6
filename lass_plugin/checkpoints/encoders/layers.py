"""An encoder of some of the layers of another, such as every second one."""

from collections.abc import Sequence
from typing import Any

from lass_plugin.anatomy.encoders import in_another_layer
from lass_plugin.anatomy.older_names import todays_names
from lass_plugin.anatomy.places import count_layers
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.encoders.changed import changed_encoder
from lass_plugin.errors import LassError


def with_layers(checkpoint: Checkpoint, layers: Sequence[int]) -> dict[str, Any]:
    """A checkpoint with *layers* of an encoder, to begin a student's training from.

    Sanh 2019, §3: a student begins with one layer of two of its teacher. All outside of
    the layers stays.

    Args:
        layers: numbers from 0, ascending; none for every second, the first among them.

    Raises:
        LassError: a layer is not there, or it is no encoder alone.
    """
    all_weights = todays_names(checkpoint.weights)
    counts = count_layers(all_weights)
    there = counts["encoder"]
    if not there or counts["decoder"]:
        raise LassError(
            f"{checkpoint.path} is no encoder alone; take one that 'lass encoder "
            "convert' or fairseq-train wrote, or a public XLM-R"
        )
    chosen = list(layers) or list(range(0, there, 2))
    for layer in chosen:
        if not 0 <= layer < there:
            raise LassError(
                f"there is no layer {layer} in {checkpoint.path}, which has 0 to "
                f"{there - 1}"
            )
    if chosen != sorted(set(chosen)):
        raise LassError("the layers must be in ascending order, none of them twice")
    places = {layer: number for number, layer in enumerate(chosen)}
    weights = {
        new: weight
        for name, weight in all_weights.items()
        if (new := in_another_layer(name, places)) is not None
    }
    changes = {"encoder_layers": len(chosen), "encoder_layers_to_keep": None}
    return changed_encoder(checkpoint, weights, changes)
