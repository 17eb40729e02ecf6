"""Files of ``torch.save``: read without executing anything of them, written whole."""

import argparse
import os
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from lass_plugin.errors import LassError
from lass_plugin.files import atomic_path


def allow_checkpoint_types() -> None:
    """Let torch's safe loading read what fairseq itself puts into checkpoints.

    torch >= 2.6 refuses every class that it was not told of. Exactly these are
    allowed: the namespace of old-style model options, and numpy scalars and arrays
    (best scores, counters).
    """
    import numpy as np

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
    ]
    torch.serialization.add_safe_globals(allowed)


def load_tensors(path: str | os.PathLike, expected: str) -> Any:
    """What ``torch.save`` wrote to *path*, read without executing anything of it.

    Args:
        expected: what the file should have been, for the message ("a checkpoint").

    Raises:
        LassError: missing, truncated, damaged, or made of classes that are not allowed.
    """
    allow_checkpoint_types()
    path = Path(path)
    if not path.is_file():
        raise LassError(f"there is no file {path}; check the path of {expected}")
    try:
        whole = zipfile.is_zipfile(path)  # false for files of torch < 1.6 too
        if not whole and _begins_as_archive(path):
            raise LassError(
                f"{path} is truncated: its end is missing; copy it again or take an "
                "earlier one"
            )
        with warnings.catch_warnings():  # of a pickle protocol that is refused anyway
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=whole)
    except LassError:
        raise
    except Exception as error:  # bytes of others: unpickling them can raise anything
        refused = re.search(r"GLOBAL ([\w.]+)|unrecognized function (.+)", str(error))
        if refused:
            raise LassError(
                f"{path} holds a Python object ({refused[1] or refused[2]}) that could "
                f"run a program when it is loaded, so it is not read; give {expected} "
                "of plain tensors"
            ) from error
        raise LassError(
            f"{path} cannot be read as {expected} ({_reason(error)}); it is truncated, "
            "damaged or of another format"
        ) from error


UNCHECKED = "LASS_SKIP_CHECKSUMS"
"""Set this variable of the environment, to 1 say, and no checksums are compared."""


def check_records(path: str | os.PathLike) -> None:
    """Compare the CRC-32 that torch's format holds of each record with the record.

    Files of torch < 1.6 have none, and neither have those that were written under
    ``torch.serialization.set_crc32_options(False)``, which say 0.

    Raises:
        LassError: names the record that has changed.
    """
    if os.environ.get(UNCHECKED) or not zipfile.is_zipfile(path):
        return
    name = "table"
    try:
        with zipfile.ZipFile(path) as archive:
            for record in filter(lambda each: each.CRC, archive.infolist()):
                name = record.filename
                with archive.open(record) as stored:
                    while stored.read(1 << 24):
                        pass
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as error:
        raise LassError(
            f"{path} is damaged: its record {name!r} is not what was written; copy it "
            f"again or take an earlier one ({UNCHECKED}=1 reads it all the same)"
        ) from error


def save_tensors(target: str | os.PathLike, value: Any) -> None:
    """Write *value* to *target* with ``torch.save``, whole or not at all.

    Raises:
        LassError: the file system fails; what was there before is unchanged.
    """
    with atomic_path(target, only_writer=True) as temporary:
        try:
            with open(temporary, "wb") as file:
                torch.save(value, file)
        except RuntimeError as error:
            # torch's writer says where in its code it was, not what the system said
            if isinstance(error.__context__, OSError):
                raise error.__context__ from error
            raise


def _begins_as_archive(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(4) == b"PK\3\4"


def _reason(error: Exception) -> str:
    """The first sentence of an error of torch."""
    first = re.split(r"(?<=[.:]) |\n", str(error).strip(), maxsplit=1)[0].rstrip(".: ")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
