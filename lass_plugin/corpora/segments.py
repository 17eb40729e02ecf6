"""Segments of published files: plain lines, tables, lines between tags, XML and SGML.

Every reader gives a side of a text, or both sides of a table; :func:`read_part` puts
the two sides together and refuses those of unequal length. XML and SGML are read by
their ``seg`` elements alone, so that no entity of a file is ever looked up.
"""

import gzip
import html
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from lass_plugin.data.cleaning import LinePair
from lass_plugin.data.parallel_text import read_lines
from lass_plugin.errors import LassError

LINES, TAGS, TITLES, SEGMENTS, TABLE = "lines", "tags", "titles", "segments", "table"

_TAG = re.compile(r"\s*</?[A-Za-z]\w*(?:\s[^<>]*)?>")
_TITLE = re.compile(r"\s*<(title|description)>(.*?)(?:</\1>)?\s*$")
_SEGMENT = re.compile(r"<seg\b[^>]*>(.*?)</seg>", re.DOTALL | re.IGNORECASE)
_ASIDE = re.compile(r"<[^<>]+>")


@dataclass(frozen=True)
class Part:
    """A piece of parallel text: two files, or a table with a column for each side."""

    source: str
    """Name of the file of the first side, or of the table."""
    target: str
    """Name of the file of the second side, or of the table."""
    reader: str = LINES
    archives: tuple[str, ...] = ()
    """Archives that hold both files, see :class:`.archives.Needed`."""
    target_archives: tuple[str, ...] | None = None
    """Archives that hold the second file; None: the same."""
    optional: bool = False
    encoding: str = "utf-8"
    columns: tuple[int, int] = (0, 1)
    """Of the two sides in a table."""
    separator: str = "\t"
    """Between the columns."""

    @property
    def name(self) -> str:
        """What the part is called in a record."""
        if self.source == self.target:
            return self.source
        return f"{self.source}, {self.target}"


def read_part(part: Part, source: Path, target: Path) -> Iterator[LinePair]:
    """Yield the pairs of segments of *part*, whose files are *source* and *target*.

    Raises:
        LassError: a file cannot be read, is not in its encoding or has no segment, or
            the sides have unequal numbers of segments.
    """
    if part.reader == TABLE:
        yield from _rows(part, source)
        return
    read = READERS[part.reader]
    counts = [0, 0]
    sides = (read(path, part.encoding) for path in (source, target))
    for one, other in zip_longest(*sides):
        counts[0] += one is not None
        counts[1] += other is not None
        if one is not None and other is not None:
            yield one, other
    for path, count in zip((source, target), counts, strict=True):
        if not count:
            raise LassError(f"{path} has no segment; it is not the file of this name")
    if counts[0] != counts[1]:
        raise LassError(
            f"{source} has {counts[0]} segments but {target} has {counts[1]}; segment "
            "n of the one must translate segment n of the other (get both again)"
        )


def _rows(part: Part, path: Path) -> Iterator[LinePair]:
    number = 0
    for number, line in enumerate(_lines(path, part.encoding), start=1):
        cells = line.split(part.separator)
        if len(cells) <= max(part.columns):
            raise LassError(
                f"{path}:{number} has {len(cells)} columns, and the text is in columns "
                f"{part.columns[0] + 1} and {part.columns[1] + 1}; get the file again"
            )
        yield cells[part.columns[0]], cells[part.columns[1]]
    if not number:
        raise LassError(f"{path} has no segment; it is not the file of this name")


def _lines(path: Path, encoding: str) -> Iterator[str]:
    """Yield the lines of a text in *encoding*, which may be compressed.

    Raises:
        LassError: it is in another encoding, or damaged.
    """
    if encoding != "utf-8":
        refuse_other_encoding(path, encoding)
    elif path.suffix != ".xz":
        yield from _without_nul(path, read_lines(path))
        return
    lines = (
        _decoded(path, number, content, encoding)
        for number, content in enumerate(_opened(path), start=1)
    )
    for line in _without_nul(path, lines):
        yield line if line.isprintable() else " ".join(line.splitlines())


def _without_nul(path: Path, lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if "\0" in line:
            raise LassError(
                f"{path}:{number} is not UTF-8 but UTF-16, or no text; get the file "
                "again, or convert it to UTF-8"
            )
        yield line


def _decoded(path: Path, number: int, content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding).removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise LassError(
            f"{path}:{number} is not {encoding} (byte {error.start + 1} of the line is "
            f"0x{content[error.start]:02x}); state the encoding that it has"
        ) from error


def refuse_other_encoding(path: Path, encoding: str) -> None:
    """Refuse a file that is UTF-8 where it should be of one byte a character.

    Any bytes can be read as Latin-1, so only this tells the one from the other: text
    with bytes beyond ASCII that is UTF-8 from its beginning to its end.
    """
    beyond = False
    for content in _opened(path):
        if not content.isascii():
            beyond = True
            try:
                content.decode("utf-8")
            except UnicodeDecodeError:
                return
    if beyond:
        raise LassError(
            f"{path} is UTF-8 and not {encoding}; state the encoding that it has"
        )


def _opened(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, compressed or not, as bytes."""
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rb") as zipped:
                yield from zipped
        elif path.suffix == ".xz":
            with lzma.open(path, "rb") as packed:
                yield from packed
        else:
            with open(path, "rb") as file:
                yield from file
    except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
        raise LassError(f"{path} is damaged ({error}); copy it again") from error
    except OSError as error:
        raise LassError(f"cannot read {path}: {error.strerror or error}") from error


def _between_tags(path: Path, encoding: str) -> Iterator[str]:
    """Yield the lines that do not begin with a tag."""
    for line in _lines(path, encoding):
        if not _TAG.match(line):
            yield line


def _with_titles(path: Path, encoding: str) -> Iterator[str]:
    """Yield the lines that do not begin with a tag, and what titles of talks say.

    Descriptions are titles too.
    """
    for line in _lines(path, encoding):
        if title := _TITLE.match(line):
            yield title[2]
        elif not _TAG.match(line):
            yield line


def _segments(path: Path, encoding: str) -> Iterator[str]:
    """Yield what ``seg`` elements hold, without further elements inside them."""
    content = "\n".join(_lines(path, encoding))
    for segment in _SEGMENT.findall(content):
        yield " ".join(html.unescape(_ASIDE.sub(" ", segment)).split())


READERS: dict[str, Callable[[Path, str], Iterator[str]]] = {
    LINES: _lines,
    TAGS: _between_tags,
    TITLES: _with_titles,
    SEGMENTS: _segments,
}
"""Name -> reader of one side."""
