"""Files of tensors: safetensors with a JSON header, the same bytes for the same ones.

The header has sorted keys and is the only entry of the metadata, because safetensors
does not fix the order of several. The entry's name tells what kind of file it is.
"""

import contextlib
import json
import os
from typing import Any, Iterator, Mapping

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lass_plugin.errors import DAMAGED
from lass_plugin.files import write_bytes


class OtherKind(Exception):
    """It is a safetensors file, but without the entry that was asked for."""


class Unreadable(Exception):
    """It is truncated, damaged or of another format; *cause* is what went wrong."""

    def __init__(self, cause: Exception):
        super().__init__(str(cause))
        self.cause = cause


def write_tensors(
    path: str | os.PathLike,
    entry: str,
    header: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
) -> None:
    """Write *header*, which is JSON-able, and *tensors* to *path* atomically.

    Args:
        entry: name of the header in the metadata, one for each kind of file.

    Raises:
        LassError: the file cannot be written.
    """
    text = json.dumps(header, sort_keys=True, separators=(",", ":"))
    write_plain(path, tensors, {entry: text})


@contextlib.contextmanager
def _open(path: str | os.PathLike) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as stored:
            yield stored
    except (SafetensorError, OSError, *DAMAGED) as error:
        raise Unreadable(error) from error


def read_tensors(path: str | os.PathLike, entry: str) -> tuple[Any, dict[str, Tensor]]:
    """What :func:`write_tensors` wrote: the header, any JSON value, and the tensors.

    Raises:
        OtherKind: the file is of another kind.
        Unreadable: it is no such file, or a damaged one.
    """
    with _open(path) as stored:
        metadata = stored.metadata() or {}
        if entry not in metadata:
            raise OtherKind(f"there is no {entry} in {path}")
        header = json.loads(metadata[entry])
        return header, {name: stored.get_tensor(name) for name in stored.keys()}


def read_plain(path: str | os.PathLike) -> dict[str, Tensor]:
    """The tensors of a safetensors file that anyone wrote.

    Raises:
        Unreadable: it is missing, damaged or of another format.
    """
    with _open(path) as stored:
        return {name: stored.get_tensor(name) for name in stored.keys()}


def write_plain(
    path: str | os.PathLike,
    tensors: Mapping[str, Tensor],
    metadata: dict[str, str] | None = None,
) -> None:
    """Write *tensors* to *path* atomically, by default as other libraries for torch.

    Raises:
        LassError: the file cannot be written.
    """
    stored = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, save(stored, metadata=metadata or {"format": "pt"}))
