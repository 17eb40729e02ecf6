"""Strict update: what lies outside the sub-networks of an update does not move.

Momentum and weight decay move a weight even when its gradient is zero. Here every
weight outside the union of the masks that took part in an update keeps its value and
its optimizer state bit for bit.
"""

import contextlib
from dataclasses import dataclass
from typing import Iterator, Mapping

import torch
from fairseq.optim import FairseqOptimizer
from fairseq.optim.adadelta import Adadelta
from fairseq.optim.adagrad import Adagrad
from fairseq.optim.adam import FairseqAdam
from fairseq.optim.adamax import FairseqAdamax
from fairseq.optim.fp16_optimizer import FP16Optimizer
from fairseq.optim.nag import FairseqNAG
from fairseq.optim.sgd import SGD
from torch import Tensor, nn

from lass_plugin.errors import LassError
from lass_plugin.masks.packing import unpack
from lass_plugin.training.spreading import integer_type
from lass_plugin.training.stretches import Stretch, innermost, torch_optimizer

ELEMENTWISE = (FairseqAdam, SGD, FairseqNAG, Adagrad, FairseqAdamax, Adadelta)
"""Stock optimizers whose update of a weight depends on that weight's own gradient and
state alone, so that holding the others back changes nothing for it."""


@dataclass(frozen=True)
class Region:
    """A matrix inside an optimizer's tensor, and the weights of it that may move."""

    stretch: Stretch
    bits: Tensor | None
    """``(ceil(units / 8),)`` packed mask, 1 = may move; None if nothing may."""


def restore_outside(new: Tensor, old: Tensor, movable: Tensor) -> None:
    """Put *old* back into *new* wherever *movable* is False, bit for bit.

    Args:
        new: ``(units,)`` floating point, changed in place.
        old: ``(units,)`` of the same type; overwritten.
        movable: ``(units,)`` boolean.
    """
    restore_held(new, old, movable.to(integer_type(new.dtype)).sub_(1))


def restore_held(new: Tensor, old: Tensor, held: Tensor) -> None:
    """Put *old* back into *new* wherever *held* is all ones and not zero.

    Done on the integers behind the numbers, so that -0.0, infinities and NaN survive.

    Args:
        held: ``(units,)`` integers as wide as the numbers, see :mod:`.spreading`.
    """
    integer = integer_type(new.dtype)
    new_bits, old_bits = new.view(integer), old.view(integer)
    old_bits.bitwise_xor_(new_bits).bitwise_and_(held)
    new_bits.bitwise_xor_(old_bits)


def check_optimizer(optimizer: FairseqOptimizer) -> None:
    """Refuse an optimizer that cannot be made strict.

    Raises:
        LassError: it mixes information between weights (factored moments, norms of
            whole layers) or keeps its state in a form that cannot be restored.
    """
    inner = innermost(optimizer)
    if hasattr(inner.optimizer, "hold"):
        return
    if not isinstance(inner, ELEMENTWISE):
        raise LassError(
            f"the optimizer {type(inner).__name__} cannot keep the weights outside a "
            "sub-network still; use --optimizer strict_adam (fastest), adam, adagrad, "
            "adamax, adadelta, nag or sgd"
        )
    if getattr(inner.optimizer, "use_fp16_stats", False):
        raise LassError(
            "--fp16-adam-stats keeps scaled moments that cannot be held still; leave "
            "it out, or use --optimizer strict_adam"
        )


def standing_still(
    parameters: Mapping[str, nn.Parameter], stretches: Mapping[str, Stretch]
) -> dict[str, Tensor | None]:
    """Let nothing of *parameters* move in the step that comes.

    The optimizer passes by a parameter without a gradient; a stretch of a tensor that
    it steps on as a whole has to be held.

    Returns:
        What :func:`strict` is to be told of them.
    """
    held: dict[str, Tensor | None] = {}
    for name, parameter in parameters.items():
        if stretches[name].owner is parameter:
            parameter.grad = None
        else:
            held[name] = None
    return held


@contextlib.contextmanager
def strict(
    optimizer: FairseqOptimizer,
    stretches: Mapping[str, Stretch],
    movable: Mapping[str, Tensor | None],
) -> Iterator[None]:
    """While this is open, ``optimizer.step()`` moves only *movable* weights.

    Args:
        stretches: site name -> stretch.
        movable: site name -> packed mask on its device, or None for a site
            of which nothing may move.
    """
    inner = torch_optimizer(optimizer)
    regions = [Region(stretches[name], bits) for name, bits in movable.items()]
    if hasattr(inner, "hold"):
        with inner.hold(regions):
            yield
        return
    before = [
        {name: tensor.clone() for name, tensor in _tensors(region, inner).items()}
        for region in regions
    ]
    yield
    for region, old in zip(regions, before, strict=True):
        units, device = region.stretch.units, region.stretch.owner.device
        may_move = torch.zeros(units, dtype=torch.bool, device=device)
        if region.bits is not None:
            may_move = unpack(region.bits, (units,))
        for name, tensor in _tensors(region, inner).items():
            # state that this very step has created was nothing before: zero
            was = old[name] if name in old else torch.zeros_like(tensor)
            restore_outside(tensor, was, may_move)
    if isinstance(optimizer, FP16Optimizer):
        # its step has already copied what it made of the held weights to the model
        optimizer._sync_fp32_params_to_fp16()


def _tensors(region: Region, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {"weights": region.stretch.value, **region.stretch.state(optimizer)}
