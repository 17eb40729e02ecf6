"""Language keys: what a mask is chosen by. Today a key is a translation direction."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Iterable, Sequence

from lass_plugin.errors import LassError

_TWO_LETTERS = {
    "eng": "en",
    "jpn": "ja",
    "kor": "ko",
    "zho": "zh",
    "chi": "zh",
    "cmn": "zh",
    "yue": "zh",
    "zhs": "zh",
    "zht": "zh",
    "cn": "zh",
    "jp": "ja",
}
"""Other codes of the languages that need special care, right or often met."""
_CODE = re.compile(r"[A-Za-z0-9_@.]+")


ORDERS = ("direction", "source", "target", "name")
"""Values of *by* in :func:`order_keys`."""


@dataclass(frozen=True, order=True)
class Pair:
    """A translation direction, written ``de-en`` as fairseq writes it."""

    source: str
    target: str

    @classmethod
    def parse(cls, text: str) -> "Pair":
        """Read ``de-en``.

        Raises:
            LassError: *text* is not two language codes with one hyphen between them, or
                they are the same.
        """
        source, hyphen, target = text.strip().partition("-")
        if not (hyphen and _CODE.fullmatch(source) and _CODE.fullmatch(target)):
            raise LassError(
                f"'{text}' is not a language pair; write SOURCE-TARGET, such as de-en"
            )
        if source == target:
            raise LassError(f"{text} has the same language twice; remove that pair")
        return cls(source, target)

    def __str__(self) -> str:
        return f"{self.source}-{self.target}"


def parse_pairs(text: str | Iterable[str]) -> list[Pair]:
    """Read ``de-en,en-de`` or a list of such; refuse repeats and an empty list."""
    items = text.split(",") if isinstance(text, str) else list(text)
    pairs = [Pair.parse(item) for item in items if item.strip()]
    if not pairs:
        raise LassError("the list of language pairs is empty; write de-en,en-de,…")
    counts = Counter(pairs)  # M2M-124 has 15,252 pairs
    repeated = sorted(str(pair) for pair, count in counts.items() if count > 1)
    if repeated:
        raise LassError(f"language pair {repeated[0]} is listed more than once")
    return pairs


def parse_languages(text: str) -> list[str]:
    """Read ``de,en``; refuse repeats, an empty list and what is no language code."""
    found = [code.strip() for code in text.split(",") if code.strip()]
    if not found:
        raise LassError("the list of languages is empty; write de,en,…")
    for code in found:
        if not _CODE.fullmatch(code) or code.startswith("."):
            raise LassError(f"'{code}' is not a language code; write one such as de")
    repeated = sorted(code for code, count in Counter(found).items() if count > 1)
    if repeated:
        raise LassError(f"language {repeated[0]} is listed more than once")
    return found


def languages_of(pairs: Iterable[Pair]) -> list[str]:
    """Every language of *pairs*, sorted (fairseq numbers language tokens in order)."""
    return sorted({code for pair in pairs for code in (pair.source, pair.target)})


def written(key: str) -> str:
    """*key* as part of a parameter's name, which holds no dots."""
    return key.replace(".", "~")


def order_keys(keys: Sequence[str], by: str = "direction") -> list[str]:
    """The order in which a matrix shows the masks of *keys*.

    Args:
        by: ``direction``: with the language that most pairs have (English) as source
            first, then with it as target, then the rest; ``source`` or ``target``:
            pairs of one language together; ``name``.
    """
    try:
        pairs = {key: Pair.parse(key) for key in keys}
    except LassError:
        return sorted(keys)
    if by == "source":
        return sorted(keys, key=lambda key: (pairs[key].source, pairs[key].target))
    if by == "target":
        return sorted(keys, key=lambda key: (pairs[key].target, pairs[key].source))
    if by == "name":
        return sorted(keys)
    if by != "direction":
        raise LassError(
            f"unknown order '{by}'; choose direction, source, target or name"
        )
    hub = hub_of(pairs.values())

    def rank(key: str) -> tuple[int, str, str]:
        pair = pairs[key]
        group = 0 if pair.source == hub else 1 if pair.target == hub else 2
        return group, pair.source, pair.target

    return sorted(keys, key=rank)


def hub_of(pairs: Iterable[Pair]) -> str:
    """The language that most of *pairs* have; of several English, then the last."""
    codes = sorted(code for p in pairs for code in {p.source, p.target})
    return max(codes, key=lambda code: (codes.count(code), code == "en"))


def base_language(code: str) -> str:
    """Return the language of a code with a region or script: ``zh`` of ``zho_Hans``."""
    language = re.split("[_@.]", code)[0].lower()
    return _TWO_LETTERS.get(language, language)
