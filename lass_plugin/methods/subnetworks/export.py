"""Export: one pair's sub-network, W ⊙ M, as a plain checkpoint of stock fairseq."""

from typing import Any

from torch import Tensor

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.stock import changed_weights, plain_checkpoint
from lass_plugin.languages import Pair
from lass_plugin.masks.mask import Mask, MaskSet
from lass_plugin.masks.neurons import check_fit, weight_masks


def exported(checkpoint: Checkpoint, mask: Mask, half: bool = False) -> dict[str, Any]:
    """A checkpoint of stock fairseq that translates with the sub-network of *mask*.

    Args:
        checkpoint: a jointly trained checkpoint (or a base that fits the mask).
        half: store the weights in half precision.

    Raises:
        LassError: the model is no fairseq transformer, or the mask does not fit it.
    """
    tensors = baked(checkpoint, mask, half)
    return plain_checkpoint(checkpoint, Pair.parse(mask.key), tensors)


def baked(checkpoint: Checkpoint, mask: Mask, half: bool = False) -> dict[str, Tensor]:
    """Name -> weight, W ⊙ M at every site, under every name of a shared embedding."""
    masks = MaskSet([mask])
    shared = checkpoint.shared  # a mask of a second name would have no effect
    own = {n: w for n, w in checkpoint.weights.items() if n not in shared}
    check_fit(masks, own, str(checkpoint.path))
    mask = weight_masks(masks, own)[mask.key]

    def masked(name: str, first: str, weight: Tensor) -> Tensor:
        site = first if first in mask.shapes else name
        if site not in mask.shapes:
            return weight
        return weight * mask.unpack(site).to(weight.dtype)

    return changed_weights(checkpoint, masked, half)
