"""Files of tensors: safetensors with a JSON header, the same bytes for the same ones.

The header has sorted keys and is the only entry of the metadata, because safetensors
does not fix the order of several. The entry's name tells what kind of file it is. The
header says a digest of all that the file holds, which is compared when it is read.
"""

import contextlib
import hashlib
import json
import os
from typing import Any, Iterator, Mapping

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lass_plugin.errors import DAMAGED
from lass_plugin.files import parse_json, write_bytes

DIGEST = "digest"
"""Its name in the header; whoever reads the file gets the header without it."""
DIGESTED = 2
"""Version of a header that must have it; the one before had none."""


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
    digested = {**header, DIGEST: _digest(header, tensors)}
    write_plain(path, tensors, {entry: _canonical(digested)})


def _canonical(header: Mapping[str, Any]) -> str:
    return json.dumps(header, sort_keys=True, separators=(",", ":"))


def _digest(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the header and of name, type, shape and bytes of each tensor."""
    result = hashlib.sha256(_canonical(header).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        about = f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0"
        result.update(about.encode())
        result.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return result.hexdigest()


def _check_digest(header: Any, tensors: Mapping[str, Tensor]) -> Any:
    """*header* without its digest, which is compared; older files have none."""
    if not isinstance(header, dict):
        return header
    version, stated = header.get("version", 0), header.pop(DIGEST, None)
    if isinstance(version, int) and version > DIGESTED:
        return header  # of a later release, which the reader says
    if stated is None and version == DIGESTED:
        raise ValueError("it has no digest of its contents")
    if stated is not None and stated != _digest(header, tensors):
        raise ValueError("its contents are not those that were written")
    return header


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
        header = parse_json(metadata[entry])
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}
        return _check_digest(header, tensors), tensors


def read_plain(path: str | os.PathLike) -> dict[str, Tensor]:
    """The tensors of a safetensors file that anyone wrote.

    Raises:
        Unreadable: it is missing, damaged or of another format.
    """
    with _open(path) as stored:
        return {name: stored.get_tensor(name) for name in stored.keys()}


def read_metadata(path: str | os.PathLike) -> dict[str, str]:
    """What a safetensors file that anyone wrote says beside its tensors.

    Raises:
        Unreadable: it is missing, damaged or of another format.
    """
    with _open(path) as stored:
        return dict(stored.metadata() or {})


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
