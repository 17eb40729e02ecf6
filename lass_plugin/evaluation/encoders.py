"""The encoder of a checkpoint, built by a task, ready to compute with."""

from typing import Any

import torch
from fairseq import checkpoint_utils

import lass_plugin.models.narrow_architectures  # noqa: F401  (registered)
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.trained_with import check_counts
from lass_plugin.errors import LassError
from lass_plugin.tasks.encoder_task import EncoderTask


def build_encoder(found: Checkpoint, task: EncoderTask, device: torch.device) -> Any:
    """The model of *found* on *device*, in evaluation mode; *task* has its method.

    Raises:
        LassError: it is of another dictionary than the task's data, or no encoder.
    """
    task.checkpoint = str(found.path)
    counts = [len(task.dictionary)] * 2
    check_counts(found.weights, counts, task.checkpoint, str(task.cfg.data))
    try:
        (model,), _ = checkpoint_utils.load_model_ensemble([task.checkpoint], task=task)
    except (RuntimeError, KeyError, ValueError, AssertionError) as error:
        reason = " ".join(str(error).split())
        raise LassError(
            f"the model of {found.path} cannot be built ({reason}); give a checkpoint "
            "of an encoder"
        ) from error
    return model.to(device).eval()


def chosen_device(cpu: bool) -> torch.device:
    """A GPU where there is one and it may be used."""
    return torch.device("cuda" if torch.cuda.is_available() and not cpu else "cpu")
