"""Precision: bfloat16 autocast, and whether a processor gains by it."""

import contextlib
import functools
import logging

import torch

logger = logging.getLogger(__name__)


def autocast(enabled: bool, device: torch.device) -> contextlib.AbstractContextManager:
    """bfloat16 matrix products on *device* while the weights stay in float32.

    Says once, where the device is a processor that has to emulate them, how slow it is.
    """
    if not enabled:
        return contextlib.nullcontext()
    if device.type == "cpu" and not processor_has_bfloat16():
        _warn_of_emulation()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def processor_has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 as fast as float32, or faster.

    x86 has instructions for it from AVX-512 on, ARM from v8.6; elsewhere torch emulates
    them, and a product takes many times as long.
    """
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is not None and bool(supported())


@functools.cache
def _warn_of_emulation() -> None:
    logger.warning(
        "this processor has no instructions for bfloat16, so that --bf16-autocast is "
        "many times slower than float32 here; leave it out"
    )
