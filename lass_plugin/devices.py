"""How a device is worked on.

A CPU works on one matrix, or a piece of one, after another, so that what it reads twice
is still in its caches. A GPU waits for whoever launches its operations and for results
that the host asks for, so it gets few operations that do much.
"""

import torch

ONE_BY_ONE = frozenset({"cpu"})
"""Types of devices that work on one matrix after another."""


def at_once(device: torch.device) -> bool:
    """Whether a device works on many matrices at once."""
    return device.type not in ONE_BY_ONE
