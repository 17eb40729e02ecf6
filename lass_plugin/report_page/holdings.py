"""What the folder of a run holds: records, reports, pages of tables, pictures."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from lass_plugin.errors import LassError

_FORMAT = re.compile(rb'\A\s*\{\s*"format":\s*"lass_plugin ([^"\\]{1,40})"')
"""How every record of this package begins."""

_BEGINNING = 200
"""Bytes that are read to know a record by."""

PICTURES = (".svg", ".png")
PREPARATION = "preparation.json"
REPORT = "scores"
"""The format of what ``lass evaluate`` writes, without ``lass_plugin``."""


@dataclass(frozen=True)
class Holdings:
    """Files of a run's folder, by what they are; in the order of their names."""

    folder: Path
    records: dict[Path, str] = field(default_factory=dict)
    """Record -> its format: ``similarity``, ``tree``, ``table cost``, …"""
    pictures: list[Path] = field(default_factory=list)
    """Of a picture in two forms the first one in :data:`PICTURES`."""
    data: list[Path] = field(default_factory=list)
    """The records of data folders, which do not begin with a format."""

    def of_format(self, *formats: str) -> list[Path]:
        """The records of these formats."""
        return [path for path, name in self.records.items() if name in formats]

    @property
    def reports(self) -> list[Path]:
        """The folders of ``lass evaluate``."""
        return [path.parent for path in self.of_format(REPORT)]

    @property
    def pages(self) -> dict[Path, str]:
        """Page of tables -> the format of the record beside it, which it shows; without
        those of reports, whose tables are made anew."""
        return {
            record.with_suffix(".md"): kind
            for record, kind in self.records.items()
            if kind != REPORT and record.with_suffix(".md").is_file()
        }

    def name(self, path: Path) -> str:
        """A file as the page calls it: by its place in the folder."""
        if path == self.folder:
            return path.resolve().name
        return path.relative_to(self.folder).as_posix()

    def record_of(self, picture: Path) -> Path | None:
        """The record that a picture is drawn of: of those beside it the one whose name
        begins like its own."""
        beside = [each for each in self.records if each.parent == picture.parent]
        drawn = [each for each in beside if not each.name.endswith("stage.json")]
        return max(
            drawn, key=lambda each: _alike(each.stem, picture.stem), default=None
        )


def capitalised(kind: str) -> str:
    """A format as a heading."""
    return kind[:1].upper() + kind[1:]


def _alike(one: str, other: str) -> int:
    return len(os.path.commonprefix([one, other]))


def look_through(folder: Path) -> Holdings:
    """What *folder* and the folders in it hold; hidden ones are left out.

    Raises:
        LassError: it is not there.
    """
    if not folder.is_dir():
        raise LassError(f"{folder} is no folder; give that of a run")
    found = Holdings(folder)
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if name == PREPARATION:
                found.data.append(path)
            elif path.suffix == ".json" and (kind := _format_of(path)):
                found.records[path] = kind
            elif path.suffix in PICTURES and not _drawn_better(path):
                found.pictures.append(path)
    return found


def _format_of(path: Path) -> str | None:
    try:
        with open(path, "rb") as file:
            begins = _FORMAT.match(file.read(_BEGINNING))
    except OSError as error:
        raise LassError(f"{path} cannot be read: {error.strerror or error}") from error
    return begins[1].decode("utf-8", "replace") if begins else None


def _drawn_better(picture: Path) -> bool:
    """Whether it lies beside its like in a form that comes first."""
    before = PICTURES[: PICTURES.index(picture.suffix)]
    return any(picture.with_suffix(suffix).is_file() for suffix in before)
