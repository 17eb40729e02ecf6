"""A user's mistakes that fairseq answers with a traceback, told in one sentence."""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

from fairseq import checkpoint_utils

from lass_plugin.checkpoints.checkpoint import read_checkpoint
from lass_plugin.errors import LassError


def _replace(name: str, wrapper: Callable[[Callable], Callable]) -> None:
    """Wrap a function of fairseq's ``checkpoint_utils``, once."""
    stock = getattr(checkpoint_utils, name)
    if not getattr(stock, "explains", False):
        replaced = wraps(stock)(wrapper(stock))
        replaced.explains = True  # type: ignore[attr-defined]
        setattr(checkpoint_utils, name, replaced)


def _unreadable_checkpoint(stock: Callable) -> Callable:
    def load(path: str, *arguments: Any, **more: Any) -> Any:
        try:
            return stock(path, *arguments, **more)
        except Exception:
            if "://" not in str(path):
                read_checkpoint(path)  # says what is wrong with the file, if that is it
            raise

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
    _replace("load_checkpoint_to_cpu", _unreadable_checkpoint)
    _replace("load_model_ensemble_and_task", _missing_checkpoint)
    _replace("verify_checkpoint_directory", _unwritable_folder)


def check_start(
    restore_file: str, finetune_from_model: str | None, folder: str
) -> None:
    """Refuse a start from a checkpoint that is not there.

    fairseq trains from scratch, and says so in one line of many, where
    ``--restore-file`` does not exist. A path inside the run's own folder may be
    missing: that is how scripts ask to go on from where a run was. A run that goes on
    needs its base no more.

    Args:
        restore_file: ``--restore-file``.
        finetune_from_model: ``--finetune-from-model``.
        folder: ``--save-dir``.

    Raises:
        LassError: names the file.
    """
    default = "checkpoint_last.pt"
    if restore_file != default and finetune_from_model:
        raise LassError(
            "--finetune-from-model and --restore-file exclude each other; give one"
        )
    inside = os.path.abspath(os.path.dirname(restore_file)) == os.path.abspath(folder)
    goes_on = os.path.exists(os.path.join(folder, default))
    starts = {
        "--restore-file": None if inside else restore_file,
        "--finetune-from-model": None if goes_on else finetune_from_model,
    }
    for option, path in starts.items():
        if not path or path == default or "://" in path:
            continue
        if not os.path.exists(path):
            raise LassError(f"{option} {path} does not exist")
