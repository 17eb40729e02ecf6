"""Masks that a model is translated under, and the weights that they were searched on.

The weights of a joint training are no longer those of the search, so masks given in
place of a checkpoint's own cannot be refused for that. But a checkpoint that carries
masks knows which weights these were searched on.
"""

from collections.abc import Mapping

from torch import Tensor

from lass_plugin.masks.fingerprint import same_weights, short_name
from lass_plugin.masks.mask import MaskSet
from lass_plugin.masks.neurons import base_of


def other_base(
    given: MaskSet, carried: MaskSet | None, weights: Mapping[str, Tensor], model: str
) -> str:
    """What to say of masks that belong to another model; empty where none does.

    Args:
        given: to be translated under.
        carried: by the checkpoint, if it does.
        weights: name -> stored weight of the checkpoint; empty to compare with what it
            carries only.
        model: the checkpoint, for messages.
    """
    known = [mask.base for mask in (carried or {}).values() if mask.base]
    own = base_of(given.shapes, weights)
    others = {
        key: mask.base
        for key, mask in given.items()
        if mask.base and not any(same_weights(mask.base, each) for each in known)
    }
    others = {key: base for key, base in others.items() if not same_weights(base, own)}
    comparable = [each for each in (*known, own) if each.keys() == given.shapes.keys()]
    if not (others and comparable):
        return ""
    searched = ", ".join(sorted({short_name(base) for base in others.values()}))
    theirs = "its own masks were" if carried else "it has"
    return (
        f"the masks of {', '.join(others)} were searched on weights ({searched}) that "
        f"are not those of {model} ({theirs} {short_name(comparable[0])}); they may be "
        "of another model"
    )
