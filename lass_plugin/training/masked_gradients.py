"""Gradients multiplied by a mask all at once, after the backward pass (on a GPU)."""

import contextlib
from typing import Any, Iterator, Mapping

import torch
from fairseq.distributed import (
    DistributedTimeoutWrapper,
    LegacyDistributedDataParallel,
    ModuleProxyWrapper,
)
from torch import Tensor, nn

from lass_plugin.training.side_by_side import SideBySide, SpreadMask

_REDUCES_LATER = (
    DistributedTimeoutWrapper,
    LegacyDistributedDataParallel,
    ModuleProxyWrapper,
)
"""Wrappers that sum gradients over processes after the backward pass, or not at all."""


def reduces_in_backward(model: nn.Module) -> bool:
    """Whether a wrapper of *model* sums gradients over processes as they come."""
    inner: Any = model
    while isinstance(getattr(inner, "module", None), nn.Module):
        if not isinstance(inner, _REDUCES_LATER):
            return True
        inner = inner.module
    return False


class MaskedGradients:
    """The gradients of the sites, side by side.

    What is added up over the micro-batches of an update is, to the bit, what a hook on
    every matrix that masks its gradient would leave.

    Memory: one number a weight, which are the gradients themselves.
    """

    def __init__(self, sites: Mapping[str, nn.Parameter], layout: SideBySide):
        self._sites = sites
        self._layout = layout
        self._sum: Tensor | None = None
        self._views: dict[str, Tensor] = {}

    @contextlib.contextmanager
    def masked(self, mask: SpreadMask, scratch: Tensor) -> Iterator[None]:
        """Mask the gradients that come in this block, and add them to those before.

        Args:
            scratch: ``(units,)`` of the type of the gradients, overwritten after it.
        """
        before = {name: site.grad for name, site in self._sites.items()}
        for site in self._sites.values():
            site.grad = None
        try:
            yield
        except BaseException:
            for name, site in self._sites.items():
                site.grad = before[name]
            raise
        new = {name: site.grad for name, site in self._sites.items()}
        first = all(gradient is None for gradient in before.values())
        ours = all(before[name] is view for name, view in self._views.items())
        whole = {name: each for name, each in new.items() if each is not None}
        if len(whole) == len(new) and (first or (ours and self._views)):
            sums = self._memory(scratch)
            target = sums if first else scratch
            self._layout.join(whole, out=target)
            target.mul_(mask.all)
            if not first:
                sums.add_(scratch)
            for name, site in self._sites.items():
                site.grad = self._views[name]
            return
        for name, site in self._sites.items():  # some layer was left out
            gradient, earlier = new[name], before[name]
            if gradient is not None:
                gradient = gradient * mask.views[name]
            if gradient is not None and earlier is not None:
                gradient = earlier.add_(gradient)
            site.grad = earlier if gradient is None else gradient

    def _memory(self, like: Tensor) -> Tensor:
        if (
            self._sum is None
            or self._sum.dtype != like.dtype
            or self._sum.device != like.device
        ):
            self._sum = torch.empty_like(like)
            self._views = self._layout.views(self._sum)
        return self._sum
