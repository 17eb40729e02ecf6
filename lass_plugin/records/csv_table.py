"""CSV: a line for each record, made of the same values as the JSON beside it."""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lass_plugin.files import write_text


def to_csv(
    records: Iterable[Mapping[str, Any]],
    columns: Sequence[str] | None = None,
    floats: str = "",
) -> str:
    """A header, and a line for each of *records*; nothing for None or a missing key.

    Args:
        columns: None for all keys in the order in which they appear.
        floats: how fractions are written, ``.6f``; as many digits as it takes to read
            the same number again where it is empty.
    """
    lines = [dict(record) for record in records]
    if columns is None:
        columns = list(dict.fromkeys(key for line in lines for key in line))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for line in lines:
        for key, value in line.items():
            if floats and isinstance(value, float):
                line[key] = format(value, floats)
        writer.writerow(line)
    return text.getvalue()


def write_csv(
    path: str | os.PathLike,
    records: Iterable[Mapping[str, Any]],
    columns: Sequence[str] | None = None,
    floats: str = "",
) -> Path:
    """Write :func:`to_csv` of *records* to *path* atomically."""
    write_text(path, to_csv(records, columns, floats))
    return Path(path)
