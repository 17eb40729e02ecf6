"""What the parts of a model's keys take."""

from dataclasses import dataclass, field
from typing import Mapping


@dataclass(frozen=True)
class PartSizes:
    """What the parts of a model's keys take; see :class:`.tables.cost.Cost`."""

    maskable: int = 0
    kept: Mapping[str, int] = field(default_factory=dict)
    mask_bytes: int = 0
    base_parameters: int = 0
    of_keys: Mapping[str, int] = field(default_factory=dict)
    """Key -> parameters that its translation computes with, where that is not all."""
