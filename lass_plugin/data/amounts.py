"""How much training data each pair has, and the groups low, medium and high by it."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lass_plugin.data.data_folder import RECORD
from lass_plugin.data.parallel_text import SPLITS, read_lines
from lass_plugin.errors import LassError
from lass_plugin.files import read_json
from lass_plugin.languages import Pair, languages_of
from lass_plugin.records.json_record import RecordFormat

_UNITS = {"": 1, "k": 1_000, "m": 1_000_000, "b": 1_000_000_000}
_COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmMbB]?)")
GROUPS = ("low", "medium", "high")
PREPARATION = RecordFormat(
    "lass_plugin preparation",
    "the record of a preparation",
    advice="prepare the data again",
    unmarked=True,
)
SIZES = RecordFormat(
    "lass_plugin sizes",
    "a file with the sizes of training data",
    advice="give a preparation.json, or pairs with their numbers",
)

Counts = Mapping[str, Mapping[str, Any]]
"""Split and pair -> what ``lass prepare`` counted of them."""


@dataclass(frozen=True)
class Bounds:
    """Low-resource: fewer than *low* sentences; high-resource: *high* or more.

    The defaults are those of He 2023 (Table 3) and Lin 2021 (Table 2).
    """

    low: int = 1_000_000
    high: int = 10_000_000

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high:
            raise LassError(
                f"--low {self.low} and --high {self.high} do not make three groups; "
                "give two numbers above 0, the lower one as --low"
            )

    def group_of(self, size: int) -> str:
        """Return ``low``, ``medium`` or ``high``."""
        if size < self.low:
            return "low"
        return "medium" if size < self.high else "high"

    def describe(self) -> str:
        """The groups in words."""
        low, high = (
            short if parse_count(short) == number else f"{number:,}"
            for number in (self.low, self.high)
            for short in (short_count(number),)
        )
        return f"low: < {low} training sentences, medium: < {high}, high: ≥ {high}"


class Sizes:
    """Training sentences of each pair; both directions of a corpus count the same.

    Args:
        sizes: pair -> sentences.
        origin: where they come from, for messages.
    """

    def __init__(self, sizes: Mapping[str, int], origin: str):
        self._sizes = dict(sizes)
        self.origin = origin

    @property
    def pairs(self) -> list[str]:
        """Pairs whose size was written down, not their reverses."""
        return list(self._sizes)

    def of(self, pair: str) -> int:
        """The training sentences of *pair*, of its reverse where it has none itself.

        Raises:
            LassError: there is neither.
        """
        both = Pair.parse(pair)
        for key in (pair, str(Pair(both.target, both.source))):
            if key in self._sizes:
                return self._sizes[key]
        raise LassError(
            f"{self.origin} has no size of the training data of {pair}; add it, or "
            "leave the pair out"
        )


def read_sizes(place: str | os.PathLike) -> Sizes:
    """Read training sentences from a prepared data folder or from a file.

    A file is JSON (pair to number) or has a line ``PAIR NUMBER`` for each pair, with
    spaces, a tab or a comma between them; ``89K`` and ``1.2M`` are numbers too, and
    lines that begin with ``#`` do not count.

    Raises:
        LassError: there is nothing to read, or it is damaged.
    """
    place = Path(place)
    path = place / RECORD if place.is_dir() else place
    if not path.is_file():
        raise LassError(
            f"{place} has no {RECORD}, so the sizes of the training data are unknown; "
            "give a folder of 'lass prepare', or a file with a line 'PAIR NUMBER' each"
            if place.is_dir()
            else f"there is no file {place} with the sizes of the training data"
        )
    sizes = _of_json(path) if path.suffix == ".json" else _of_lines(path)
    if not sizes:
        raise LassError(f"{path} has no size of any pair's training data")
    return Sizes(sizes, str(path))


def parse_count(text: str) -> int:
    """Read ``89K``, ``1.2M`` or ``2500``.

    Raises:
        LassError: *text* is not a whole number of sentences.
    """
    found = _COUNT.fullmatch(text.strip())
    if not found:
        raise LassError(f"'{text}' is not a number of sentences; write 2500, 89K, 1.2M")
    number = float(found[1]) * _UNITS[found[2].lower()]
    if not math.isclose(number, round(number), abs_tol=1e-6):
        raise LassError(f"'{text}' is not a whole number of sentences")
    return round(number)


def short_count(number: int) -> str:
    """Write a number as the papers do: ``950``, ``89K``, ``1.2M``."""
    for unit, size in (("B", 1_000_000_000), ("M", 1_000_000), ("K", 1_000)):
        if number >= size - size / 2_000:  # 999,600 is 1M, not 1000K
            digits = 1 if number < 100 * size else 0
            return f"{number / size:.{digits}f}".removesuffix(".0") + unit
    return str(number)


def read_counts(place: str | os.PathLike, tokens: bool = False) -> Counts:
    """What ``lass prepare`` counted.

    Args:
        place: its folder, or the record in it.
        tokens: those of both languages are needed, too.

    Returns:
        ``train.de-en`` -> ``kept`` sentences, and ``languages``: of each ``tokens`` and
        ``unknown`` ones.

    Raises:
        LassError: there is no such record, or it is damaged.
    """
    path = Path(place)
    if path.is_dir():
        path /= RECORD
    if not path.is_file():
        raise LassError(f"{place} has no {RECORD}; give a folder of 'lass prepare'")
    with PREPARATION.reading(path) as record:
        counts: Counts = record["counts"]
        for name, count in counts.items():
            split, pair = name.split(".", 1)
            if split not in SPLITS:
                raise ValueError(f"it counts '{name}'")
            numbers = [count["kept"]]
            for language in languages_of([Pair.parse(pair)]) if tokens else ():
                of_language = count["languages"][language]
                numbers += [of_language["tokens"], of_language["unknown"]]
            for number in numbers:
                _check_whole(number)
        return counts


def _of_json(path: Path) -> dict[str, int]:
    with SIZES.naming(path):
        content = read_json(path)
        if "counts" in content:  # of lass prepare
            return {
                name.removeprefix("train."): count["kept"]
                for name, count in read_counts(path).items()
                if name.startswith("train.")
            }
        sizes = {}
        for pair, value in content.items():
            number = parse_count(value) if isinstance(value, str) else value
            _check_whole(number)
            sizes[str(Pair.parse(pair))] = number
        return sizes


def _of_lines(path: Path) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for number, line in enumerate(read_lines(path), start=1):
        words = line.replace(",", " ").split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2:
            raise LassError(
                f"{path}:{number} is '{line.strip()[:60]}'; write a pair and the "
                "number of its training sentences, such as de-en 160K"
            )
        pair = str(Pair.parse(words[0]))
        if pair in sizes:
            raise LassError(f"{path}:{number} names {pair} for the second time")
        sizes[pair] = parse_count(words[1])
    return sizes


def _check_whole(value: Any) -> None:
    if type(value) is not int or value < 0:
        raise ValueError(f"it has {value!r} where a number of sentences should be")
