"""Which pairs of lines a training set keeps, with counts of what each rule drops.

The rules are those of Moses' ``clean-corpus-n.perl`` (tokens and their ratio), and
those for lines that repeat or that are held out for valid and test. Text in a script
without spaces has no words to count; there each character but a space is a token.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lass_plugin.errors import LassError
from lass_plugin.languages import base_language

LinePair = tuple[str, str]
"""A line and its translation."""

EMPTY = "empty"
SHORT = "too short"
LONG = "too long"
RATIO = "ratio"
DUPLICATE = "duplicate"
HELD_OUT = "held out"

REASONS = (EMPTY, SHORT, LONG, RATIO, DUPLICATE, HELD_OUT)
"""Why a pair is dropped, in the order in which the rules are asked."""

KEEP, PAIRS, SIDES = "keep", "pairs", "sides"
HELD_OUT_CHOICES = (KEEP, PAIRS, SIDES)
"""What of held-out text is dropped: nothing; pairs of which both sides are held out
together; pairs with a side that is held out in its language."""

WITHOUT_SPACES = frozenset({"zh", "ja", "th", "km", "lo", "my"})
"""Languages that are written without spaces between words."""


@dataclass(frozen=True)
class CleaningRules:
    """What a pair must be like to be kept. The defaults drop empty sides alone."""

    min_tokens: int = 1
    """Least number of tokens of each side."""
    max_tokens: int | None = None
    """Largest number of tokens of each side; None: any."""
    max_ratio: float | None = None
    """Largest quotient of the longer side's tokens by the shorter side's; None: any."""
    drop_duplicates: bool = False
    """Keep only the first of pairs whose sides are both the same."""

    def __post_init__(self) -> None:
        most = self.max_tokens
        if self.min_tokens < 1:
            raise LassError(f"the least number of tokens is 1, not {self.min_tokens}")
        if most is not None and most < self.min_tokens:
            raise LassError(
                f"at most {most} tokens and at least {self.min_tokens} leave no line; "
                "give a larger maximum or a smaller minimum"
            )
        if self.max_ratio is not None and not self.max_ratio >= 1:
            raise LassError(
                f"no lengths have a ratio of {self.max_ratio} or less; give 1 or more"
            )


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
    """Reason -> pairs; one that several rules refuse counts for the first of them."""
    duplicates: int = 0
    """Pairs that repeat an earlier one, dropped or not."""
    held_out: Counter[str] = field(default_factory=Counter)
    """``pairs`` and ``sides`` -> pairs that are held out so, dropped or not."""

    def as_json(self) -> dict[str, object]:
        """The counts as plain values; every reason is there."""
        return {
            "read": self.read,
            "kept": self.kept,
            "dropped": {reason: self.dropped[reason] for reason in REASONS},
            "duplicates": self.duplicates,
            "held_out": {kind: self.held_out[kind] for kind in (PAIRS, SIDES)},
        }


def clean(
    pairs: Iterable[LinePair],
    rules: CleaningRules,
    languages: tuple[str, str],
    counts: Counts,
) -> Iterator[LinePair]:
    """Yield the pairs that *rules* keep, with single spaces, and count the others.

    What repeats is found among the pairs that the rules before it keep; some 80 bytes
    of memory are needed for each (two different ones of 40 million are taken for the
    same with a probability of 4 in 100,000).

    Args:
        languages: of the two sides.
        counts: is added to.
    """
    seen: set[int] = set()
    for source, target in pairs:
        counts.read += 1
        pair = (" ".join(source.split()), " ".join(target.split()))
        reason = refused_length(pair, rules, languages)
        if reason is None:
            digest = _digest(f"{pair[0]}\n{pair[1]}")
            if digest in seen:
                counts.duplicates += 1
                reason = DUPLICATE if rules.drop_duplicates else None
            seen.add(digest)
        if reason is None:
            counts.kept += 1
            yield pair
        else:
            counts.dropped[reason] += 1


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
                counts.dropped[HELD_OUT] += 1
                continue
        yield pair


def refused_length(
    pair: LinePair, rules: CleaningRules, languages: tuple[str, str]
) -> str | None:
    """The first rule about tokens that refuses *pair*; None where all keep it."""
    sizes = [length(line, code) for line, code in zip(pair, languages, strict=True)]
    shorter, longer = min(sizes), max(sizes)
    if not shorter:
        return EMPTY
    if shorter < rules.min_tokens:
        return SHORT
    if rules.max_tokens is not None and longer > rules.max_tokens:
        return LONG
    if rules.max_ratio is not None and longer > rules.max_ratio * shorter:
        return RATIO
    return None


def length(line: str, language: str) -> int:
    """Number of tokens: words, or characters of a language without spaces."""
    words = line.split()
    if base_language(language) in WITHOUT_SPACES:
        return sum(map(len, words))
    return len(words)


def letters(line: str) -> str:
    """Letters and digits of *line* in one case; the line itself if it has none.

    Lines that differ in spaces, punctuation or case alone have the same.
    """
    kept = "".join(character for character in line if character.isalnum())
    return kept.casefold() or " ".join(line.split())


def _of_pair(languages: tuple[str, str], pair: LinePair) -> int:
    sides = sorted(zip(languages, map(letters, pair), strict=True))
    return _digest("\n".join(f"{code} {line}" for code, line in sides))


def _digest(text: str) -> int:
    content = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")
