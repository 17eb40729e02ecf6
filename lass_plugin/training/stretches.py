"""Stretches: where an optimizer keeps value, gradient and state of a parameter.

``FP16Optimizer`` steps on one flat float32 copy of all parameters (or on one copy for
each), the others on the parameters themselves. Whatever reads or restores the state of
a matrix goes through its stretch and so works in every precision.
"""

from dataclasses import dataclass
from typing import Mapping

import torch
from fairseq.optim import FairseqOptimizer
from fairseq.optim.amp_optimizer import AMPOptimizer
from fairseq.optim.fp16_optimizer import FP16Optimizer, MemoryEfficientFP16Optimizer
from torch import Tensor, nn


@dataclass(frozen=True)
class Stretch:
    """A stretch of a tensor that a torch optimizer steps on."""

    owner: Tensor
    """The parameter in the torch optimizer, the matrix itself or a flat copy of all."""
    offset: int
    """Index of the matrix's first weight in the flattened owner."""
    units: int
    """Number of weights of the matrix."""

    def view(self, tensor: Tensor) -> Tensor:
        """``(units,)`` view of this matrix in *tensor*, which is laid out as owner."""
        return tensor.detach().view(-1)[self.offset : self.offset + self.units]

    @property
    def value(self) -> Tensor:
        return self.view(self.owner)

    @property
    def gradient(self) -> Tensor | None:
        grad = self.owner.grad
        return None if grad is None else self.view(grad)

    def state(self, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
        """Views of the state tensors (moments) that hold one number a weight."""
        return {
            name: self.view(tensor)
            for name, tensor in optimizer.state.get(self.owner, {}).items()
            if torch.is_tensor(tensor) and tensor.numel() == self.owner.numel() > 1
        }


def find_stretches(
    optimizer: FairseqOptimizer, sites: Mapping[str, nn.Parameter]
) -> dict[str, Stretch]:
    """The stretch of each site in *optimizer*."""
    places = _owners(optimizer)
    return {
        name: places.get(id(parameter), Stretch(parameter, 0, parameter.numel()))
        for name, parameter in sites.items()
    }


def _owners(optimizer: FairseqOptimizer) -> dict[int, Stretch]:
    """id of a model parameter -> stretch, where that is not the parameter itself."""
    if not isinstance(optimizer, FP16Optimizer):
        return {}
    parameters, copies = optimizer.fp16_params, optimizer.fp32_params
    if not optimizer.has_flat_params:
        return {
            id(parameter): Stretch(copy, 0, copy.numel())
            for parameter, copy in zip(parameters, copies, strict=True)
        }
    places = {}
    offsets = dict.fromkeys(copies, 0)  # of the flat copy of each device
    for parameter in parameters:
        device = next(iter(copies)) if len(copies) == 1 else parameter.device.index
        units = parameter.numel()
        places[id(parameter)] = Stretch(copies[device], offsets[device], units)
        offsets[device] += units
    return places


def gradient_factor(optimizer: FairseqOptimizer) -> float | Tensor:
    """What the optimizer will still multiply its gradients by before it steps.

    fairseq's half-precision optimizers undo loss scaling, divide by the sample size
    and clip by this one factor, lazily; elsewhere all of it has been done already.
    """
    return getattr(optimizer, "_multiply_factor", 1.0)


def drops_update(optimizer: FairseqOptimizer) -> bool:
    """Whether ``step()`` will do nothing, because gradients overflowed under AMP.

    fairseq's other wrappers raise before the task is asked for a step; with AMP it asks
    and leaves it to the gradient scaler to skip.
    """
    if not isinstance(optimizer, AMPOptimizer):
        return False
    norms = [
        torch.linalg.vector_norm(parameter.grad)
        for parameter in optimizer.fp32_optimizer.params
        if parameter.grad is not None
    ]
    return bool(norms) and not bool(torch.isfinite(torch.stack(norms)).all())


def torch_optimizer(optimizer: FairseqOptimizer) -> torch.optim.Optimizer:
    """The torch optimizer inside fairseq's wrappers."""
    return innermost(optimizer).optimizer


def innermost(optimizer: FairseqOptimizer) -> FairseqOptimizer:
    """The fairseq optimizer inside the wrappers for mixed precision."""
    if isinstance(optimizer, (FP16Optimizer, AMPOptimizer)):
        return optimizer.fp32_optimizer
    if isinstance(optimizer, MemoryEfficientFP16Optimizer):
        return optimizer.wrapped_optimizer
    return optimizer
