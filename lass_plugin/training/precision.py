"""Precisions: bfloat16 autocast, and the refusal of what would silently be another."""

import contextlib
from typing import Any

import torch

from lass_plugin.errors import LassError


def check_precision(cfg: Any) -> None:
    """Refuse combinations of precision and device that do not do what they say.

    Args:
        cfg: task configuration with ``fp16``, ``bf16``, ``amp``,
            ``memory_efficient_fp16``, ``cpu`` and ``bf16_autocast``.
    """
    on_cpu = cfg.cpu or not torch.cuda.is_available()
    others = [
        name
        for name in ("fp16", "bf16", "amp", "memory_efficient_fp16")
        if getattr(cfg, name)
    ]
    if cfg.bf16_autocast and others:
        flag = others[0].replace("_", "-")
        raise LassError(
            f"--bf16-autocast and --{flag} exclude each other; leave one of them out"
        )
    if on_cpu and cfg.amp:
        raise LassError(
            "--amp has no effect on a CPU (everything would run in float32); use "
            "--bf16-autocast, or leave it out"
        )
    if on_cpu and cfg.bf16:
        raise LassError(
            "--bf16 does not work on a CPU; use --bf16-autocast, which keeps the "
            "weights in float32 and multiplies matrices in bfloat16"
        )


def autocast(enabled: bool, device: torch.device) -> contextlib.AbstractContextManager:
    """bfloat16 matrix products on *device* while the weights stay in float32."""
    if not enabled:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
