"""Stored differences: what a checkpoint says of them, read without a model."""

import hashlib
import math
import os
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

import torch
from torch import Tensor

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError, naming_damage
from lass_plugin.languages import Pair, sides_of, written
from lass_plugin.masks import MaskSet
from lass_plugin.masks.fingerprint import Fingerprint, fingerprint, same_weights
from lass_plugin.masks.mask import is_key
from lass_plugin.methods.lowrank.frozen_base import FrozenBase, check_exists
from lass_plugin.methods.sparse_tuning.positions import (
    Sites,
    decode,
    encode,
    positions_of,
)
from lass_plugin.records.fields import filled, whole

ENTRY = "sparse_tuning"
VERSION = 1
PARTS = "sparse differences"
"""What they are called in messages."""
NAME = "sparse_differences"
"""Module of the model that holds their values."""


def is_difference(name: str) -> bool:
    """Whether an entry of a state dict is the values of a difference."""
    return name.startswith(f"{NAME}.")


@dataclass(frozen=True)
class Entry:
    """Entry :data:`ENTRY` of ``task_state``: all of differences but their values."""

    base: str
    """Path of the base in training."""
    fingerprint: Fingerprint
    """That of the base's matrices which differences may be in."""
    shapes: Mapping[str, tuple[int, ...]]
    """Site -> shape, in the order in which values are stored."""
    positions: Mapping[str, Sites]
    """Key -> positions of its weights."""
    made: Mapping[str, str] = field(default_factory=dict)
    """Key -> how its weights were chosen, for people."""

    @property
    def units(self) -> dict[str, int]:
        """Site -> number of its weights."""
        return {site: math.prod(shape) for site, shape in self.shapes.items()}

    def count(self, key: str) -> int:
        """How many weights the difference of *key* has."""
        return sum(each.numel() for each in self.positions[key].values())

    def parts_of(self, pair: Pair) -> tuple[str, ...]:
        """Keys of the differences that *pair* computes with, in the order in which they
        are added: of the pair itself, or of its source and its target.

        Raises:
            LassError: one of them is not there.
        """
        if str(pair) in self.positions:
            return (str(pair),)
        wanted = sides_of(pair) if not self.by_pair else (str(pair),)
        for key in wanted:
            if key not in self.positions:
                raise LassError(
                    f"there is no sparse difference of {key} for {pair}; there are "
                    f"those of {', '.join(self.positions)}"
                )
        return wanted

    @property
    def by_pair(self) -> bool:
        """Whether differences are of pairs, not of sources and targets."""
        return any("-" in key for key in self.positions)

    @classmethod
    def of_masks(
        cls, masks: MaskSet, pairs: Sequence[Pair], base: str, of: Fingerprint
    ) -> "Entry":
        """The differences that *masks* choose the weights of, those that *pairs* use.

        Raises:
            LassError: a pair has none, or masks of pairs and of languages are mixed.
        """
        check_keys(masks)
        shapes = masks.shapes
        whole_set = cls(base, of, shapes, dict.fromkeys(masks, {}))
        keys = sorted({key for pair in pairs for key in whole_set.parts_of(pair)})
        made = {}
        for key in keys:
            if not masks[key].kept():
                raise LassError(
                    f"the mask of {key} keeps no weight, so its difference would be "
                    "nothing; take masks at a lower ratio"
                )
            about = masks[key].provenance
            words = [about.criterion, about.note]
            words += [] if about.ratio is None else [f"ratio {about.ratio:g}"]
            made[key] = ", ".join(filter(None, words))
        positions = {key: positions_of(masks[key], shapes) for key in keys}
        return cls(base, of, shapes, positions, made)

    def digest(self) -> str:
        """SHA-256 of keys, sites, shapes and positions."""
        result = hashlib.sha256(repr(sorted(self.shapes.items())).encode())
        for key in sorted(self.positions):
            result.update(f"\0{key}\0".encode())
            for site in self.shapes:
                result.update(self.positions[key][site].numpy().tobytes())
        return result.hexdigest()

    def to_state(self) -> dict[str, Any]:
        """Plain values, and one uint8 tensor a key."""
        keys = {}
        for key, sites in self.positions.items():
            rice, code = encode(sites, self.units)
            made = self.made.get(key, "")
            own = {"weights": self.count(key), "rice": rice, "positions": code}
            keys[key] = {**own, "made": made}
        return {
            "version": VERSION,
            "base": self.base,
            "fingerprint": dict(self.fingerprint),
            "shapes": {site: list(shape) for site, shape in self.shapes.items()},
            "keys": keys,
        }

    @classmethod
    def from_state(cls, state: Any, where: str) -> "Entry":
        """What :meth:`to_state` gave; everything is checked.

        Raises:
            LassError: damaged, or of a later release.
        """
        what = f"what {where} says of its {PARTS}"
        with naming_damage(what, where, "the checkpoint is damaged, take another one"):
            if state["version"] != VERSION:
                raise LassError(
                    f"the {PARTS} in {where} are of version {state['version']}; this "
                    f"release reads version {VERSION}"
                )
            stored = filled(dict[str, list[int]], state["shapes"], "shapes")
            shapes = {site: tuple(shape) for site, shape in stored.items()}
            base = filled(dict[str, float], state["fingerprint"], "fingerprint")
            if any(size < 1 for shape in stored.values() for size in shape):
                raise ValueError("a shape of it is empty")
            if base.keys() != shapes.keys() or not shapes:
                raise ValueError("its fingerprint is of other matrices")
            units = {site: math.prod(shape) for site, shape in shapes.items()}
            positions, made = {}, {}
            for key, own in state["keys"].items():
                if not is_key(key):
                    raise ValueError(f"it has the key {key!r}")
                weights = whole(own["weights"], "weights")
                rice, code = whole(own["rice"], "rice"), own["positions"]
                positions[key] = decode(rice, code, weights, units)
                made[key] = filled(str, own["made"], "made")
            if not positions:
                raise ValueError("it has no key")
            path = filled(str, state["base"], "base")
            return cls(path, base, shapes, positions, made)

    def read_base(self, given: str | os.PathLike | None = None) -> FrozenBase:
        """The base that the differences are to.

        Args:
            given: where it is now; None for where it was in training.

        Raises:
            LassError: it is not there, or no base.
        """
        return read_base(given or self.base, recorded=not given)

    def check_base(
        self, tensors: Mapping[str, Tensor], path: str | os.PathLike
    ) -> None:
        """Refuse a base that is not the one of training.

        Args:
            tensors: name -> weight, of a model or a checkpoint.
            path: of that base, for messages.
        """
        known = {site: tensors[site] for site in self.shapes if site in tensors}
        alike = all(
            tuple(tensor.shape) == self.shapes[site] for site, tensor in known.items()
        )
        if not alike or not same_weights(self.fingerprint, fingerprint(known)):
            raise LassError(
                f"the {PARTS} were trained on another base than {path}; give theirs "
                "with --base"
            )

    def values_in(self, checkpoint: Checkpoint, key: str) -> Tensor:
        """``(weights,)`` the stored values of the difference of *key*.

        Raises:
            LassError: the checkpoint lacks them, or has another number of them.
        """
        name = f"{NAME}.{written(key)}"
        values = checkpoint.weights.get(name)
        if values is None or values.shape != (self.count(key),):
            raise LassError(
                f"{checkpoint.path} lacks {name} of {self.count(key)} numbers; it is "
                "damaged, take another checkpoint"
            )
        return values


def check_keys(masks: MaskSet) -> None:
    """Refuse masks that are not all of pairs, or all of sources and targets.

    Raises:
        LassError: names two that do not go together.
    """
    of_pairs = [key for key in masks if "-" in key]
    of_sides = [key for key in masks if key.startswith(("source@", "target@"))]
    for key in masks:
        if key not in (*of_pairs, *of_sides):
            raise LassError(
                f"the mask of {key} is neither of a pair (de-en) nor of a side "
                "(source@de, target@en); make masks with 'lass extract --base'"
            )
    if of_pairs and of_sides:
        raise LassError(
            f"the masks are of pairs ({of_pairs[0]}) and of languages ({of_sides[0]}); "
            "keep one kind in --masks"
        )


def read_base(path: str | os.PathLike | None, recorded: bool = False) -> FrozenBase:
    """A base of sparse differences.

    Args:
        recorded: whether the path comes out of a checkpoint.

    Raises:
        LassError: it is not there, or holds differences and no base.
    """
    base = FrozenBase.read_whole(check_exists(path, recorded, PARTS))
    if any(map(is_difference, base.weights)):
        raise LassError(
            f"{path} holds {PARTS} and no base; give the base that they were trained on"
        )
    return base


def added(weight: Tensor, positions: Tensor, values: Tensor) -> Tensor:
    """A copy of *weight* with *values* added at *positions*, in the type of *weight*.

    Args:
        weight: any shape.
        positions: ``(kept,)`` of the flattened weight, each once.
        values: ``(kept,)``.
    """
    flat = weight.reshape(-1).clone()
    flat.index_add_(0, positions, values.to(flat.dtype))
    return flat.view(weight.shape)


def split_values(values: Tensor, positions: Sites) -> dict[str, Tensor]:
    """Site -> its stretch of the values of one key."""
    sizes = [each.numel() for each in positions.values()]
    return dict(zip(positions, torch.split(values, sizes), strict=True))
