"""Own parts as a checkpoint stores them, read without a model."""

from torch import Tensor

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError
from lass_plugin.methods.decoders.own_parameters import is_beside, own_name
from lass_plugin.methods.decoders.whose import Whose


def stored_apart(
    checkpoint: Checkpoint, whose: Whose
) -> tuple[Checkpoint, dict[str, dict[str, Tensor]]]:
    """The weights in the places of a stock model, and what stands beside them.

    Returns:
        The checkpoint without what stands beside its model; key -> first name ->
        tensor that belongs in its place. The first key has none: its own are in place.

    Raises:
        LassError: damaged.
    """
    model = checkpoint.content["model"]
    stock = {name: value for name, value in model.items() if not is_beside(name)}
    found: dict[str, dict[str, Tensor]] = {key: {} for key in whose.keys}
    names = {name for name in checkpoint.weights if is_beside(name)}
    for key in whose.keys[1:]:
        for name in stock:
            there = own_name(key, name, whose.keys)
            if there in names:
                found[key][name] = checkpoint.weights[there]
                names.remove(there)
    alike = {frozenset(own) for key, own in found.items() if key != whose.keys[0]}
    if names or len(alike) > 1 or frozenset() in alike:
        raise LassError(
            f"{checkpoint.path} is damaged: it does not have the same {whose.what} of "
            f"each of {', '.join(whose.keys)}; take another checkpoint"
        )
    return Checkpoint(checkpoint.path, {**checkpoint.content, "model": stock}), found
