"""Checkpoints that are whole or not there at all.

Symptom: on a full disk a training ends with a traceback and half a checkpoint, also in
place of the last good one. fairseq writes ``checkpointN.pt`` by a rename, but does not
sync it; after an error it writes once more behind what it has written already; and it
copies the file over ``checkpoint_last.pt`` in place.
"""

import os
import shutil
from collections.abc import Callable
from typing import Any

from fairseq import checkpoint_utils
from fairseq.file_io import PathManager

from lass_plugin.checkpoints.torch_files import save_tensors
from lass_plugin.fairseq_fixes.replacing import replace_once
from lass_plugin.files import atomic_path


def _save_whole(stock: Callable) -> Callable:
    def save(obj: Any, filename: str, async_write: bool = False) -> None:
        if async_write or "://" in filename:  # as the handler of the place does
            stock(obj, filename, async_write=async_write)
        else:
            save_tensors(filename, obj)

    return save


def _copy_whole(stock: Callable) -> Callable:
    def copy(src_path: str, dst_path: str, overwrite: bool = False, **more) -> bool:
        if "://" in f"{src_path}{dst_path}":
            return stock(src_path, dst_path, overwrite=overwrite, **more)
        if not overwrite and os.path.exists(dst_path):
            return False
        with atomic_path(dst_path, only_writer=True) as temporary:
            shutil.copyfile(src_path, temporary)
        return True

    return copy


def write_checkpoints_atomically() -> None:
    """Write and copy checkpoints by a synced rename; a full disk is a sentence."""
    replace_once(checkpoint_utils, "torch_persistent_save", _save_whole)
    replace_once(PathManager, "copy", _copy_whole)
