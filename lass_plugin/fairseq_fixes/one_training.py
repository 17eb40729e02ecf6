"""Two trainings in one folder.

Symptom: started twice by mistake, both write their checkpoints to the same names, and
one of them ends with a traceback when a file is gone that the other has renamed.
"""

from collections.abc import Callable
from pathlib import Path

from fairseq import checkpoint_utils

from lass_plugin.fairseq_fixes.replacing import replace_once
from lass_plugin.locks import FolderLock

LOCK = ".training"

_held: list[FolderLock] = []
"""By this process until it ends."""


def _held_alone(stock: Callable) -> Callable:
    def verify(save_dir: str) -> None:
        stock(save_dir)
        lock = FolderLock(Path(save_dir), "training", LOCK, by_children=False)
        lock.take()
        _held.append(lock)

    return verify


def train_alone() -> None:
    """Let the first process of a training hold the folder of its checkpoints."""
    replace_once(checkpoint_utils, "verify_checkpoint_directory", _held_alone)
