"""A user's mistakes told in one sentence.

Symptom: a checkpoint that is missing or unreadable, or a folder that cannot be written,
gives a traceback through fairseq and torch that does not name what to do.
"""

from collections.abc import Callable
from typing import Any

from fairseq import checkpoint_utils

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes.replacing import replace_once


def _unreadable_checkpoint(stock: Callable) -> Callable:
    def load(path: str, *arguments: Any, **more: Any) -> Any:
        if "://" not in str(path):
            Checkpoint.read_whole(path)  # says what is wrong with the file
        return stock(path, *arguments, **more)

    return load


def _missing_checkpoint(stock: Callable) -> Callable:
    def load(*arguments: Any, **more: Any) -> Any:
        try:
            return stock(*arguments, **more)
        except OSError as error:
            message = str(error)
            if not message.startswith("Model file not found: "):
                raise
            path = message.split(": ", 1)[1]
            raise LassError(
                f"the checkpoint {path} does not exist; check --path"
            ) from None

    return load


def _unwritable_folder(stock: Callable) -> Callable:
    def verify(save_dir: str) -> None:
        try:
            stock(save_dir)
        except OSError as error:
            raise LassError(
                f"cannot write checkpoints into {save_dir} ({error.strerror}); give "
                "another --save-dir"
            ) from None

    return verify


def explain_mistakes() -> None:
    """Name a missing or unreadable checkpoint, and a folder that cannot be written."""
    replace_once(checkpoint_utils, "load_checkpoint_to_cpu", _unreadable_checkpoint)
    replace_once(checkpoint_utils, "load_model_ensemble_and_task", _missing_checkpoint)
    replace_once(checkpoint_utils, "verify_checkpoint_directory", _unwritable_folder)
