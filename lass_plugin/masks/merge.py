"""Merging: a mask for a pair that was never searched, from those of two others."""

from typing import Iterable

from lass_plugin.anatomy.places import find_place
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.masks.fingerprint import same_weights
from lass_plugin.masks.mask import Mask, MaskSet, Provenance


def merge(encoder: Mask, decoder: Mask, key: str) -> Mask:
    """Encoder sites of one mask and decoder sites of the other (Lin 2021, §5.2.2).

    For the zero-shot pair X→Y these are the masks of X→En and En→Y. Attention to the
    encoder belongs to the decoder. An embedding that both sides share is a site of the
    encoder.

    Raises:
        LassError: the masks cover different matrices or belong to different bases.
    """
    both = f"the masks of {encoder.key} and {decoder.key}"
    if encoder.shapes != decoder.shapes:
        raise LassError(
            f"{both} cover different matrices and cannot be merged; search both on the "
            "same model with the same mask targets"
        )
    if bool(encoder.base) != bool(decoder.base) or (
        encoder.base and not same_weights(encoder.base, decoder.base)
    ):
        raise LassError(
            f"{both} were searched on different weights, or for one of them this is "
            "not known; merge masks of one base model ('lass list' shows the base)"
        )
    bits = {}
    for name in encoder.shapes:
        place = find_place(name)
        if not place:
            raise LassError(f"{name} belongs neither to the encoder nor to the decoder")
        bits[name] = (encoder if place.side == "encoder" else decoder).bits[name]
    parts = (encoder.provenance, decoder.provenance)
    ratios = {part.ratio for part in parts}
    schedules = {part.schedule for part in parts}
    provenance = Provenance(
        "merged",
        ratio=ratios.pop() if len(ratios) == 1 else None,
        schedule=schedules.pop() if len(schedules) == 1 else "",
        updates=min(part.updates for part in parts),
        note=(
            f"encoder of {encoder.key} ({parts[0].criterion}), "
            f"decoder of {decoder.key} ({parts[1].criterion})"
        ),
    )
    return Mask(key, bits, dict(encoder.shapes), provenance, dict(encoder.base))


def merge_through(masks: MaskSet, pairs: Iterable[Pair], pivot: str) -> MaskSet:
    """The masks of zero-shot *pairs*: encoder of X→pivot, decoder of pivot→Y.

    Raises:
        LassError: a pair has the pivot in it, or a mask that it needs is missing.
    """
    merged = []
    for pair in pairs:
        if pivot in (pair.source, pair.target):
            raise LassError(
                f"{pair} is not merged through {pivot}, which is one of its languages; "
                "use the mask of the pair itself"
            )
        encoder = masks[str(Pair(pair.source, pivot))]
        decoder = masks[str(Pair(pivot, pair.target))]
        merged.append(merge(encoder, decoder, str(pair)))
    return MaskSet(merged)
