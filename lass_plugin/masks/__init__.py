"""Masks: the bits, what they cover, where they come from, and how they are stored."""

from lass_plugin.anatomy.targets import (
    DEFAULT_TARGETS,
    TARGETS,
    find_sites,
    parse_targets,
)
from lass_plugin.masks.file import load_mask, load_masks, save_mask, save_masks
from lass_plugin.masks.fingerprint import Fingerprint, fingerprint
from lass_plugin.masks.mask import Mask, MaskSet, Provenance

__all__ = [
    "DEFAULT_TARGETS",
    "TARGETS",
    "Fingerprint",
    "Mask",
    "MaskSet",
    "Provenance",
    "find_sites",
    "fingerprint",
    "load_mask",
    "load_masks",
    "parse_targets",
    "save_mask",
    "save_masks",
]
