"""The form of text, tokenised or detokenised: what it shows itself to be."""

import re
from collections.abc import Iterable, Sequence

TOKENISED, DETOKENISED = "tokenised", "detokenised"
FORMS = (TOKENISED, DETOKENISED)

_APART = re.compile(r"(?<=\S\s)(?:[,.，。、]|@-@|&apos;\w+)(?=\s|$)")
_ATTACHED = re.compile(r"(?<=[^\s.,])[,.](?=\s|$)|(?<=\S)[，。、]")


def is_tokenised(lines: Sequence[str]) -> bool | None:
    """Whether commas and full stops stand apart from the words; None if unclear.

    Other marks tell nothing: French writes ``Ah !``, Hindi a space before its danda.
    """
    apart = sum(len(_APART.findall(line)) for line in lines)
    attached = sum(len(_ATTACHED.findall(line)) for line in lines)
    if apart > 2 * attached and apart * 20 > len(lines):  # not a slip of the pen
        return True
    return False if attached and attached >= apart else None


def common_form(texts: Iterable[Sequence[str]]) -> str | None:
    """The form of several texts; None where they show none, or not the same."""
    found = {is_tokenised(lines) for lines in texts} - {None}
    if len(found) != 1:
        return None
    return TOKENISED if found.pop() else DETOKENISED
