"""What current torch and Python need of fairseq, done when the plugin is loaded."""

import argparse
import atexit
import contextlib
import os
import queue
import shutil
import threading
import time
from typing import Any

import torch
from fairseq import checkpoint_utils
from fairseq.data import iterators
from fairseq.file_io import PathManager

from lass_plugin.checkpoints.checkpoint import save_tensors
from lass_plugin.fairseq_fixes.explanations import explain_mistakes
from lass_plugin.fairseq_fixes.interval_checkpoints import keep_points_at_epoch_ends
from lass_plugin.files import atomic_path


def allow_checkpoint_types() -> None:
    """Let torch's safe loading read what fairseq itself puts into checkpoints.

    torch >= 2.6 refuses every class that it was not told of. Exactly these are
    allowed: the namespace of old-style model options, numpy scalars and arrays (best
    scores, counters) and OmegaConf's containers (broadcast when training resumes).
    """
    import numpy as np
    from omegaconf import base, dictconfig, listconfig, nodes

    try:
        from numpy._core import multiarray
    except ImportError:  # numpy 1
        from numpy.core import multiarray  # type: ignore[no-redef]

    allowed: list[Any] = [
        argparse.Namespace,
        np.ndarray,
        np.dtype,
        multiarray._reconstruct,
        multiarray.scalar,
        *(type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "b1")),
        dictconfig.DictConfig,
        listconfig.ListConfig,
        base.ContainerMetadata,
        base.Metadata,
        nodes.AnyNode,
    ]
    torch.serialization.add_safe_globals(allowed)


def write_checkpoints_atomically() -> None:
    """Make fairseq's checkpoints whole or not there at all, and a full disk a sentence.

    fairseq writes ``checkpointN.pt`` by a rename, but does not sync it; after an error
    it writes once more behind what it has written already; and it copies the file over
    ``checkpoint_last.pt`` in place, where a full disk would leave half a file.
    """
    stock_save = checkpoint_utils.torch_persistent_save
    stock_copy = PathManager.copy
    if getattr(stock_save, "is_atomic", False):
        return

    def save(obj: Any, filename: str, async_write: bool = False) -> None:
        if async_write or "://" in filename:  # as the handler of the place does
            stock_save(obj, filename, async_write=async_write)
        else:
            save_tensors(filename, obj)

    def copy(src_path: str, dst_path: str, overwrite: bool = False, **more) -> bool:
        if "://" in f"{src_path}{dst_path}":
            return stock_copy(src_path, dst_path, overwrite=overwrite, **more)
        if not overwrite and os.path.exists(dst_path):
            return False
        with atomic_path(dst_path, only_writer=True) as temporary:
            shutil.copyfile(src_path, temporary)
        return True

    save.is_atomic = True  # type: ignore[attr-defined]
    checkpoint_utils.torch_persistent_save = save
    PathManager.copy = staticmethod(copy)


def stop_readers() -> None:
    """End the threads that read batches ahead; asked for when Python ends.

    They are daemons: Python kills them when it ends, and one that is just then inside
    a call of torch takes the whole process down ("terminate called without an active
    exception", status -6), after whatever was said last.
    """
    for thread in threading.enumerate():
        if isinstance(thread, iterators.BackgroundConsumer):
            thread._max_len = 0  # the batch that it is at will be its last
            give_up = time.monotonic() + 10
            while thread.is_alive() and time.monotonic() < give_up:
                with contextlib.suppress(queue.Empty):
                    thread._queue.get(timeout=0.01)  # it may be waiting for room


def prepare_fairseq() -> None:
    """All of the above; safe to call again."""
    allow_checkpoint_types()
    write_checkpoints_atomically()
    keep_points_at_epoch_ends()
    explain_mistakes()
    atexit.unregister(stop_readers)
    atexit.register(stop_readers)
