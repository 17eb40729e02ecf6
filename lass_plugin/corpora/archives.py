"""Published files: found in a folder, unpacked or inside archives, and taken out.

Names are those that the organisers gave; where below the folder a file or an archive
lies does not matter. An archive may lie inside another one, as WIT3's do.
"""

import gzip
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lass_plugin.data.parallel_text import sha256
from lass_plugin.errors import LassError
from lass_plugin.files import atomic_path, check_space, json_once

COMPRESSIONS = (".gz", ".xz")
"""Of single files; the reader of text knows them by the ends of their names."""

COMPRESSED = 4.0
"""Size of text over that of its gzip file, about."""


@dataclass(frozen=True)
class Needed:
    """A file that a corpus is made of."""

    name: str
    """Its own name, or that of its folder too where others have the same:
    ``en-ta/train.en``."""
    archives: tuple[str, ...] = ()
    """Archives that hold it, named like files; the first that is there is read."""
    optional: bool = False
    """Whether some archives do not have it."""


@dataclass(frozen=True)
class Sources:
    """Where the needed files of a corpus are."""

    files: Mapping[str, Path]
    """Name -> file that lies there unpacked."""
    archives: Mapping[Path, frozenset[str]]
    """Archive -> names to take out of it."""

    @property
    def paths(self) -> list[Path]:
        """Everything that is read, in a fixed order."""
        return sorted({*self.files.values(), *self.archives})


def _names(path: str) -> tuple[str, str]:
    """What a file may be called by: its name, and that with its folder's."""
    parts = path.split("/")
    return parts[-1], "/".join(parts[-2:])


def _suffixed(name: str) -> tuple[str, ...]:
    """The name of a file, as it is and compressed."""
    return (name, *(f"{name}{suffix}" for suffix in COMPRESSIONS))


@dataclass(frozen=True)
class Unpacking:
    """An archive, what is to be taken out of it, and where that is put."""

    archive: Path
    wanted: frozenset[str]
    nested: frozenset[str]
    """Names of archives that are opened where they are met inside."""
    folder: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "nested", self.nested - {self.archive.name})


def find(folders: Sequence[Path], needed: Iterable[Needed], origin: str) -> Sources:
    """Where the files lie.

    A file that is unpacked is taken before one inside an archive. Both may also be
    there compressed, with ``.gz`` or ``.xz`` behind their names.

    Args:
        folders: are searched at any depth.
        origin: who publishes the archives, for the message: "WIT3, release 2014-01".

    Raises:
        LassError: a file is not there, nor an archive that holds it; or two files of
            one name differ.
    """
    there = _there(folders)
    files: dict[str, Path] = {}
    archives: dict[Path, set[str]] = {}
    missing: list[Needed] = []
    for one in needed:
        names = [name for name in _suffixed(one.name) if name in there]
        held = [name for name in one.archives if name in there]
        if names:
            files[one.name] = _only([p for name in names for p in there[name]])
        elif held:
            archives.setdefault(_only(there[held[0]]), set()).add(one.name)
        elif not one.optional:
            missing.append(one)
    if missing:
        raise LassError(_lacking(folders[0], missing, origin))
    return Sources(files, {path: frozenset(names) for path, names in archives.items()})


def _there(folders: Sequence[Path]) -> dict[str, list[Path]]:
    """Name -> files of that name in *folders*, at any depth.

    Raises:
        LassError: a folder does not exist.
    """
    there: dict[str, list[Path]] = {}
    for folder in folders:
        if not folder.is_dir():
            raise LassError(f"the folder of archives {folder} does not exist")
        for path in sorted(folder.rglob("*")):
            hidden = any(p.startswith(".") for p in path.relative_to(folder).parts)
            if not hidden and path.is_file():
                for name in _names(path.as_posix()):
                    there.setdefault(name, []).append(path)
    return there


def lacking(folders: Sequence[Path], needed: Iterable[Needed]) -> list[Needed]:
    """Needed files that lie in none of *folders*, nor do archives that hold them."""
    there = _there(folders)
    return [
        one
        for one in needed
        if not any(name in there for name in (*_suffixed(one.name), *one.archives))
    ]


def _only(paths: list[Path]) -> Path:
    """The one of *paths*, or the first of several that hold the same."""
    if len({path.stat().st_size for path in paths}) > 1 or (
        len(paths) > 1 and len({sha256(path) for path in paths}) > 1
    ):
        raise LassError(
            f"{paths[0]} and {paths[1]} have one name and differ; leave only the one "
            "that belongs to this corpus"
        )
    return paths[0]


def _lacking(folder: Path, missing: list[Needed], origin: str) -> str:
    first = missing[0]
    text = f"{folder} lacks {first.name}"
    if first.archives:
        text += f", which is in {' or in '.join(first.archives)}"
    if len(missing) > 1:
        rest = ", ".join(one.name for one in missing[1:4])
        text += f" (and {len(missing) - 1} other files: {rest}"
        text += ", …)" if len(missing) > 4 else ")"
    return f"{text}; get it from {origin}, or leave its pair out of --pairs"


def unpack(job: Unpacking) -> dict[str, str]:
    """Take files out of an archive; return name -> path of those that it has.

    What was unpacked before is not unpacked again, from wherever that was done.

    Raises:
        LassError: the archive is damaged, holds two different files of one name, or
            the disk is too small.
    """

    def take() -> dict[str, str]:
        found: dict[str, Path] = {}
        try:
            _take(job.archive, job, found)
        except (
            tarfile.TarError,
            zipfile.BadZipFile,
            EOFError,
            zlib.error,
            lzma.LZMAError,
            gzip.BadGzipFile,
            RuntimeError,  # a zip file with a password
        ) as error:
            raise LassError(
                f"{job.archive} is damaged, or no archive ({error}); copy it again"
            ) from error
        return {name: path.name for name, path in sorted(found.items())}

    found: dict[str, str] = json_once(job.folder / "members.json", take)
    # earlier releases noted whole paths
    return {name: str(job.folder / Path(path).name) for name, path in found.items()}


def _take(archive: Path, job: Unpacking, found: dict[str, Path]) -> None:
    for member, size, content in _members(archive):
        names = _names(member)
        if any(name in job.nested for name in names):
            inner = job.folder / "archives" / names[0]
            _copy(content, inner, size)
            _take(inner, job, found)
            inner.unlink()
            continue
        wanted = [one for one in job.wanted if {*_suffixed(one)} & {*names}]
        for one in wanted[:1]:
            suffix = "" if one in names else _compression(member)
            path = job.folder / f"{one.replace('/', '_')}{suffix}"
            if one in found:
                other = job.folder / "other" / path.name
                _copy(content, other, size)
                _only([found[one], other])
                other.unlink()
            else:
                _copy(content, path, size)
                found[one] = path


def _compression(name: str) -> str:
    return next((suffix for suffix in COMPRESSIONS if name.endswith(suffix)), "")


def _members(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    """(name with folders, bytes, content) of each file in *archive*."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for entry in zipped.infolist():
                if _is_seen(entry.filename):
                    with zipped.open(entry) as content:
                        yield entry.filename, entry.file_size, content
        return
    with tarfile.open(archive, "r:*") as packed:
        for member in packed:
            if (member.isfile() or member.islnk()) and _is_seen(member.name):
                taken = packed.extractfile(member)
                assert taken is not None, "a regular file has content"
                with taken as content:
                    yield member.name, member.size, content


def _is_seen(name: str) -> bool:
    """Whether *name* is that of a file, and of none that a system keeps for itself."""
    own = _names(name)[0]
    return bool(own) and not own.startswith(".")


def _copy(content: IO[bytes], target: Path, size: int) -> None:
    check_space(
        size, target.parent, f"unpacking {target.name} needs", "or give another OUT"
    )
    with atomic_path(target, only_writer=True) as path, open(path, "wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)


def text_size(path: Path) -> int:
    """Bytes of the text in a file, which may be compressed; about."""
    size = path.stat().st_size
    return round(size * COMPRESSED) if path.suffix in COMPRESSIONS else size
