"""Copy parallel text with its short sentences only, for models that train in minutes.

Usage: python scripts/short_text.py TEXT OUT PAIRS [WORDS] [PIVOT]

TEXT and OUT hold {train,valid,test}.SRC-TGT.LANG, as for lass prepare; PAIRS is such as
de-en,en-de. Of train, sentence pairs stay whose two sides have at most WORDS words
(default 18). Of valid and test, those whose PIVOT side (default en) has: test sets that
share their PIVOT side share it in OUT as well, so they serve for zero-shot.
"""

import sys
from pathlib import Path

from lass_plugin.data.parallel_text import Bitext, find_bitexts, read_lines
from lass_plugin.errors import LassError
from lass_plugin.files import write_text
from lass_plugin.languages import parse_pairs


def copy_short(bitext: Bitext, out: Path, words: int, pivot: str) -> tuple[int, int]:
    """Write the short sentences of *bitext* to *out*.

    Returns:
        How many sentence pairs stay, and how many there were.
    Raises:
        LassError: the sides differ in length, or none is short enough.
    """
    languages = [language for language, _ in bitext.sides]
    if bitext.split != "train" and pivot not in languages:
        raise LassError(f"{bitext.name} has no {pivot} side; name another PIVOT")
    rows = [list(read_lines(path)) for _, path in bitext.sides]
    if len(rows[0]) != len(rows[1]):
        raise LassError(
            f"{bitext.name} has {len(rows[0])} lines of {languages[0]} and "
            f"{len(rows[1])} of {languages[1]}; align it first"
        )
    counted = languages if bitext.split == "train" else [pivot]
    kept = [
        row
        for row in zip(*rows, strict=True)
        if all(len(row[languages.index(each)].split()) <= words for each in counted)
    ]
    if not kept:
        raise LassError(f"{bitext.name} has no sentence of {words} words or fewer")
    for language, column in zip(languages, zip(*kept, strict=True), strict=True):
        write_text(out / f"{bitext.name}.{language}", "\n".join(column) + "\n")
    return len(kept), len(rows[0])


def main(arguments: list[str]) -> int:
    """Copy every split of every pair, and say what stays."""
    if not 3 <= len(arguments) <= 5:
        print(__doc__, file=sys.stderr)
        return 2
    text, out, pairs = arguments[:3]
    length = arguments[3] if len(arguments) > 3 else "18"
    pivot = arguments[4] if len(arguments) > 4 else "en"
    try:
        if not length.isdecimal() or not int(length):
            raise LassError(f"WORDS is '{length}'; give a whole number above 0")
        bitexts, _ = find_bitexts(Path(text), parse_pairs(pairs))
        Path(out).mkdir(parents=True, exist_ok=True)
        for bitext in bitexts:
            kept, all_of_them = copy_short(bitext, Path(out), int(length), pivot)
            print(f"{bitext.name}: {kept} of {all_of_them}")
    except LassError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
