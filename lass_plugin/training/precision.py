"""Precision: bfloat16 autocast."""

import contextlib

import torch


def autocast(enabled: bool, device: torch.device) -> contextlib.AbstractContextManager:
    """bfloat16 matrix products on *device* while the weights stay in float32."""
    if not enabled:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
