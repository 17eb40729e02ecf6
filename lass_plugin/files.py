"""Atomic writing: a file is the old one or the new one; and whether there is room."""

import contextlib
import errno
import json
import math
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, Callable, Iterator

from lass_plugin.errors import LassError
from lass_plugin.streams import UNCHANGED

_SURROGATE = re.compile("[\ud800-\udfff]")
"""Of a file's name that is no UTF-8: read again from an escape, it is the same name."""


@contextlib.contextmanager
def atomic_path(target: str | os.PathLike, only_writer: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside *target*; on success sync it and rename it there.

    Any error removes the temporary file and leaves the old target as it was. A symbolic
    link stays: what it points to is written, beside which the temporary file lies. A
    failure of the file system (no space, no permission) is a :class:`LassError`.

    Args:
        only_writer: nobody else writes *target* at the same time, so the temporary file
            has a fixed name: a process that is killed again and again while it writes
            large files leaves one such file and not many.
    """
    named = target = Path(target)
    temporary: Path | None = None
    try:
        if not named.is_symlink():
            named.parent.mkdir(parents=True, exist_ok=True)
        target = _place(named)
        if only_writer:
            temporary = target.with_name(f"{target.name}.tmp")
        else:
            descriptor, name = tempfile.mkstemp(
                dir=target.parent, prefix=f".{target.name}.", suffix=".tmp"
            )
            os.close(descriptor)
            temporary = Path(name)
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
        _sync_directory(target.parent)
    except OSError as error:
        _discard(temporary)
        raise _cannot_write(named, error) from error
    except BaseException:
        _discard(temporary)
        raise


def _cannot_write(target: Path, error: OSError) -> LassError:
    return LassError(
        f"cannot write {target}: {error.strerror or error}; free some space or choose "
        "another place (what was there before is unchanged)"
    )


def move(source: str | os.PathLike, target: str | os.PathLike) -> None:
    """Put the file *source* in the place of *target*, as :func:`atomic_path` does.

    Raises:
        LassError: the file system fails; both are as they were.
    """
    target = Path(target)
    try:
        with open(source, "rb") as written:
            os.fsync(written.fileno())
        os.replace(source, _place(target))
        _sync_directory(target.parent)
        return
    except OSError as error:
        if error.errno != errno.EXDEV:  # a link to another disk
            raise _cannot_write(target, error) from error
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
    os.unlink(source)


def read_text(path: str | os.PathLike, what: str) -> str:
    """The text of a user's file in UTF-8, without a byte order mark.

    Args:
        what: it should be, for the message: "a list of languages".

    Raises:
        LassError: it cannot be read, or is no text.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise LassError(f"{path} cannot be read as {what}: {reason}") from error


def write_text(target: str | os.PathLike, text: str) -> None:
    """Write *text* (UTF-8) to *target* atomically.

    The name of a file in it may be none of UTF-8; it is written as it is.
    """
    write_bytes(target, text.encode("utf-8", UNCHANGED))


def write_bytes(target: str | os.PathLike, content: bytes) -> None:
    """Write *content* to *target* atomically."""
    with atomic_path(target) as path:
        path.write_bytes(content)


def write_json(target: str | os.PathLike, value: Any, rows: bool = False) -> None:
    """Write *value* as indented JSON with a stable order of keys.

    Args:
        rows: each list of plain values, such as a row of a matrix, on one line.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if rows:
        row = re.compile(r"\[\s+([^\[\]{}]*?)\s+\]")
        text = row.sub(lambda found: f"[{' '.join(found[1].split())}]", text)
    text = _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    write_text(target, text + "\n")


def parse_json(text: str, finite: bool = True) -> Any:
    """The value of JSON *text*, and of nothing that is not JSON.

    Args:
        finite: refuse NaN and Infinity, which Python writes and JSON does not have, and
            numbers that are too large for a float.

    Raises:
        ValueError: it is no JSON, or an object has a key twice.
        RecursionError: it is nested too deeply.
    """
    return json.loads(
        text,
        parse_constant=_no_number if finite else None,
        parse_float=_finite if finite else None,
        object_pairs_hook=_object,
    )


def _no_number(name: str) -> Any:
    raise ValueError(f"it has {name}, which is no finite number")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        _no_number(text)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"it has {twice!r} twice")
    return found


def read_json(path: str | os.PathLike, finite: bool = True) -> Any:
    """The value in a JSON file in UTF-8; see :func:`parse_json`.

    Raises:
        OSError, ValueError, RecursionError: it cannot be read, or is no JSON.
    """
    return parse_json(Path(path).read_text(encoding="utf-8-sig"), finite)


def json_once(target: str | os.PathLike, make: Callable[[], Any]) -> Any:
    """The JSON in *target*; if nothing whole is there, what *make* returns, written."""
    path = Path(target)
    with contextlib.suppress(OSError, ValueError, RecursionError):
        return read_json(path)
    value = make()
    write_json(path, value)
    return value


def _place(target: Path) -> Path:
    """What *target* means in the end, if a file is there or can be.

    A device or a pipe must not become a file: the whole machine may use it.
    """
    place = _pointed_to(target) if target.is_symlink() else target
    if place.exists() and not place.is_file():
        if place.is_dir():
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file")
    return place


def _pointed_to(link: Path) -> Path:
    """The file that *link* means in the end; it need not be there, its folder must."""
    target = Path(os.path.realpath(link))
    if target.is_symlink():  # links that point to each other
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(link))
    if not target.parent.is_dir():  # of a disk that is not there, perhaps
        raise OSError(
            errno.ENOENT, f"it is a link to {target}, whose folder is missing"
        )
    return target


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_directory(directory: Path) -> None:
    with contextlib.suppress(OSError):  # some file systems cannot sync a directory
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _discard(temporary: Path | None) -> None:
    if temporary is not None:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def stamp(path: Path) -> list[Any]:
    """What changes when a file is written again, or another is taken.

    Raises:
        LassError: it is not there.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise LassError(f"{path} is not there; run the same command again") from error
    return [str(path.resolve()), state.st_size, state.st_mtime_ns]


def check_space(needed: float, folder: Path, what: str, advice: str) -> None:
    """Refuse to begin what would fill the disk.

    Args:
        needed: bytes.
        folder: where they are to be written; it need not be there yet.
        what: "the searches need", the beginning of the sentence that refuses them.
        advice: what to do other than to free some space.

    Raises:
        LassError: there is less room.
    """
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed > free:
        raise LassError(
            f"{what} about {_gigabytes(needed)} of disk in {folder}, but only "
            f"{_gigabytes(free)} are free; free some space, {advice}"
        )


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"


def ends_in(suffix: str) -> Callable[[Path, str], None]:
    """A check of an option: the name of a file that ends in *suffix*."""

    def check(path: Path, flag: str) -> None:
        if path.suffix != suffix:
            raise LassError(f"{flag} {path} must be a file that ends in {suffix}")

    return check
