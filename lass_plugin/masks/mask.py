"""Mask and mask set: which weights a language key keeps."""

import math
import re
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, Iterable, Mapping, get_type_hints

import torch
from torch import Tensor

from lass_plugin.errors import LassError
from lass_plugin.masks import packing
from lass_plugin.masks.fingerprint import Fingerprint, same_weights


@dataclass(frozen=True)
class Provenance:
    """Where a mask comes from; written into every mask file."""

    criterion: str
    """``magnitude``, ``gradient``, ``random``, ``merged``, ``imported``."""
    ratio: float | int | None
    """Share removed from each matrix, in [0, 1); None where it is not one number."""
    schedule: str = ""
    """``oneshot`` or ``gradual``; empty where there was no search."""
    updates: int = 0
    """Number of updates of the search that the mask was taken after."""
    note: str = ""
    """For people: seed, parts merged, file imported."""

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            value = getattr(self, name)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise TypeError(f"{name} of a mask is {value!r}")
        if self.updates < 0:
            raise ValueError(f"updates of a mask are {self.updates}")
        if self.ratio is not None and not 0.0 <= self.ratio < 1.0:
            raise ValueError(f"ratio of a mask is {self.ratio}, outside [0, 1)")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Provenance":
        known = {item.name for item in fields(cls)}
        return cls(**{name: values[name] for name in values if name in known})


def is_key(value: Any) -> bool:
    """Whether *value* can be the key of a mask: it becomes the name of a file."""
    return isinstance(value, str) and bool(re.fullmatch(r"[A-Za-z0-9_@.-]+", value))


@dataclass(frozen=True)
class Mask:
    """The mask of one language key: for each site one packed bit a weight, 1 = keep."""

    key: str
    bits: dict[str, Tensor]
    """Site name -> ``(ceil(units / 8),)`` uint8, see :mod:`.packing`."""
    shapes: dict[str, tuple[int, ...]]
    """Site name -> shape of the weight matrix."""
    provenance: Provenance
    base: Fingerprint = field(default_factory=dict)
    """Fingerprint of the weights searched on; empty where unknown (imported masks)."""

    def __post_init__(self) -> None:
        if not is_key(self.key):
            raise LassError(
                f"the key of a mask is {self.key!r}; a key is a pair, such as de-en"
            )

    @classmethod
    def from_tensors(
        cls,
        key: str,
        masks: Mapping[str, Tensor],
        provenance: Provenance,
        base: Fingerprint | None = None,
    ) -> "Mask":
        """Pack boolean tensors (True = keep), one for each site."""
        bits = {name: packing.pack(mask) for name, mask in masks.items()}
        shapes = {name: tuple(mask.shape) for name, mask in masks.items()}
        return cls(key, bits, shapes, provenance, dict(base or {}))

    @property
    def units(self) -> int:
        """Number of weights that the mask covers."""
        return sum(map(math.prod, self.shapes.values()))

    def kept(self, site: str | None = None) -> int:
        """Number of weights kept, in one site or in all."""
        names = self.bits if site is None else [site]
        return sum(packing.count(self.bits[name]) for name in names)

    def unpack(self, site: str) -> Tensor:
        """The boolean mask of one site, in the shape of its weight matrix."""
        return packing.unpack(self.bits[site], self.shapes[site])

    def check_fits(self, sites: Mapping[str, Tensor], what: str = "the model") -> None:
        """Refuse a mask whose names or shapes are not those of *sites*."""
        theirs = {name: tuple(tensor.shape) for name, tensor in sites.items()}
        for name in {**self.shapes, **theirs}:
            if name not in theirs:
                fault = f"covers {name}, which {what} does not have"
            elif name not in self.shapes:
                fault = f"lacks {name} of {what}"
            elif self.shapes[name] != theirs[name]:
                shape = self.shapes[name]
                fault = f"has shape {shape} for {name}, but {what} has {theirs[name]}"
            else:
                continue
            raise LassError(
                f"the mask of {self.key} {fault}; it belongs to another model or to "
                "other mask targets"
            )

    def check_base(self, base: Fingerprint, what: str = "the model") -> None:
        """Refuse a mask that was searched on other weights than *base*."""
        if self.base and not same_weights(self.base, base):
            raise LassError(
                f"the mask of {self.key} was searched on other weights than those of "
                f"{what}; start from the base model of the search, or pass "
                "--allow-other-base if this is what you want"
            )


class MaskSet(dict[str, Mask]):
    """The masks of several language keys for one model, in the order of their keys.

    Raises:
        LassError: two masks cover different sites or shapes, or have one key; a mask
            that is not there is asked for.
    """

    def __init__(self, masks: Iterable[Mask]):
        ordered = sorted(masks, key=lambda mask: mask.key)
        for before, mask in pairwise(ordered):
            if mask.key == before.key:
                raise LassError(f"there are two masks of {mask.key}; keep one of them")
            if mask.shapes != before.shapes:
                raise LassError(
                    f"the masks of {before.key} and {mask.key} cover different "
                    "matrices and cannot be used together; search both on the same "
                    "model with the same mask targets"
                )
        super().__init__((mask.key, mask) for mask in ordered)

    def __missing__(self, key: str) -> Mask:
        raise LassError(
            f"there is no mask of {key}; the masks here are of "
            f"{', '.join(self) or 'no pair'}"
        )

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Site name -> shape, the same for every mask of the set."""
        return next(iter(self.values())).shapes if self else {}

    def only(self, keys: Iterable[str]) -> "MaskSet":
        """The masks of *keys*; a missing one is an error that names it."""
        return MaskSet(self[key] for key in keys)

    def union(self, keys: Iterable[str]) -> dict[str, Tensor]:
        """Site name -> packed union of the masks of *keys* (at least one)."""
        merged, *others = (self[key].bits for key in keys)
        for bits in others:
            merged = {name: torch.bitwise_or(merged[name], bits[name]) for name in bits}
        return dict(merged)
