"""The encoder of a checkpoint, ready to answer a prepared task."""

from pathlib import Path
from typing import Any

import torch
from fairseq import checkpoint_utils
from torch import nn

import lass_plugin.models.narrow_architectures  # noqa: F401  (registered)
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.trained_with import check_counts
from lass_plugin.data.dictionaries import load_dictionary
from lass_plugin.data.masked_blocks import MASK
from lass_plugin.data.xtreme.pieces import DICTIONARY
from lass_plugin.data.xtreme.stored import Prepared
from lass_plugin.errors import LassError
from lass_plugin.options import XtremeConfig
from lass_plugin.tasks.xtreme import XtremeTask, check_head


def load_encoder(
    checkpoint: Path,
    prepared: Prepared,
    device: torch.device,
    sparsity: float | None = None,
) -> tuple[XtremeTask, nn.Module]:
    """The task of *prepared* and the model of *checkpoint*, in evaluation mode.

    Args:
        sparsity: of gates for any sparsity.

    Raises:
        LassError: no such checkpoint, or it is of another task or another dictionary.
    """
    found = Checkpoint.read_whole(checkpoint)
    dictionary = load_dictionary(prepared.folder / DICTIONARY)
    dictionary.add_symbol(MASK)
    cfg = XtremeConfig(data=str(prepared.folder), sparsity=sparsity)
    task = XtremeTask(cfg, prepared, dictionary)
    task.checkpoint = str(checkpoint)
    if prepared.task.trains:
        check_head(found.task_state, prepared.task, str(checkpoint))
    counts = [len(dictionary)] * 2
    check_counts(found.weights, counts, str(checkpoint), str(prepared.folder))
    try:
        (model,), _ = checkpoint_utils.load_model_ensemble([str(checkpoint)], task=task)
    except (RuntimeError, KeyError, ValueError, AssertionError) as error:
        reason = " ".join(str(error).split())
        raise LassError(
            f"the model of {checkpoint} cannot be built ({reason}); give a checkpoint "
            "of an encoder"
        ) from error
    model.to(device)
    model.eval()
    return task, model


def chosen_device(cpu: bool) -> torch.device:
    """A GPU where there is one and it may be used."""
    return torch.device("cuda" if torch.cuda.is_available() and not cpu else "cpu")


def to_device(value: Any, device: torch.device) -> Any:
    """The tensors of a batch on *device*."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {name: to_device(each, device) for name, each in value.items()}
    return value
