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

from lass_plugin.devices import at_once
from lass_plugin.errors import LassError
from lass_plugin.masks.mask import MaskSet
from lass_plugin.masks.packing import unpack
from lass_plugin.training.masked_gradients import MaskedGradients
from lass_plugin.training.side_by_side import (
    JoinedMask,
    PackedMask,
    SideBySide,
    SpreadMask,
)
from lass_plugin.training.spreading import factors

_TRIED = ""
"""No key is called so."""


class MaskedWeights:
    """The sites of one model and the packed masks of its language keys.

    Memory: one bit a weight and key, and one working copy of the masked matrices. On a
    CPU bits are spread one matrix at a time and forgotten again, on a GPU all at once
    in a byte a weight.

    Args:
        sites: name -> parameter.
        masks: of the keys; more can be set with :meth:`set_mask`.
        held: packed mask of weights that get no gradient, whatever the key: the model
            computes with them, but they are not trained.
        reduced_in_backward: gradients are summed over processes as soon as each is
            there, so each is masked before.
    """

    def __init__(
        self,
        sites: Mapping[str, nn.Parameter],
        masks: MaskSet | None = None,
        held: PackedMask | None = None,
        reduced_in_backward: bool = False,
    ):
        self.sites = dict(sites)
        self._layout = SideBySide(self.sites)
        self._bits: dict[str, JoinedMask] = {}
        self._held = held or {}
        self._movable: dict[str, JoinedMask] = {}
        self._dense: dict[str, Tensor] = {}
        self._copy: Tensor | None = None
        self._working: dict[str, Tensor] = {}
        self._kept: SpreadMask | None = None  # what the model computes with
        self._free: SpreadMask | None = None  # what gets a gradient
        self._applied: str | None = None
        self._current: str | None = None  # key whose W ⊙ M the working copy holds
        self._masks_gradients = False
        for key, mask in (masks or {}).items():
            mask.check_fits(self.sites)
            self.set_mask(key, mask.bits)
        trained = {n: each for n, each in self.sites.items() if each.requires_grad}
        self._gradients: MaskedGradients | None = None
        if not reduced_in_backward and len(trained) == len(self.sites):
            if all(at_once(parameter.device) for parameter in trained.values()):
                self._gradients = MaskedGradients(self.sites, self._layout)
        if self._gradients is None:
            for name, parameter in trained.items():
                parameter.register_hook(partial(self._mask_gradient, name))

    def set_mask(self, key: str, bits: PackedMask) -> None:
        """Set or replace the packed mask of *key*."""
        self._bits[key] = self._movable[key] = self._on_device(bits)
        if self._held:
            free = {name: bits[name].cpu() & ~h.cpu() for name, h in self._held.items()}
            self._movable[key] = self._on_device({**bits, **free})
        if self._current == key:
            self._current = None

    def _on_device(self, bits: PackedMask) -> JoinedMask:
        device = next(iter(self.sites.values())).device
        return self._layout.mask({name: bits[name].to(device) for name in self.sites})

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
        return self._bits[key].parts

    def movable(self, keys: list[str]) -> PackedMask:
        """What an update of *keys* (at least one) may move, packed: the union of their
        masks without what is held."""
        return self._layout.union([self._movable[key] for key in keys]).parts

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
        self._masks_gradients = mask_gradients
        try:
            self.apply(key, reuse=reuse)
            with self._masked_gradients():
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
        self.bits(key)
        if self._applied is not None:
            self.release()
        if not (reuse and self._current == key):
            self._fill(key)
        for name, parameter in self.sites.items():  # once memory has sufficed for all
            self._dense[name], parameter.data = parameter.data, self._working[name]
        self._applied = self._current = key

    def release(self) -> None:
        """Give every site its own storage back. Idempotent."""
        for name, parameter in self.sites.items():
            if name in self._dense:
                parameter.data = self._dense.pop(name)
        self._applied = None

    def _fill(self, key: str) -> None:
        """Make the working copy: W ⊙ M of every site."""
        weights = {name: parameter.data for name, parameter in self.sites.items()}
        like = next(iter(weights.values()))
        copy = self._copy
        if copy is None or copy.device != like.device or copy.dtype != like.dtype:
            copy = self._copy = like.new_empty(self._layout.units)
            self._working = self._layout.views(copy)
            self._kept = self._free = None
        mask, movable = self._bits[key], self._movable[key]
        if mask.joined is None:
            for name, bits in mask.parts.items():
                weight = weights[name]
                torch.mul(weight, factors(bits, weight), out=self._working[name])
            return
        self._layout.join(weights, out=copy)
        self._kept = self._layout.spread(mask, self._kept)
        copy.mul_(self._kept.all)
        if movable is mask:
            self._free = self._kept
        elif self._masks_gradients:
            self._free = self._layout.spread(movable, self._free)
        else:  # nobody asks what gets a gradient
            self._free = None

    def _masked_gradients(self) -> contextlib.AbstractContextManager[None]:
        if self._gradients is None or not self._masks_gradients:
            return contextlib.nullcontext()
        if self._free is None or self._copy is None:
            raise RuntimeError("no mask is applied")
        return self._gradients.masked(self._free, scratch=self._copy)

    def _mask_gradient(self, name: str, gradient: Tensor) -> Tensor | None:
        if self._applied is None or not self._masks_gradients:
            return None
        if self._free is not None:
            mask = self._free.views[name]
        else:
            mask = factors(self._movable[self._applied].parts[name], gradient)
        if gradient.is_contiguous():
            # the gradient of a weight matrix is a fresh product that nothing else
            # holds; a second buffer of its size would cost twice the time
            gradient.mul_(mask)
            return gradient
        return gradient * mask
