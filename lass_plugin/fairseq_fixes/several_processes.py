"""Several processes: checkpoints handed to all of them, and training on CPUs.

Symptoms: a run that starts from a checkpoint or goes on from one ends with "Weights
only load failed … typing.Any": fairseq sends what the first process has read through
``torch.save`` and ``torch.load``, and torch >= 2.6 takes the message of the process
beside it for a file of a stranger. And ``--ddp-backend pytorch_ddp`` on CPUs ends with
"device_ids and output_device arguments only work with …".
"""

from collections.abc import Callable
from typing import Any

import torch
from fairseq.distributed import utils as distributed_utils
from fairseq.models import distributed_fairseq_model

from lass_plugin.fairseq_fixes.replacing import replace_once


def _sent_by_torch(stock: Callable) -> Callable:
    def broadcast(obj: Any, src_rank: int, group: Any, dist_device: Any) -> Any:
        if not isinstance(group, torch.distributed.ProcessGroup):  # TPUs
            return stock(obj, src_rank, group, dist_device)
        message = [obj if distributed_utils.get_rank(group) == src_rank else None]
        torch.distributed.broadcast_object_list(message, src_rank, group, dist_device)
        return message[0]

    return broadcast


def _on_any_device(stock: Callable) -> Callable:
    def build(module: torch.nn.Module, **options: Any) -> torch.nn.Module:
        if next(module.parameters()).device.type == "cpu":
            options.update(device_ids=None, output_device=None)
        return stock(module, **options)

    return build


def train_by_several() -> None:
    """Repair what a training of several processes needs."""
    replace_once(distributed_utils, "_broadcast_object_slow", _sent_by_torch)
    replace_once(distributed_fairseq_model, "DistributedDataParallel", _on_any_device)
