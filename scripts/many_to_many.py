"""Join parallel text on the language that it shares, for directions between the others.

Usage: python scripts/many_to_many.py TEXT OUT PAIRS [PIVOT]

TEXT and OUT hold {train,valid,test}.SRC-TGT.LANG, as for lass prepare; PAIRS is such as
de-en,en-de,de-es. Pairs that TEXT has are copied. A pair X-Y that it lacks is made of
X-PIVOT and Y-PIVOT (PIVOT: default en): the lines whose PIVOT sides are the same text,
the n-th of equal ones with the n-th, in the order of X-PIVOT.
"""

import sys
from collections import defaultdict
from pathlib import Path

from lass_plugin.data.parallel_text import find_bitexts, read_lines
from lass_plugin.errors import LassError
from lass_plugin.files import write_text
from lass_plugin.languages import Pair, parse_pairs

Rows = dict[str, list[str]]
"""Language -> its lines."""


def join(first: Rows, second: Rows, pivot: str) -> Rows:
    """The lines of two bitexts whose *pivot* sides are the same text.

    Args:
        first: of X and the pivot, line by line.
        second: of Y and the pivot.

    Returns:
        The lines of X and of Y, in the order of *first*.
    """
    (x,), (y,) = ([code for code in each if code != pivot] for each in (first, second))
    places = defaultdict(list)
    for number, line in enumerate(second[pivot]):
        places[line].append(number)
    joined: Rows = {x: [], y: []}
    for line, text in zip(first[pivot], first[x], strict=True):
        if places[line]:
            joined[x].append(text)
            joined[y].append(second[y][places[line].pop(0)])
    return joined


def read(text: Path, pairs: list[Pair]) -> dict[tuple[str, frozenset], Rows]:
    """(Split, both languages) -> lines of the bitexts of *text* for *pairs*.

    Raises:
        LassError: one is missing, or its sides differ in length.
    """
    found = {}
    for bitext in find_bitexts(text, pairs)[0]:
        rows = {language: list(read_lines(path)) for language, path in bitext.sides}
        if len({len(lines) for lines in rows.values()}) > 1:
            raise LassError(f"the sides of {bitext.name} differ in length; align it")
        found[bitext.split, frozenset(rows)] = rows
    return found


def many_to_many(text: Path, out: Path, pairs: list[Pair], pivot: str) -> None:
    """Write the bitexts of *pairs* to *out*, and say how long each is.

    Raises:
        LassError: a language has no text with the pivot, or nothing joins.
    """
    codes = sorted({code for pair in pairs for code in (pair.source, pair.target)})
    known = read(text, [Pair(code, pivot) for code in codes if code != pivot])
    out.mkdir(parents=True, exist_ok=True)
    for x, y in sorted({tuple(sorted((p.source, p.target))) for p in pairs}):
        for split in ("train", "valid", "test"):
            rows = known.get((split, frozenset((x, y))))
            if rows is None:
                one, other = (known.get((split, frozenset((c, pivot)))) for c in (x, y))
                if one is None or other is None:
                    continue  # a split that the text has not
                rows = join(one, other, pivot)
            if not rows[x]:
                raise LassError(f"{split} of {x}-{pivot} and {y}-{pivot} share no line")
            for code, lines in rows.items():
                write_text(out / f"{split}.{x}-{y}.{code}", "\n".join(lines) + "\n")
            print(f"{split}.{x}-{y}: {len(rows[x])}")


def main(arguments: list[str]) -> int:
    """Join what PAIRS ask for."""
    if not 3 <= len(arguments) <= 4:
        print(__doc__, file=sys.stderr)
        return 2
    text, out, pairs = arguments[:3]
    pivot = arguments[3] if len(arguments) > 3 else "en"
    try:
        many_to_many(Path(text), Path(out), parse_pairs(pairs), pivot)
    except LassError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
