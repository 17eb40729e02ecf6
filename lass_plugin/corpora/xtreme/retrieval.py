"""Sentences of two languages, some of which translate each other: BUCC, Tatoeba."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lass_plugin.data.parallel_text import read_lines
from lass_plugin.errors import LassError


@dataclass(frozen=True)
class Bitexts:
    """Sentences of a language and of English.

    Attributes:
        names, english_names: ids of the sentences.
        gold: (id, id of the English translation) of all that translate each other.
    """

    names: tuple[str, ...]
    sentences: tuple[str, ...]
    english_names: tuple[str, ...]
    english: tuple[str, ...]
    gold: frozenset[tuple[str, str]]


def read_lines_side_by_side(
    sides: Mapping[str, list[Path]], language: str, split: str
) -> Bitexts:
    """Read Tatoeba's two files: line n of the one translates line n of the other.

    Raises:
        LassError: a file is missing, they have other numbers of lines, or the English
            ones were sorted.
    """
    ours, english = _files(sides, language, split, (language, "en"))
    first, second = tuple(read_lines(ours)), tuple(read_lines(english))
    own = english.name.startswith("tatoeba.")
    if not own and len(second) > 1 and list(second) == sorted(second):
        raise LassError(
            f"{english} is sorted, as XTREME's download leaves it to hide which line "
            f"translates which of {ours}; give Tatoeba's own tatoeba.deu-eng.eng"
        )
    if len(first) != len(second) or not first:
        raise LassError(
            f"{ours} has {len(first)} lines and {english} {len(second)}; line n of the "
            "one must translate line n of the other"
        )
    names = tuple(map(str, range(len(first))))
    gold = frozenset(zip(names, names, strict=True))
    return Bitexts(names, first, names, second, gold)


def read_mined(sides: Mapping[str, list[Path]], language: str, split: str) -> Bitexts:
    """Read BUCC's three files: two of ``id<TAB>sentence``, one of pairs of ids.

    Raises:
        LassError: a file is missing (the gold of a test set, too), a line is another
            one, or the gold names a sentence that is not there.
    """
    wanted = (language, "en", "gold")
    ours, english, gold = _files(sides, language, split, wanted)
    (names, sentences), (others, translations) = map(_numbered, (ours, english))
    pairs = set()
    known = set(names), set(others)
    for number, line in enumerate(read_lines(gold), start=1):
        cells = line.split("\t")
        if len(cells) != 2 or cells[0] not in known[0] or cells[1] not in known[1]:
            raise LassError(
                f"{gold}:{number} does not pair an id of {ours} with one of {english}; "
                "give the three files of one set"
            )
        pairs.add((cells[0], cells[1]))
    if not pairs:
        raise LassError(f"{gold} is empty; give the gold of {split}")
    return Bitexts(names, sentences, others, translations, frozenset(pairs))


def _files(
    sides: Mapping[str, list[Path]],
    language: str,
    split: str,
    wanted: tuple[str, ...],
) -> list[Path]:
    for side in wanted:
        if len(sides.get(side, ())) != 1:
            there = ", ".join(str(path) for paths in sides.values() for path in paths)
            count = "no" if not sides.get(side) else "more than one"
            raise LassError(
                f"there is {count} file '{side}' of {language} ({split}) beside "
                f"{there}; give each of {', '.join(wanted)} once"
            )
    return [sides[side][0] for side in wanted]


def _numbered(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids and sentences of a file of BUCC."""
    found: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), start=1):
        name, tab, sentence = line.partition("\t")
        if not tab or name in found:
            raise LassError(
                f"{path}:{number} is not 'id<TAB>sentence' with an id of its own; give "
                "BUCC's own file"
            )
        found[name] = sentence
    return tuple(found), tuple(found.values())
