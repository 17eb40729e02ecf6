"""Parallel text files: finding, reading and checking them."""

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Iterator, Sequence

from lass_plugin.errors import LassError
from lass_plugin.languages import Pair

SPLITS = ("train", "valid", "test")

CONTROL_SYMBOLS = frozenset(("<s>", "<pad>", "</s>", "<unk>"))
"""fairseq's own symbols, by which no text may be written."""


@dataclass(frozen=True)
class Bitext:
    """The two files of one split of one pair, and the direction that names them."""

    split: str
    pair: Pair
    source: Path
    target: Path

    @property
    def name(self) -> str:
        """``train.de-en``, as fairseq calls it in a data folder."""
        return f"{self.split}.{self.pair}"

    @property
    def sides(self) -> tuple[tuple[str, Path], tuple[str, Path]]:
        """(language, file) of the source and of the target."""
        return (self.pair.source, self.source), (self.pair.target, self.target)

    @property
    def keeps_lines(self) -> bool:
        """Whether no line may be lost: the text is scored."""
        return self.split != "train"

    def prefix(self, language: str) -> str:
        """Name of a binarized side: ``train.de-en.de``."""
        return f"{self.name}.{language}"


def find_bitexts(
    text_dir: Path,
    pairs: Sequence[Pair],
    test_pairs: Sequence[Pair] = (),
    pivot: str | None = None,
) -> tuple[list[Bitext], list[str]]:
    """Find ``{train,valid,test}.SRC-TGT.LANG[.gz]`` for every pair.

    The name may hold the pair in either order; its own order comes first. Two
    directions that share their files give one bitext, named by the one listed first.

    Args:
        test_pairs: pairs of which only valid and test are looked for (zero-shot).
        pivot: a test pair X-Y without files of its own is put together from those of
            X-pivot and pivot-Y, if their *pivot* sides are the same, line for line.

    Returns:
        The bitexts, split by split in the order of *pairs*; and names of the valid and
        test sets that are not there (``valid.de-en``).
    Raises:
        LassError: a training set, or one of two files, is missing; a test pair has
            neither valid nor test text.
    """
    if not text_dir.is_dir():
        raise LassError(f"the text folder {text_dir} does not exist")
    bitexts: dict[tuple[str, frozenset[Path]], Bitext] = {}
    absent = []
    for split in SPLITS:
        for pair in (*pairs, *test_pairs):
            if split == "train" and pair in test_pairs:
                continue
            files = _find(text_dir, split, pair)
            if files is None and pair in test_pairs and pivot is not None:
                files = _find_through(text_dir, split, pair, pivot)
            if files:
                key = (split, frozenset(files))
                bitexts.setdefault(key, Bitext(split, pair, *files))
            elif split == "train":
                raise LassError(
                    f"there is no training text for {pair}: {text_dir} has neither "
                    f"train.{pair}.{pair.source} nor "
                    f"train.{pair.target}-{pair.source}.{pair.source} "
                    "(or the same with .gz)"
                )
            else:
                absent.append(f"{split}.{pair}")
    for pair in test_pairs:
        if {f"valid.{pair}", f"test.{pair}"} <= set(absent):
            raise LassError(_no_test_text(text_dir, pair, pivot))
    return list(bitexts.values()), absent


def _no_test_text(text_dir: Path, pair: Pair, pivot: str | None) -> str:
    message = (
        f"there is no text for the test pair {pair}: {text_dir} has neither "
        f"test.{pair}.{pair.source} nor test.{pair.target}-{pair.source}.{pair.source} "
        "(or valid, or the same with .gz)"
    )
    if pivot is None:
        return f"{message}; --through LANG puts it together where test sets are shared"
    return f"{message}, nor both {pair.source}-{pivot} and {pivot}-{pair.target}"


def _find_through(
    text_dir: Path, split: str, pair: Pair, pivot: str
) -> tuple[Path, Path] | None:
    """X of X-pivot and Y of pivot-Y, whose pivot sides must be the same text."""
    if pivot in (pair.source, pair.target):
        return None
    first = _find(text_dir, split, Pair(pair.source, pivot))
    second = _find(text_dir, split, Pair(pivot, pair.target))
    if first is None or second is None:
        return None
    lines = zip_longest(read_lines(first[1]), read_lines(second[0]))
    for number, (one, other) in enumerate(lines, start=1):
        if one != other:
            raise LassError(
                f"{split}.{pair} cannot be put together through {pivot}: "
                f"{first[1]} and {second[0]} differ in line {number}; give files of "
                f"{pair} itself or leave the pair out of --test-pairs"
            )
    return first[0], second[1]


def _find(text_dir: Path, split: str, pair: Pair) -> tuple[Path, Path] | None:
    for order in (pair, Pair(pair.target, pair.source)):
        stem = f"{split}.{order}"
        source = plain_or_gzip(text_dir, f"{stem}.{pair.source}")
        target = plain_or_gzip(text_dir, f"{stem}.{pair.target}")
        if source and target:
            return source, target
        if source or target:
            lost = pair.target if source else pair.source
            raise LassError(
                f"{source or target} has no counterpart {stem}.{lost} (or "
                f"{stem}.{lost}.gz); add it or remove the pair {pair}"
            )
    return None


def unused_training(
    text_dir: Path, test_pairs: Sequence[Pair], used: Sequence[Bitext]
) -> list[str]:
    """Names of training files of *test_pairs*, but for those of *used*."""
    found = [_find(text_dir, "train", pair) for pair in test_pairs]
    names = {path.name for files in found for path in files or ()}
    return sorted(names - {path.name for bitext in used for _, path in bitext.sides})


def plain_or_gzip(folder: Path, name: str) -> Path | None:
    found = [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]
    if len(found) > 1:
        raise LassError(f"there are both {found[0]} and {found[1]}; remove one of them")
    return found[0] if found else None


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file, gzip or not, without their ends.

    Lines end at ``\\n`` or ``\\r\\n``. Other characters that some readers take for the
    end of a line (U+2028, form feed, a lone ``\\r`` …) become spaces, so that every
    reader of our files counts the same lines. A byte order mark is removed.

    Raises:
        LassError: the file cannot be read or is not UTF-8, with the line number.
    """
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            for number, content in enumerate(file, start=1):
                encoding = "utf-8-sig" if number == 1 else "utf-8"
                line = content.decode(encoding).removesuffix("\n").removesuffix("\r")
                yield line if line.isprintable() else " ".join(line.splitlines())
    except UnicodeDecodeError as error:
        raise LassError(
            f"{path}:{number} is not UTF-8 (byte {error.start + 1} of the line is "
            f"0x{error.object[error.start]:02x}); convert the file to UTF-8"
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LassError(
            f"{path} is damaged after line {number}: {error}; copy it again"
        ) from error
    except OSError as error:
        raise LassError(f"cannot read {path}: {error.strerror or error}") from error


def check(bitext: Bitext, reserved: frozenset[str] = frozenset()) -> int:
    """Read both files to their ends; return the number of lines of each.

    Args:
        reserved: what no word of the text may be.

    Raises:
        LassError: not UTF-8; no lines; unequal numbers of lines; an empty line outside
            of train; no pair of lines with text on both sides; a word is *reserved*.
    """
    counts = [0, 0]
    usable = 0
    first_blank: str | None = None
    lines = zip_longest(read_lines(bitext.source), read_lines(bitext.target))
    for number, sides in enumerate(lines, start=1):
        blank = False
        for side, line in enumerate(sides):
            counts[side] += line is not None
            if line and reserved:
                refuse_reserved(line, reserved, f"{bitext.sides[side][1]}:{number}")
            if line is not None and not line.strip():
                blank = True
                first_blank = first_blank or f"{bitext.sides[side][1]}:{number}"
        usable += not blank and None not in sides
    for (_, path), count in zip(bitext.sides, counts, strict=True):
        if not count:
            raise LassError(f"{path} is empty; add text or remove {bitext.pair}")
    if counts[0] != counts[1]:
        raise LassError(
            f"{bitext.source} has {counts[0]} lines but {bitext.target} has "
            f"{counts[1]}; line n of the one must translate line n of the other"
        )
    if first_blank and bitext.split != "train":
        raise blank_line(first_blank)
    if not usable:
        raise LassError(
            f"no line of {bitext.source} and {bitext.target} has text on both sides"
        )
    return counts[0]


def refuse_reserved(line: str, reserved: frozenset[str], place: str) -> None:
    """Refuse a line of which a word is *reserved*; *place* is where it is."""
    if reserved.isdisjoint(words := line.split()):
        return
    word = next(word for word in words if word in reserved)
    meaning = "one of fairseq's own symbols"
    if word not in CONTROL_SYMBOLS:
        meaning = "the name of a language token"
    raise LassError(
        f"{place} holds the word {word}, which is {meaning} and would not be read as "
        "text; remove it or write it otherwise"
    )


def blank_line(place: str) -> LassError:
    """The error for an empty line, ``FILE:LINE``, of a set that is to be scored."""
    return LassError(
        f"{place} is an empty line; valid and test sets must have text on every line "
        "(remove the line from both files)"
    )


def sha256(path: Path) -> str:
    """The SHA-256 of the bytes of a file, in hexadecimal digits."""
    try:
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()
    except OSError as error:
        raise LassError(f"cannot read {path}: {error.strerror or error}") from error
