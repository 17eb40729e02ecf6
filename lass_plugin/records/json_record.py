"""JSON records: written with their format and version, read with one kind of error."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lass_plugin.errors import DAMAGED, LassError
from lass_plugin.files import read_json as read_json_file
from lass_plugin.files import write_json

DIGEST = "digest"


class RecordError(LassError):
    """A record that is missing, damaged, of something else, or of a later release."""


@dataclass(frozen=True)
class RecordFormat:
    """One kind of JSON record; the module that writes it has it as a constant.

    Attributes:
        name: what stands under ``format``, ``lass_plugin sweep``.
        described: what a message calls such a file, ``a sweep.json of 'lass sweep'``.
        version: what is written, and the latest that is read.
        advice: how to come by a proper file, as the end of a sentence.
        sealed: the first version with a digest of the contents, which is compared on
            reading; None for a record that people may write or change by hand.
        measured: numbers in it were measured, so that of a model that diverged they may
            be NaN or infinite; elsewhere these are damage.
        unmarked: files without format and version are read too: those of earlier
            releases, or written by hand.
    """

    name: str
    described: str
    version: int = 1
    advice: str = ""
    unmarked: bool = False
    sealed: int | None = None
    measured: bool = False

    def mark(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """*content* behind its format, its version and, if it is sealed, its digest."""
        digest = {DIGEST: digest_of(content)} if self.sealed else {}
        return {"format": self.name, "version": self.version, **digest, **content}

    def write(
        self, path: str | os.PathLike, content: Mapping[str, Any], rows: bool = False
    ) -> Path:
        """Write *content*, marked, to *path* atomically.

        Args:
            rows: each list of plain values, such as a row of a matrix, on one line.
        """
        write_json(path, self.mark(content), rows)
        return Path(path)

    @contextlib.contextmanager
    def reading(self, path: str | os.PathLike) -> Iterator[dict[str, Any]]:
        """Yield the record in *path* to a block that takes out of it what is needed.

        Raises:
            RecordError: the file cannot be read, or the block found something missing
                or of another type (KeyError, ValueError, TypeError and the like).
        """
        with self.naming(path):
            record = read_json_file(path, finite=not self.measured)
            self._check(record, path)
            yield record

    def read(self, path: str | os.PathLike) -> dict[str, Any]:
        """The record in *path*, of which nothing but format and version is checked.

        Raises:
            RecordError: see :meth:`reading`.
        """
        with self.reading(path) as record:
            return record

    def read_or_none(self, path: str | os.PathLike) -> dict[str, Any] | None:
        """The record in *path*; None where there is nothing whole that is readable."""
        try:
            return self.read(path)
        except RecordError:
            return None

    @contextlib.contextmanager
    def naming(self, path: str | os.PathLike) -> Iterator[None]:
        """Turn what goes wrong with a part of *path* into an error that names it."""
        advice = f"; {self.advice}" if self.advice else ""
        try:
            yield
        except OSError as error:
            raise RecordError(
                f"{path} is not {self.described} ({error.strerror or error}){advice}"
            ) from error
        except RecordError:
            raise
        except LassError as error:  # of a part that is checked wherever it comes from
            if str(path) in error.message:
                raise
            raise RecordError(f"{path}: {error.message}") from error
        except DAMAGED as error:
            reason = str(error) or type(error).__name__
            if isinstance(error, KeyError):
                reason = f"it has no {reason}"
            raise RecordError(
                f"{path} is not {self.described} ({reason}){advice}"
            ) from error

    def _check(self, record: Any, path: str | os.PathLike) -> None:
        """Refuse what is no record of this format and of a version known here."""
        if not isinstance(record, dict):
            raise ValueError("it is not a JSON object")
        first = {"format": self.name, "version": 1}
        marks = first | record if self.unmarked else record
        if marks["format"] != self.name:
            raise ValueError(f"its format is {marks['format']!r}")
        version = marks["version"]
        if type(version) is not int or version < 1:
            raise ValueError(f"its version is {version!r}")
        if version > self.version:
            raise RecordError(
                f"{path} is {self.described}, but of version {version}, and this "
                f"release reads {self.version} at most; use a newer lass_plugin"
            )
        if self.sealed and version >= self.sealed:
            stated = record.pop(DIGEST)
            content = {k: v for k, v in record.items() if k not in first}
            if stated != digest_of(content):
                raise ValueError("its contents are not those that were written")


def digest_of(content: Mapping[str, Any]) -> str:
    """SHA-256 of JSON-able *content*, whatever its layout in the file."""
    plain = json.loads(json.dumps(content))  # keys are texts, tuples are lists
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_json(path: str | os.PathLike, described: str, advice: str = "") -> Any:
    """Any JSON value in *path*, such as a file that is not of this package.

    Args:
        described: what the file should be, ``a config.json of Hugging Face``.
        advice: how to come by a proper file, as the end of a sentence.

    Raises:
        RecordError: missing, or not JSON.
    """
    with RecordFormat("", described, advice=advice).naming(path):
        return read_json_file(path)
