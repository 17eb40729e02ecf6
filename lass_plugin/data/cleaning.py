"""Which pairs of lines a training set keeps, with counts of what each rule drops.

The rules are those of Moses' ``clean-corpus-n.perl`` (tokens and their ratio), and
those for lines that repeat or that are held out for valid and test. Text in a script
without spaces has no words to count; there each character but a space is a token.
"""

import hashlib
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lass_plugin.language_families import first_code

LinePair = tuple[str, str]
"""A line and its translation."""

EMPTY, SHORT, LONG, UNEVEN = "empty", "short", "long", "uneven"
DUPLICATE, OVERLAP = "duplicate", "overlap"
RULES = (EMPTY, SHORT, LONG, UNEVEN, OVERLAP, DUPLICATE)
"""What a pair may break; it counts for one of them. Overlap is with held-out text."""

KEEP, PAIRS, SIDES = "keep", "pairs", "sides"
HELD_OUT_CHOICES = (KEEP, PAIRS, SIDES)
"""What of held-out text is dropped: nothing; pairs of which both sides are held out
together; pairs with a side that is held out in its language."""

_OTHERS = re.compile(r"[\W_]+")
"""What is neither a letter nor a digit."""

BLOCK = 10_000
"""Pairs that are looked at together for what repeats."""

WITHOUT_SPACES = frozenset({"zh", "ja", "th", "km", "lo", "my"})
"""Languages that are written without spaces between words."""


@dataclass(frozen=True)
class Limits:
    """How long the two sides of a pair may be, in tokens; None for any length."""

    min_tokens: int | None = None
    max_tokens: int | None = None
    max_ratio: float | None = None
    """Of the longer side to the shorter one."""


@dataclass
class HeldOut:
    """Lines of valid and test, of all pairs, by what letters and digits they have."""

    sides: dict[str, set[int]] = field(default_factory=dict)
    """Language -> digests of its lines."""
    pairs: set[int] = field(default_factory=set)
    """Digests of lines with their translations, languages in alphabetical order."""

    def add(self, languages: tuple[str, str], lines: Iterable[LinePair]) -> None:
        """Hold *lines* out, the first sides of which are in the first language."""
        for pair in lines:
            for code, line in zip(languages, pair, strict=True):
                self.sides.setdefault(code, set()).add(_digest(letters(line)))
            self.pairs.add(_of_pair(languages, pair))

    def has(self, languages: tuple[str, str], pair: LinePair) -> str | None:
        """How much of *pair* is held out: ``pairs``, ``sides`` or None for nothing."""
        if _of_pair(languages, pair) in self.pairs:
            return PAIRS
        for code, line in zip(languages, pair, strict=True):
            if _digest(letters(line)) in self.sides.get(code, ()):
                return SIDES
        return None


@dataclass
class Counts:
    """How many pairs were read, kept, and dropped by each rule."""

    read: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """Rule -> pairs that are dropped for it."""
    duplicates: int = 0
    """Pairs that repeat an earlier one, dropped or not."""
    held_out: Counter[str] = field(default_factory=Counter)
    """``pairs`` and ``sides`` -> pairs that are held out so, dropped or not."""

    def as_json(self) -> dict[str, object]:
        """The counts as plain values; every rule is there."""
        return {
            "read": self.read,
            "kept": self.kept,
            "dropped": {rule: self.dropped[rule] for rule in RULES},
            "duplicates": self.duplicates,
            "held_out": {kind: self.held_out[kind] for kind in (PAIRS, SIDES)},
        }


def clean(
    pairs: Iterable[LinePair],
    limits: Limits,
    languages: tuple[str, str],
    counts: Counts,
    drop_duplicates: bool = False,
) -> Iterator[LinePair]:
    """Yield the pairs within *limits*, with single spaces, and count the others.

    What repeats is found among the pairs within the limits, by eight bytes for each
    (:mod:`.line_hashes`).

    Args:
        languages: of the two sides.
        counts: is added to.
        drop_duplicates: keep only the first of pairs whose sides are both the same.
    """
    # Beside the limits, which are options, too: these need numpy.
    from lass_plugin.data.line_hashes import Seen, pair_hashes

    seen, waiting = Seen(), iter(pairs)
    while block := list(itertools.islice(waiting, BLOCK)):
        counts.read += len(block)
        sound: list[LinePair] = []
        for source, target in block:
            pair = (" ".join(source.split()), " ".join(target.split()))
            broken = broken_limit(pair[0], pair[1], limits, languages)
            if broken is None:
                sound.append(pair)
            else:
                counts.dropped[broken] += 1
        sources, targets = (s for s, _ in sound), (t for _, t in sound)
        for pair, first in zip(
            sound, seen.first(pair_hashes(sources, targets)), strict=True
        ):
            counts.duplicates += not first
            if first or not drop_duplicates:
                counts.kept += 1
                yield pair
            else:
                counts.dropped[DUPLICATE] += 1


def hold_out(
    pairs: Iterable[LinePair],
    held_out: HeldOut,
    drop: str,
    languages: tuple[str, str],
    counts: Counts,
) -> Iterator[LinePair]:
    """Yield those of cleaned *pairs* that training may see, and count what it may not.

    Args:
        drop: one of :data:`HELD_OUT_CHOICES`.
        languages: of the two sides.
        counts: of the cleaning, in which what is dropped here is not kept any more.
    """
    for pair in pairs:
        if kind := held_out.has(languages, pair):
            counts.held_out[kind] += 1
            if drop in (SIDES, kind):
                counts.kept -= 1
                counts.dropped[OVERLAP] += 1
                continue
        yield pair


def broken_limit(
    source: str,
    target: str,
    limits: Limits,
    languages: tuple[str, str] = ("", ""),
) -> str | None:
    """The first of the rules on length that a pair of lines breaks; None for none.

    Args:
        languages: of the two sides; without them tokens are words.
    """
    sizes = (length(source, languages[0]), length(target, languages[1]))
    short, long = min(sizes), max(sizes)
    if not short:
        return EMPTY
    if limits.min_tokens is not None and short < limits.min_tokens:
        return SHORT
    if limits.max_tokens is not None and long > limits.max_tokens:
        return LONG
    if limits.max_ratio is not None and long > limits.max_ratio * short:
        return UNEVEN
    return None


def length(line: str, language: str) -> int:
    """Number of tokens: words, or characters of a language without spaces."""
    words = line.split()
    if first_code(language) in WITHOUT_SPACES:
        return sum(map(len, words))
    return len(words)


def letters(line: str) -> str:
    """Letters and digits of *line* in one case; the line itself if it has none.

    Lines that differ in spaces, punctuation or case alone have the same, and those that
    write an accent as a character of its own or not (NFD, NFC).
    """
    composed = unicodedata.normalize("NFC", line)
    return _OTHERS.sub("", composed).casefold() or " ".join(line.split())


def _of_pair(languages: tuple[str, str], pair: LinePair) -> int:
    sides = sorted(zip(languages, map(letters, pair), strict=True))
    return _digest("\n".join(f"{code} {line}" for code, line in sides))


def _digest(text: str) -> int:
    content = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")
