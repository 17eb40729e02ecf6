"""A model that computes with other weights for a while, its own untouched."""

import contextlib
from typing import Iterator, Mapping

from torch import Tensor, nn


@contextlib.contextmanager
def holding(model: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Every parameter of *model* holds its value of *weights* inside this block.

    Names, gradients and places in an optimizer stay; what is in *weights* is not
    written to.

    Args:
        weights: name -> value, of the shapes of the parameters, anywhere and in any
            precision.
    """
    own = {name: each.data for name, each in model.named_parameters()}
    try:
        for name, parameter in model.named_parameters():
            parameter.data = weights[name].to(parameter.device, parameter.dtype)
        yield
    finally:
        for name, parameter in model.named_parameters():
            parameter.data = own[name]
