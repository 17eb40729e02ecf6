"""Linear layers of a base that does not move."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from fairseq.modules import MultiheadAttention
from torch import Tensor, nn

from lass_plugin.errors import LassError

Parts = tuple[Tensor, Tensor | None]
"""Weight and bias."""


class FrozenLinear(nn.Linear):
    """A linear layer whose weight is not trained, at the speed of one that is.

    Of a matrix without a gradient torch makes a batch of products where the input is
    not contiguous, as in fairseq's decoder; that takes half as long again.
    """

    cast: "CastOnce | None" = None

    def forward(self, input: Tensor) -> Tensor:
        weight, bias = computed_with(self)
        y = F.linear(input.reshape(-1, self.in_features), weight, bias)
        return y.view(*input.shape[:-1], self.out_features)

    def _apply(self, fn: Callable, recurse: bool = True) -> Any:
        """Another device or precision: of the weights as they were given."""
        if self.cast is not None:
            self.cast.undo(self)
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, *args: Any, **more: Any) -> None:
        """Other weights: in the place of those that were given, not of their cast."""
        if self.cast is not None:
            self.cast.undo(self)
        super()._load_from_state_dict(*args, **more)


class CastOnce:
    """What autocast makes of a frozen layer's weight and bias, made once.

    Autocast casts a weight that is not trained at every use. Here the parameters hold
    the cast numbers from the first use on, which are the same ones, and the float32
    ones are in the host's memory, until the layer is used without autocast or with
    another precision of it.

    Args:
        shared: whether others read the weight as it is: the cast one then lies beside.
    """

    def __init__(self, shared: bool = False):
        self._shared = shared
        self._dtype: torch.dtype | None = None
        self._made: Parts | None = None
        self._weight: Tensor | None = None
        self._given: list[tuple[str, Tensor]] = []
        """Name of a parameter -> what it was, in the host's memory."""

    def parts(self, linear: nn.Linear) -> Parts:
        """What *linear* computes with now."""
        weight = self._weight  # to look it up in a module takes as long as a cast
        if weight is None:
            weight = linear.weight
        device = weight.device.type
        dtype = None
        if torch.is_autocast_enabled(device):
            if not (weight.requires_grad and torch.is_grad_enabled()):
                dtype = torch.get_autocast_dtype(device)
        if self._made is None or dtype != self._dtype:
            self.undo(linear)
            if dtype is None or weight.dtype != torch.float32:
                return linear.weight, linear.bias
            self._made = self._make(linear, dtype)
            self._weight, self._dtype = weight, dtype
        return self._made

    @torch.no_grad()
    def _make(self, linear: nn.Linear, dtype: torch.dtype) -> Parts:
        made: list[Tensor | None] = []
        for name in ("weight", "bias"):
            parameter = getattr(linear, name)
            made.append(None if parameter is None else parameter.detach().to(dtype))
            if parameter is not None and not self._shared:
                self._given.append((name, parameter.data.cpu()))
                parameter.data = made[-1]
        weight, bias = made
        assert weight is not None
        return weight, bias

    def undo(self, linear: nn.Linear) -> None:
        """Let the parameters of *linear* be what they were. Idempotent."""
        for name, given in self._given:
            parameter = getattr(linear, name)
            parameter.data = given.to(parameter.device)
        self._given, self._made, self._dtype, self._weight = [], None, None, None


def computed_with(linear: nn.Linear) -> Parts:
    """Weight and bias of a layer that is not trained, in the precision of now."""
    cast: CastOnce | None = getattr(linear, "cast", None)
    return (linear.weight, linear.bias) if cast is None else cast.parts(linear)


def cast_once(model: nn.Module) -> None:
    """Let the frozen layers of *model* be cast once where autocast would cast them at
    every use; nothing of them is in what the model saves.

    A weight that an embedding has too stays in float32 beside its cast copy: rows of
    the embedding are looked up in float32.
    """
    others = {
        id(parameter)
        for module in model.modules()
        if not isinstance(module, nn.Linear)
        for parameter in module.parameters(recurse=False)
    }
    for layer in _frozen(model):
        layer.cast = CastOnce(id(layer.weight) in others)
    for module in model.modules():
        if type(module) is MultiheadAttention:
            module.register_forward_pre_hook(_cast_projections)


def as_given(model: nn.Module) -> None:
    """Undo what :func:`cast_once` has led to: parameters hold what they were given."""
    for layer in _frozen(model):
        if layer.cast is not None:
            layer.cast.undo(layer)


def _frozen(model: nn.Module) -> Iterator[FrozenLinear]:
    return (each for each in model.modules() if isinstance(each, FrozenLinear))


def _cast_projections(attention: nn.Module, _: Any) -> None:
    """Before fairseq's attention, which reads the weights of its projections and calls
    none of them."""
    for projection in attention._modules.values():
        if isinstance(projection, FrozenLinear):
            computed_with(projection)


def refuse_noise(options: Any, parts: str) -> None:
    """Refuse quantization noise, which writes into the weights at every forward pass.

    Args:
        options: of the model.
        parts: are trained in the frozen model, for the message.

    Raises:
        LassError: it is asked for.
    """
    if getattr(options, "quant_noise_pq", 0):
        raise LassError(
            "--quant-noise-pq changes the weights of the base while it is computed "
            f"with; leave it out for {parts}"
        )


def speed_up_frozen(model: nn.Module) -> None:
    """Make every linear layer of *model*, which is frozen, a :class:`FrozenLinear`."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = FrozenLinear
