"""Mask and mask set: which weights a language key keeps."""

import re
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Iterable, Iterator, Mapping

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
    ratio: float | None
    """Share removed from each matrix, in [0, 1); None where it is not one number."""
    schedule: str = ""
    """``oneshot`` or ``gradual``; empty where there was no search."""
    updates: int = 0
    """Number of updates of the search that the mask was taken after."""
    note: str = ""
    """For people: seed, parts merged, file imported."""

    def __post_init__(self) -> None:
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise TypeError(f"{name} of a mask is {value!r}")
        if self.ratio is not None and not 0.0 <= self.ratio < 1.0:
            raise ValueError(f"ratio of a mask is {self.ratio}, outside [0, 1)")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Provenance":
        known = {item.name for item in fields(cls)}
        return cls(**{name: values[name] for name in values if name in known})


_KINDS: dict[str, Any] = {
    "criterion": str,
    "ratio": float | int | None,
    "schedule": str,
    "updates": int,
    "note": str,
}


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
        return cls(
            key=key,
            bits={name: packing.pack(mask) for name, mask in masks.items()},
            shapes={name: tuple(mask.shape) for name, mask in masks.items()},
            provenance=provenance,
            base=dict(base or {}),
        )

    @property
    def units(self) -> int:
        """Number of weights that the mask covers."""
        return sum(packing_units(shape) for shape in self.shapes.values())

    def kept(self, site: str | None = None) -> int:
        """Number of weights kept, in one site or in all."""
        names = self.bits if site is None else [site]
        return sum(packing.count(self.bits[name]) for name in names)

    def unpack(self, site: str) -> Tensor:
        """The boolean mask of one site, in the shape of its weight matrix."""
        return packing.unpack(self.bits[site], self.shapes[site])

    def check_fits(self, sites: Mapping[str, Tensor], what: str = "the model") -> None:
        """Refuse a mask whose names or shapes are not those of *sites*."""
        for name in {**self.shapes, **sites}:
            shape = self.shapes.get(name)
            theirs = tuple(sites[name].shape) if name in sites else None
            if theirs is None:
                fault = f"covers {name}, which {what} does not have"
            elif shape is None:
                fault = f"lacks {name} of {what}"
            elif shape != theirs:
                fault = f"has shape {shape} for {name}, but {what} has {theirs}"
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


def packing_units(shape: Iterable[int]) -> int:
    """Number of weights of a matrix of *shape*."""
    units = 1
    for size in shape:
        units *= size
    return units


class MaskSet(Mapping[str, Mask]):
    """The masks of several language keys for one model, in the order of their keys.

    Raises:
        LassError: two masks cover different sites or shapes, or have one key.
    """

    def __init__(self, masks: Iterable[Mask]):
        self._masks: dict[str, Mask] = {}
        for mask in sorted(masks, key=lambda mask: mask.key):
            if mask.key in self._masks:
                raise LassError(f"there are two masks of {mask.key}; keep one of them")
            self._masks[mask.key] = mask
        if not self._masks:
            return
        first = next(iter(self._masks.values()))
        for mask in self._masks.values():
            if mask.shapes != first.shapes:
                raise LassError(
                    f"the masks of {first.key} and {mask.key} cover different matrices "
                    "and cannot be used together; search both on the same model with "
                    "the same mask targets"
                )

    def __getitem__(self, key: str) -> Mask:
        if key not in self._masks:
            raise LassError(
                f"there is no mask of {key}; the masks here are of "
                f"{', '.join(self._masks) or 'no pair'}"
            )
        return self._masks[key]

    def __contains__(self, key: object) -> bool:
        return key in self._masks

    def __iter__(self) -> Iterator[str]:
        return iter(self._masks)

    def __len__(self) -> int:
        return len(self._masks)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Site name -> shape, the same for every mask of the set."""
        return next(iter(self._masks.values())).shapes if self._masks else {}

    def only(self, keys: Iterable[str]) -> "MaskSet":
        """The masks of *keys*; a missing one is an error that names it."""
        return MaskSet(self[key] for key in keys)

    def union(self, keys: Iterable[str]) -> dict[str, Tensor]:
        """Site name -> packed union of the masks of *keys* (at least one)."""
        masks = [self[key] for key in keys]
        merged = dict(masks[0].bits)
        for mask in masks[1:]:
            merged = {
                name: torch.bitwise_or(merged[name], mask.bits[name]) for name in merged
            }
        return merged
