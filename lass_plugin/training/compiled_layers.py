"""Layers compiled by ``torch.compile``: fewer and larger operations, the same sums.

A mask is applied by giving the parameters another storage (:mod:`.masked_weights`).
Compiled code takes the parameters as arguments at every call, so that it reads
W ⊙ M as the layer itself would.
"""

import logging
from typing import Any, Callable

import torch
from torch import Tensor, nn

from lass_plugin.anatomy.places import is_layer
from lass_plugin.errors import LassError

logger = logging.getLogger(__name__)

BACKEND = "inductor"
"""What torch compiles with."""


def compile_layers(model: nn.Module, device: torch.device) -> None:
    """Compile each layer of *model*, for any batch and length.

    Layers of one kind share what was compiled. Training takes a few variants: one for
    batches of one sentence, and as many again for validation.

    Args:
        device: that *model* is on.

    Raises:
        LassError: nothing can be compiled for *device* here.
    """
    layers = [module for name, module in model.named_modules() if is_layer(name)]
    _try_out(device)
    for layer in layers:
        layer.compile(dynamic=True, backend=BACKEND)
        layer._compiled_call_impl = _contiguous_arguments(layer._compiled_call_impl)
    logger.info(f"{len(layers)} layers are compiled; the first batches take longer")


def _contiguous_arguments(call: Callable) -> Callable:
    """*call* with tensors that lie alike in memory, whatever made them.

    The first layer gets a transposed input and the decoder a part of a larger mask;
    each would be compiled for by itself.
    """

    def with_contiguous(*arguments: Any, **more: Any) -> Any:
        return call(
            *map(_contiguous, arguments),
            **{name: _contiguous(value) for name, value in more.items()},
        )

    return with_contiguous


def _contiguous(value: Any) -> Any:
    return value.contiguous() if isinstance(value, Tensor) else value


def _try_out(device: torch.device) -> None:
    try:
        torch.compile(_probe, backend=BACKEND)(torch.ones(2, device=device))
    except Exception as error:  # of whichever part of the compiler is not there
        needed = "a C++ compiler" if device.type == "cpu" else "Triton"
        reason = str(error).strip().partition("\n")[0] or repr(error)
        raise LassError(
            f"--compile-layers: torch cannot compile for this {device.type} "
            f"({reason}); install {needed}, or leave the option out"
        ) from error


def _probe(values: Tensor) -> Tensor:
    return values * 2 + 1
