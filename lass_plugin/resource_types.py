"""Resource types of languages: high, medium, low, very low.

The table holds facts of FLORES-101 (Goyal et al. 2021) as Cao 2024 lists them in its
Tables 5 and 6, by the codes of the M2M-124 model.
"""

import math
from pathlib import Path
from typing import Iterable, Mapping

from lass_plugin.errors import LassError
from lass_plugin.files import read_text

TYPES = ("H", "M", "L", "V")
"""High, medium, low, very low; the order of the numbers in ``2;2;8;8``."""

_FLORES = {
    "H": "en=0 fr=289e6 de=216e6 it=116e6 pt=137e6 ru=127e6 es=315e6",
    "M": "ar=25.2e6 zh=37.9e6 nl=82.4e6 he=6.64e6 hi=3.3e6 ja=23.2e6 ko=7.46e6 "
    "mt=5.82e6 no=10.9e6",
    "L": "af=570e3 am=339e3 hy=977e3 ha=335e3 ny=932e3 sn=877e3 yo=171e3 zu=123e3",
    "V": "ff=71e3 kam=50e3 oc=5.11e3 or=5e3 sd=21.8e3 wo=86.9e3",
}
_ENTRIES = [
    (kind, *entry.split("="))
    for kind, text in _FLORES.items()
    for entry in text.split()
]
"""Type, language, and sentence pairs with English."""

FLORES = "flores"
"""Name of the types of the paper."""

LANG12 = tuple("en fr it de nl zh ja ko oc or sd wo".split())
LANG30 = tuple(code for _, code, _ in _ENTRIES)


def flores_types() -> dict[str, str]:
    """Language -> resource type of the 30 languages of the paper."""
    return {code: kind for kind, code, _ in _ENTRIES}


def flores_bitext() -> dict[str, float]:
    """Language -> sentence pairs with English, English itself left out."""
    return {code: float(size) for _, code, size in _ENTRIES if float(size)}


LISTS = {"lang12": LANG12, "lang30": LANG30}


def parse_languages(text: str) -> list[str]:
    """Read ``lang12``, ``lang30`` or ``de,en,nl``.

    Raises:
        LassError: there is none, or one is listed twice.
    """
    if text in LISTS:
        return list(LISTS[text])
    found = [item.strip() for item in text.split(",") if item.strip()]
    repeated = [code for code in found if found.count(code) > 1]
    if repeated:
        raise LassError(f"--languages names {repeated[0]} twice; keep one")
    if not found:
        raise LassError("--languages is empty; give lang12, lang30 or a list: en,fr,…")
    return found


def parse_types(text: str | None, languages: Iterable[str]) -> dict[str, str]:
    """The resource type of each of *languages*.

    Args:
        text: ``H=en,fr;M=nl;V=oc``, a file with a language and its type on each line,
            or ``flores`` or None for those of the paper.

    Raises:
        LassError: a language has no type, or two.
    """
    languages = list(languages)
    text = None if text == FLORES else text
    types = flores_types() if text is None else _read(text)
    missing = [language for language in languages if language not in types]
    if missing:
        where = "the table of FLORES-101" if text is None else text
        raise LassError(
            f"{missing[0]} has no resource type in {where}; give --resource-types, "
            "such as 'H=en,fr;M=nl;V=oc'"
        )
    return {language: types[language] for language in languages}


def _read(text: str) -> dict[str, str]:
    types: dict[str, str] = {}
    if "=" in text:
        groups = [group.partition("=") for group in text.split(";") if group.strip()]
        entries = [
            (code.strip(), kind.strip())
            for kind, _, codes in groups
            for code in codes.split(",")
        ]
    elif Path(text).is_file():
        lines = read_text(text, "a table of resource types").splitlines()
        fields = [line.split() for line in lines if line.strip()]
        if any(len(each) < 2 for each in fields):
            raise LassError(f"each line of {text} must be a language and its type")
        entries = [(each[0], each[1]) for each in fields]
    else:
        raise LassError(
            f"--resource-types '{text}' is neither a file nor a list such as "
            "'H=en,fr;M=nl;V=oc'"
        )
    for code, kind in entries:
        if kind not in TYPES:
            raise LassError(
                f"resource type '{kind}' of {code} is none of {', '.join(TYPES)}"
            )
        if types.get(code, kind) != kind:
            raise LassError(f"{code} has two resource types, {types[code]} and {kind}")
        types[code] = kind
    return types


def spread(
    text: str, languages: Iterable[str], types: Mapping[str, str] | None, option: str
) -> dict[str, float]:
    """A number for each language.

    Args:
        text: one number for all; one for each resource type that occurs, in the order
            of :data:`TYPES`, such as ``2;2;8``; or ``de=2,or=8`` for every language.
        types: language -> resource type; only needed for the second.
        option: for messages.

    Raises:
        LassError: what is written is none of these, or a language has no number.
    """
    languages = list(languages)
    if "=" in text:
        named: dict[str, float] = {}
        for item in filter(str.strip, text.split(",")):
            code, number = _entry(item, option)
            if code in named:
                raise LassError(f"{option} names {code} twice; keep one")
            named[code] = number
        missing = [language for language in languages if language not in named]
        if missing:
            raise LassError(
                f"{option} says nothing of {missing[0]}; give every language a number "
                f"({', '.join(languages)}), 0 for none"
            )
        unknown = [language for language in named if language not in languages]
        if unknown:
            raise LassError(
                f"{option} names {unknown[0]}, which is no language of --lang-pairs"
            )
        return {language: named[language] for language in languages}
    numbers = [_number(item, option) for item in text.split(";")]
    if len(numbers) == 1:
        return dict.fromkeys(languages, numbers[0])
    if types is None:
        raise LassError(f"{option} {text} needs the resource types of the languages")
    present = [kind for kind in TYPES if kind in types.values()]
    if len(numbers) != len(present):
        raise LassError(
            f"{option} {text} has {len(numbers)} numbers, but the languages are of "
            f"{len(present)} resource types ({', '.join(present)}); give one for each, "
            "or name the languages as in de=2,or=8"
        )
    by_type = dict(zip(present, numbers, strict=True))
    return {language: by_type[types[language]] for language in languages}


def _entry(item: str, option: str) -> tuple[str, float]:
    code, _, number = item.partition("=")
    return code.strip(), _number(number, option)


def _number(text: str, option: str) -> float:
    try:
        if math.isfinite(number := float(text)):
            return number
    except ValueError:
        pass
    raise LassError(
        f"{option}: '{text.strip()}' is not a number; write one for all, 2;2;8 by "
        "resource type, or de=2,or=8"
    )
