"""What current torch and Python need of fairseq, done once when the plugin is loaded."""

import argparse
import os
import shutil
from pathlib import Path

import torch
from fairseq.file_io import PathManager

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
        from numpy.core import multiarray

    allowed = [
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


def copy_checkpoints_atomically() -> None:
    """Make fairseq's copies of checkpoints (last, best) whole or not there at all.

    fairseq writes ``checkpointN.pt`` by a rename but then copies it over
    ``checkpoint_last.pt`` in place; a full disk would leave half a file there.
    """

    stock = PathManager.copy
    if getattr(stock, "is_atomic", False):
        return

    def copy(src_path: str, dst_path: str, overwrite: bool = False, **more) -> bool:
        if "://" in f"{src_path}{dst_path}":  # remote: as the handler of the scheme does
            return stock(src_path, dst_path, overwrite=overwrite, **more)
        if not overwrite and os.path.exists(dst_path):
            return False
        with atomic_path(Path(dst_path)) as temporary:
            shutil.copyfile(src_path, temporary)
        return True

    copy.is_atomic = True  # type: ignore[attr-defined]
    PathManager.copy = staticmethod(copy)


def prepare_fairseq() -> None:
    """All of the above; safe to call again."""
    allow_checkpoint_types()
    copy_checkpoints_atomically()
