"""Precision: what is refused, bfloat16 autocast, and what a processor gains by it."""

import contextlib
import functools
import logging
from typing import Any

import torch

from lass_plugin.errors import LassError

logger = logging.getLogger(__name__)

IN_FAIRSEQ = ("fp16", "bf16", "amp", "memory_efficient_fp16")
"""Options of fairseq's own."""


def check_precision(cfg: Any) -> None:
    """Refuse combinations of precision and device that do not do what they say.

    Args:
        cfg: options of a task, with fairseq's own filled in.

    Raises:
        LassError: names the option.
    """
    others = [name for name in IN_FAIRSEQ if getattr(cfg, name, None)]
    if cfg.bf16_autocast and others:
        raise LassError(
            f"--bf16-autocast and --{others[0].replace('_', '-')} exclude each other; "
            "leave one of them out"
        )
    on_cpu = cfg.cpu or not torch.cuda.is_available()
    if on_cpu and cfg.amp:
        raise LassError(
            "--amp has no effect on a CPU (everything would run in float32); use "
            "--bf16-autocast, or leave it out"
        )
    trains = cfg.tf32 and cfg.save_dir
    if trains and (on_cpu or torch.cuda.get_device_capability() < (8, 0)):
        raise LassError(
            "--tf32 needs a GPU of compute capability 8.0 or higher; leave it out"
        )
    if on_cpu and cfg.bf16:
        raise LassError(
            "--bf16 does not work on a CPU; use --bf16-autocast, which keeps the "
            "weights in float32 and multiplies matrices in bfloat16"
        )


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
