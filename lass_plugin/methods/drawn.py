"""What the matrices of modules begin with."""

import hashlib
import math

import torch
from torch import Tensor


def gaussian(what: str, outputs: int, inputs: int) -> Tensor:
    """``(outputs, inputs)`` normal numbers of variance 1 / inputs, drawn from *what*.

    So the product with x has the variance of x, whatever the outputs, and what one key
    begins with does not depend on which others there are.
    """
    digest = hashlib.sha256(what.encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    return torch.randn(outputs, inputs, generator=generator) / math.sqrt(inputs)
