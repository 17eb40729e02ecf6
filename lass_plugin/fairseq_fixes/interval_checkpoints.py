"""Checkpoints at even distances, also where one falls on the end of an epoch.

Symptom: with ``--save-interval-updates`` some checkpoints, or all, are missing. fairseq
leaves one out when its update is the last of an epoch; with short epochs that can be
every one of them.
"""

import os
import shutil
from collections.abc import Callable
from typing import Any

from fairseq import checkpoint_utils

from lass_plugin.fairseq_fixes.replacing import replace_once
from lass_plugin.files import atomic_path


def _with_points(stock: Callable) -> Callable:
    def save(cfg: Any, trainer: Any, epoch_itr: Any, val_loss: Any) -> Any:
        saved = stock(cfg, trainer, epoch_itr, val_loss)
        every, updates = cfg.save_interval_updates, trainer.get_num_updates()
        if (
            getattr(trainer.task.cfg, "extend", None)
            and trainer.should_save_checkpoint_on_current_rank
            and epoch_itr.end_of_epoch()
            and every > 0
            and updates % every == 0
        ):
            last = os.path.join(cfg.save_dir, "checkpoint_last.pt")
            name = f"checkpoint_{epoch_itr.epoch}_{updates}.pt"
            with atomic_path(os.path.join(cfg.save_dir, name)) as temporary:
                shutil.copyfile(last, temporary)
        return saved

    return save


def keep_points_at_epoch_ends() -> None:
    """For trainings with ``--extend``, write what fairseq leaves out."""
    replace_once(checkpoint_utils, "save_checkpoint", _with_points)
