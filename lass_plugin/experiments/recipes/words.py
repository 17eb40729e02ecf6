"""Variables in the text of a recipe, and the words of a command that text becomes.

=================  =================================================================
``${name}``        the value; as a word by itself a list is as many words
``${name,}``       a list in one word, joined by commas
``${name...}``     by itself: what is between the commas of a text, as many words
``${name.1}``      the first of a list, or of what is between the commas of a text
``${name*}``       of languages, all directions between them: ``de-en,en-de``
``${#name}``       how many there are
``${a / b}``       whole numbers: ``+ - * /``, and ``< > =`` for 1 or 0
``[ … ]``          words that are left out where a variable in them is empty
``[ … ]...``       words once for each value of the lists in them
``$$``             ``$``
=================  =================================================================
"""

import itertools
import operator
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from lass_plugin.errors import LassError

Value = str | tuple[str, ...]
"""A text, or the words of a list."""

NAME = r"[a-z_][a-z0-9_]*"
_PLACE = re.compile(r"\$(?:\$|\{([^{}]*)(\}?))")
_ARITHMETIC = re.compile(rf"({NAME}|#{NAME}|\d+)\s*([-+*/<>=])\s*({NAME}|#{NAME}|\d+)")
_OPERATORS: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.floordiv,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
OPEN, CLOSE, REPEAT = "[", "]", "]..."


def nearest(name: str, known: Sequence[str]) -> str:
    """The end of a sentence: what was meant, or all that there is."""
    if close := get_close_matches(name, known, 1, 0.5):
        return f"did you mean {close[0]}?"
    return f"there are {', '.join(known)}" if known else "there are none"


class Scope:
    """Variables that can be put into text.

    Args:
        given: name -> value as the recipe writes it, a text or a list of texts, which
            may have variables in them; or a function that makes it.
    """

    def __init__(self, given: Mapping[str, Any]):
        self._given = dict(given)
        self._busy: list[str] = []

    def within(self, more: Mapping[str, Any]) -> "Scope":
        """The scope with *more* variables, which win."""
        return Scope({**self._given, **more})

    def value(self, name: str) -> Value:
        """What *name* stands for.

        Raises:
            LassError: it is not defined, or by itself.
        """
        if name not in self._given:
            raise LassError(
                f"the variable {name} is not defined; {nearest(name, [*self._given])}"
            )
        if name in self._busy:
            way = " → ".join([*self._busy[self._busy.index(name) :], name])
            raise LassError(f"the variable {name} is defined by itself: {way}")
        given = self._given[name]
        if callable(given):
            given = self._given[name] = given()
        self._busy.append(name)
        try:
            if isinstance(given, str):
                return self.text(given)
            return tuple(word for part in given for word in self.words(part))
        finally:
            self._busy.pop()

    def text(self, template: str) -> str:
        """*template* with its variables put in.

        Raises:
            LassError: a variable is not defined, or is a list.
        """

        def put(found: re.Match[str]) -> str:
            if found[2] == "":
                raise LassError(f"${{{found[1]} is not closed in {template!r}")
            return self._put(found[1])

        return _PLACE.sub(put, template)

    def _put(self, inside: str | None) -> str:
        if inside is None:
            return "$"
        inside = inside.strip()
        if found := _ARITHMETIC.fullmatch(inside):
            return self._calculated(found[1], found[2], found[3])
        if inside.startswith("#"):
            return str(self._number(inside))
        if found := re.fullmatch(rf"({NAME})\*", inside):
            return _directions(items(self.value(found[1])))
        if found := re.fullmatch(rf"({NAME})\.(\d+)", inside):
            return self._item(found[1], int(found[2]))
        joined, name = inside.endswith(","), inside.removesuffix(",")
        if not re.fullmatch(NAME, name):
            raise LassError(
                f"${{{inside}}} is no variable; see 'lass run --help' for the forms"
            )
        value = self.value(name)
        if joined:
            return value if isinstance(value, str) else ",".join(value)
        if not isinstance(value, str):
            raise LassError(
                f"{name} is a list; as ${{{name},}} it is one word, as ${{{name}}} it "
                "has to stand by itself"
            )
        return value

    def _item(self, name: str, number: int) -> str:
        several = items(self.value(name))
        if not 1 <= number <= len(several):
            raise LassError(f"{name} has {len(several)} values, no number {number}")
        return several[number - 1]

    def _calculated(self, left: str, sign: str, right: str) -> str:
        one, other = self._number(left), self._number(right)
        if sign == "/" and other == 0:
            raise LassError(f"${{{left} {sign} {right}}} divides by 0")
        return str(int(_OPERATORS[sign](one, other)))

    def _number(self, word: str) -> int:
        if word.startswith("#"):
            return len(items(self.value(word[1:])))
        if word.isdigit():
            return int(word)
        value = self.value(word)
        if isinstance(value, str) and re.fullmatch(r"-?\d+", value):
            return int(value)
        raise LassError(f"the variable {word} must be a whole number, not {value!r}")

    def words(self, template: str) -> list[str]:
        """The words of *template*, quoted as in a shell, with the variables put in.

        Raises:
            LassError: a quotation or a bracket is not closed, or see :meth:`value`.
        """
        template = _PLACE.sub(lambda found: re.sub(r"\s", "", found[0]), template)
        try:
            tokens = shlex.split(template)
        except ValueError as error:
            raise LassError(f"{template!r} cannot be split: {error}") from error
        words: list[str] = []
        position = 0
        while position < len(tokens):
            token = tokens[position]
            if token in (CLOSE, REPEAT):
                raise LassError(f"{token} closes nothing in {template!r}")
            if token == OPEN:
                end = _end(tokens, position, template)
                inner = tokens[position + 1 : end]
                repeated = tokens[end] == REPEAT
                words += self._repeated(inner) if repeated else self._optional(inner)
                position = end
            else:
                words += self._word(token)
            position += 1
        return words

    def _word(self, token: str) -> list[str]:
        if found := re.fullmatch(rf"\$\{{({NAME})(\.\.\.)?\}}", token):
            value = self.value(found[1])
            if found[2]:
                return items(value)
            return [value] if isinstance(value, str) else list(value)
        return [self.text(token)]

    def _optional(self, tokens: Sequence[str]) -> list[str]:
        if any(not self.value(name) for name in _named(tokens)):
            return []
        return [word for token in tokens for word in self._word(token)]

    def _repeated(self, tokens: Sequence[str]) -> list[str]:
        names = dict.fromkeys(_named(tokens))
        values = {name: self.value(name) for name in names}
        lists = {name: v for name, v in values.items() if not isinstance(v, str)}
        if not lists:
            raise LassError(f"[ {' '.join(tokens)} ]... has no list to go through")
        words: list[str] = []
        for each in itertools.product(*lists.values()):
            one = {name: _plain(v) for name, v in zip(lists, each, strict=True)}
            words += [self.within(one).text(token) for token in tokens]
        return words


def _directions(languages: Sequence[str]) -> str:
    return ",".join(f"{a}-{b}" for a, b in itertools.permutations(languages, 2))


def items(value: Value) -> list[str]:
    """What there is in a list, or between the commas of a text."""
    if not isinstance(value, str):
        return list(value)
    return [each.strip() for each in value.split(",") if each.strip()]


def _plain(text: str) -> str:
    """A template that gives *text*."""
    return text.replace("$", "$$")


def _named(tokens: Sequence[str]) -> Iterator[str]:
    """Names of the variables in *tokens*."""
    for token in tokens:
        for found in _PLACE.finditer(token):
            yield from re.findall(NAME, found[1] or "")


def _end(tokens: Sequence[str], start: int, template: str) -> int:
    """Place of the bracket that closes the one at *start*."""
    for position in range(start + 1, len(tokens)):
        if tokens[position] == OPEN:
            raise LassError(f"a bracket within a bracket in {template!r}")
        if tokens[position] in (CLOSE, REPEAT):
            return position
    raise LassError(f"a bracket is not closed in {template!r}")
