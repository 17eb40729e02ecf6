"""Forward under a mask: the model computes with W ⊙ M while θ stays as it is.

The mask acts on the weight itself, because fairseq's attention reads
``q_proj.weight`` without calling the ``Linear`` that owns it. For the time of a
micro-batch the parameter's storage is swapped for a working copy that holds W ⊙ M; its
name, shape, gradient and place in the optimizer do not change.
"""

import contextlib
from functools import partial
from typing import Iterator, Mapping

import torch
from torch import Tensor, nn

from lass_plugin.errors import LassError
from lass_plugin.masks.mask import MaskSet
from lass_plugin.masks.packing import unpack
from lass_plugin.training.spreading import factors

PackedMask = Mapping[str, Tensor]
"""Site name -> ``(ceil(units / 8),)`` uint8 on the device of the site."""

_TRIED = ""
"""No key is called so."""


class MaskedWeights:
    """The sites of one model and the packed masks of its language keys.

    Memory: one bit a weight and key, and one working copy of the masked matrices. Bits
    are spread to bytes one matrix at a time and forgotten again.

    Args:
        sites: name -> parameter.
        masks: of the keys; more can be set with :meth:`set_mask`.
        held: packed mask of weights that get no gradient, whatever the key: the model
            computes with them, but they are not trained.
    """

    def __init__(
        self,
        sites: Mapping[str, nn.Parameter],
        masks: MaskSet | None = None,
        held: PackedMask | None = None,
    ):
        self.sites = dict(sites)
        self._bits: dict[str, PackedMask] = {}
        self._held = held or {}
        self._movable: dict[str, PackedMask] = {}
        self._dense: dict[str, Tensor] = {}
        self._working: dict[str, Tensor] = {}
        self._applied: str | None = None
        self._current: str | None = None  # key whose W ⊙ M the working copy holds
        self._masks_gradients = False
        for key, mask in (masks or {}).items():
            mask.check_fits(self.sites)
            self.set_mask(key, mask.bits)
        for name, parameter in self.sites.items():
            if parameter.requires_grad:
                parameter.register_hook(partial(self._mask_gradient, name))

    def set_mask(self, key: str, bits: PackedMask) -> None:
        """Set or replace the packed mask of *key*."""
        self._bits[key] = {
            name: bits[name].to(parameter.device)
            for name, parameter in self.sites.items()
        }
        free = {
            name: self._bits[key][name] & ~held.to(self.sites[name].device)
            for name, held in self._held.items()
        }
        self._movable[key] = {**self._bits[key], **free}
        if self._current == key:
            self._current = None

    def bits(self, key: str) -> PackedMask:
        """The packed mask of *key*.

        Raises:
            LassError: there is none.
        """
        if key not in self._bits:
            raise LassError(
                f"there is no mask of {key}; the masks here are of "
                f"{', '.join(self._bits) or 'no pair'}"
            )
        return self._bits[key]

    def movable(self, keys: list[str]) -> PackedMask:
        """What an update of *keys* (at least one) may move, packed: the union of their
        masks without what is held."""
        merged = dict(self._movable[keys[0]])
        for key in keys[1:]:
            more = self._movable[key]
            merged = {name: merged[name] | more[name] for name in merged}
        return merged

    @contextlib.contextmanager
    def applied(
        self, key: str, mask_gradients: bool = True, reuse: bool = False
    ) -> Iterator[None]:
        """Compute with W ⊙ M of *key* inside this block; θ is back after it.

        Args:
            mask_gradients: multiply the gradient of this micro-batch by its mask before
                it is accumulated (joint training). False passes it straight through
                (search).
            reuse: θ has not changed since *key* was last applied (evaluation).
        """
        self.apply(key, reuse=reuse)
        self._masks_gradients = mask_gradients
        try:
            yield
        finally:
            self._masks_gradients = False
            self.release()
            if not reuse:
                self._current = None

    @contextlib.contextmanager
    def trying(self, bits: PackedMask) -> Iterator[None]:
        """Evaluate under a mask of no key inside this block."""
        self.set_mask(_TRIED, bits)
        try:
            with self.applied(_TRIED, mask_gradients=False):
                yield
        finally:
            del self._bits[_TRIED], self._movable[_TRIED]

    def using(self, key: str) -> contextlib.AbstractContextManager[None]:
        """Evaluate under the mask of *key* inside this block."""
        return self.applied(key, mask_gradients=False, reuse=True)

    def bake(self, key: str) -> None:
        """Multiply the mask of *key* into the weights for good: dense speed."""
        for name, bits in self.bits(key).items():
            weight = self.sites[name].data
            weight.mul_(unpack(bits.to(weight.device), weight.shape))

    def apply(self, key: str, reuse: bool = False) -> None:
        """Swap the storage of every site for W ⊙ M of *key*. Idempotent."""
        bits = self.bits(key)
        if self._applied is not None:
            self.release()
        if not (reuse and self._current == key):
            for name, parameter in self.sites.items():
                self._fill(name, parameter.data, bits[name])
        for name, parameter in self.sites.items():  # once memory has sufficed for all
            self._dense[name], parameter.data = parameter.data, self._working[name]
        self._applied = self._current = key

    def release(self) -> None:
        """Give every site its own storage back. Idempotent."""
        for name, parameter in self.sites.items():
            if name in self._dense:
                parameter.data = self._dense.pop(name)
        self._applied = None

    def _fill(self, name: str, weight: Tensor, bits: Tensor) -> None:
        copy = self._working.get(name)
        if copy is None or copy.device != weight.device or copy.dtype != weight.dtype:
            copy = self._working[name] = torch.empty_like(weight)
        torch.mul(weight, factors(bits, weight), out=copy)

    def _mask_gradient(self, name: str, gradient: Tensor) -> Tensor | None:
        if self._applied is None or not self._masks_gradients:
            return None
        mask = factors(self._movable[self._applied][name], gradient)
        if gradient.is_contiguous():
            # the gradient of a weight matrix is a fresh product that nothing else
            # holds; a second buffer of its size would cost twice the time
            gradient.mul_(mask)
            return gradient
        return gradient * mask
