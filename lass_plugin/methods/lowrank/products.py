"""Frozen matrices that share an input, with low-rank factors beside them, in one step.

Step by step autograd would read the input once more for every matrix, and add up
gradients of the input in copies of it; both cost about as much time as the low-rank
products themselves.
"""

from typing import Any, NamedTuple, Sequence

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lass_plugin.methods.frozen_linear import computed_with


class Factors(NamedTuple):
    """What stands beside one matrix W for the languages of a batch."""

    a: Tensor
    """``(rank, inputs)``, the ranks of all languages of the batch together."""
    b: Tensor
    """``(outputs, rank)``."""
    scale: Tensor
    """Float32, so that what is trained in half precision is what is merged later.
    ``(1, rank)``, or ``(sentences, rank)`` where the batch mixes languages: 0 where
    a column is of another language than the sentence."""


def together(
    x: Tensor,
    linears: Sequence[nn.Linear],
    beside: Sequence[Factors | None],
    low: Tensor | None = None,
) -> list[Tensor]:
    """W x + bias + B (scale · A x) of each of *linears* (Cao 2024, Eq. 2, 3 and 5).

    Args:
        x: ``(..., sentences, inputs)``.
        linears: layers that are not trained.
        beside: factors of each, None for none.
        low: what A multiplies where that is not *x* itself, of the same shape.

    Returns:
        ``(..., sentences, outputs)`` of each layer, in the precision of *x*, or that of
        autocast.
    """
    dtype = x.dtype
    if torch.is_autocast_enabled(x.device.type):
        dtype = torch.get_autocast_dtype(x.device.type)

    def cast(each: Tensor | None) -> Tensor | None:
        return each if each is None or each.dtype == dtype else each.to(dtype)

    given: list[Any] = []
    for linear, factors in zip(linears, beside, strict=True):
        a, b, scale = factors or (None, None, None)
        weight, bias = computed_with(linear)
        given += [*map(cast, (weight, bias, a, b)), scale]
    # reshaped once for all: fairseq's decoder hands over transposed tensors
    flat, flat_low = (
        each if each is None else each.reshape(-1, x.shape[-1]) for each in (x, low)
    )
    inputs: list[Any] = [cast(flat), cast(flat_low), *given]
    if torch.is_grad_enabled():
        outputs = _Together.apply(*inputs)
    else:
        outputs, _, _ = _products(*inputs)
    return [y.view(*x.shape[:-1], y.shape[-1]) for y in outputs]


def _products(
    x: Tensor, low: Tensor | None, *given: Any
) -> tuple[list[Tensor], Tensor | None, Tensor | None]:
    """The outputs, z = A x of all, and all A; five tensors a layer in *given*."""
    layers = [given[start : start + 5] for start in range(0, len(given), 5)]
    stacked = _stacked([a for _, _, a, _, _ in layers if a is not None])
    z = None if stacked is None else (x if low is None else low) @ stacked.t()
    outputs, start = [], 0
    for weight, bias, a, b, scale in layers:
        if bias is None:
            y = x @ weight.t()
        else:
            y = torch.addmm(bias, x, weight.t())
        if a is not None:
            assert z is not None
            own = z[:, start : start + len(a)]
            y.addmm_(_scaled(own, scale), b.t())
            start += len(a)
        outputs.append(y)
    return outputs, z, stacked


class _Together(torch.autograd.Function):
    """:func:`_products` of ``(rows, inputs)`` with their gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, low: Tensor | None, *given: Any) -> Any:
        outputs, z, stacked = _products(x, low, *given)
        ctx.save_for_backward(x if low is None else low, z, stacked, *given)
        ctx.shares_input = low is None
        return tuple(outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        low, z, stacked, *given = ctx.saved_tensors
        needed = ctx.needs_input_grad
        dx = dlow = dz = None
        if z is not None:
            dz = torch.empty_like(z)
        of_given: list[Tensor | None] = [None] * len(given)
        places = []
        start = 0
        for number, dy in enumerate(gradients):
            first = 5 * number
            weight, _, a, b, scale = given[first : first + 5]
            if needed[0]:
                dx = dy @ weight if dx is None else dx.addmm_(dy, weight)
            if a is None:
                continue
            assert z is not None and dz is not None
            columns = slice(start, start + len(a))
            start += len(a)
            own, down = z[:, columns], dy @ b
            if needed[2 + first + 3]:
                of_given[first + 3] = dy.t() @ _scaled(own, scale)
            if needed[2 + first + 4]:
                both = (down.to(scale.dtype) * own).view(-1, *scale.shape)
                of_given[first + 4] = both.sum(0)
            dz[:, columns] = _scaled(down, scale)
            places.append((first + 2, columns))
        if dz is not None and stacked is not None:
            if any(needed[2 + place] for place, _ in places):
                da = dz.t() @ low
                for place, columns in places:
                    of_given[place] = da[columns]
            if ctx.shares_input and dx is not None:
                dx.addmm_(dz, stacked)
            elif needed[1]:
                dlow = dz @ stacked
        return dx, dlow, *of_given


def _stacked(factors: Sequence[Tensor]) -> Tensor | None:
    """All A, one below the other."""
    if len(factors) < 2:
        return factors[0] if factors else None
    return torch.cat(list(factors))


def _scaled(z: Tensor, scale: Tensor) -> Tensor:
    """``(rows, rank)`` z with the scale of its sentence; rows run over the sentences of
    one position, then of the next."""
    if len(scale) == 1:
        return (z * scale).to(z.dtype)
    return (z.view(-1, *scale.shape) * scale).view(z.shape).to(z.dtype)
