'''Settings: a dataclass whose fields are a command's options, declared once.

A field says the option's name, default, help and checks; the instance is what the
command and the code below it work with, and what a stage or a report records:

    @dataclass(frozen=True, kw_only=True)
    class CutSettings(Settings):
        """What is cut, and where it goes."""

        data: Path = argument("folder of binarized data", metavar="DATA")
        out: Path = required("folder for the masks", metavar="DIR")
        pairs: tuple[Pair, ...] = option((), "directions", parse=parse_pairs)
        ratio: float = option(0.5, "share removed (default: %(default)s)", least=0)
        seed: int = option(1, "of random masks", group="control")
        random: bool = switch("draw the masks instead", group="control")

        def check(self) -> None:
            super().check()
            if not self.random:
                needless(self, "seed", "without --random")

Base classes hold the options that several commands share; a field made with
:func:`including` holds another settings class whose options are the command's too. A
group is a title, or an :class:`OneOf` for options that exclude each other. An option
is called like its field (``min_count``: ``--min-count``) unless ``flags`` says another
name, and read as its annotation says: ``int``, ``float``, ``str``, ``Path``, such or
None, a class with a ``parse(text)``, or a tuple of these (words separated by commas,
or with ``nargs`` or ``repeated`` words of their own). ``parse`` reads it otherwise:
a function, or the name ``"lass_plugin.module:function"`` of one that is slow to import.

A subcommand is a module with HELP, a docstring, ``SETTINGS`` and ``run(settings)``.
Settings are imported for ``lass --help``, so neither they nor the ``__init__`` of their
package may import torch, fairseq or numpy; a slow module is imported where it is used.
'''

import argparse
import math
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from types import UnionType
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin

from lass_plugin.errors import LassError

_KEY = "option"
_STATED = "_stated"
"""Where an instance keeps the names of the options that the user gave."""
REMAINDER = argparse.REMAINDER

Parse = Callable[[str], Any] | str
"""What makes a value of text; ``"module:function"`` is imported only when used."""


@dataclass(frozen=True, eq=False)
class OneOf:
    """Options of which one at most is given, or exactly one where it is *required*."""

    required: bool = False


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a field says of its option, beside its name, type and default."""

    help: str | None = None
    """As in argparse; ``%(default)s`` stands for the default."""
    flags: str | tuple[str, ...] = ()
    """Names other than that of the field, such as ``"--from"``."""
    metavar: str | None = None
    choices: Sequence[Any] | None = None
    """Values to choose from (for each word, where there are several)."""
    nargs: str | None = None
    """``"+"`` for several words after the option, ``"?"`` for one or none."""
    bare: str | None = None  # the word of an option of "?" that is given without one
    repeated: bool = False
    """Whether the option is given once for each word."""
    group: str | OneOf | None = None
    """Title of the group in the help, or the options that exclude this one."""
    parse: Parse | None = None
    """Reads the text, or each word of several; a list becomes a tuple."""
    least: float | None = None
    """Lowest number allowed."""
    check: Callable[[Any, str], Any] | None = None
    """Refuses a value, given it and the option's name."""
    positional: bool = False
    matters: bool = True
    """Whether results depend on it, see :func:`.plain_settings.identity`."""
    included: "type[Settings] | None" = None
    only: tuple[str, ...] = ()
    """The options of *included* that are the command's, empty for all."""


def option(default: Any, help: str | None = None, **declared: Any) -> Any:
    """Declare an option with its default; *declared* as in :class:`Declared`."""
    one = Declared(help=help, **declared)
    return field(default=default, metadata={_KEY: one})


def required(help: str | None = None, **declared: Any) -> Any:
    """Declare an option that must be given; *declared* as in :func:`option`."""
    return option(MISSING, help, **declared)


def count(default: int | None, help: str | None = None, **declared: Any) -> Any:
    """Declare an option for a number of things, 1 or more."""
    return option(default, help, metavar="N", least=1, **declared)


def switch(help: str | None = None, **declared: Any) -> Any:
    """Declare an option without a value: False unless it is given."""
    return option(False, help, **declared)


def argument(help: str | None = None, **declared: Any) -> Any:
    """Declare a positional argument; *declared* as in :func:`option`."""
    return option(MISSING, help, positional=True, **declared)


def including(settings: "type[Settings]", *only: str) -> Any:
    """Declare a field for an instance of *settings*, whose options are added.

    Args:
        only: names of the options to add, the others keep their defaults; none for all.
    """
    one = Declared(included=settings, only=only)
    return field(default_factory=settings, metadata={_KEY: one})


def passed_on() -> Any:
    """Declare the field for flags after ``--``, meant for another program."""
    return field(default=(), metadata={_KEY: Declared(nargs=REMAINDER)})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What every settings class is based on."""

    GROUP: ClassVar[str | None] = None
    """The group of those options of the class that name none."""

    def check(self) -> None:
        """Refuse what cannot be carried out; subclasses add to it.

        Raises:
            LassError: names the option at fault.
        """
        for one, declared, value in each_option(self):
            words = value if isinstance(value, tuple) else (value,)
            for word in words:
                _check_value(_flag(one, declared), declared, word)


def _check_value(flag: str, declared: Declared, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, float) and not math.isfinite(value):
        raise LassError(f"{flag} {value} is no number to work with; give another")
    if declared.least is not None and not value >= declared.least:
        raise LassError(f"{flag} must be {declared.least} or more, not {value}")
    if declared.choices is not None and value not in declared.choices:
        known = ", ".join(map(str, declared.choices))
        raise LassError(f"{flag} {value} is unknown; choose from {known}")
    if declared.check is not None:
        declared.check(value, flag)


S = TypeVar("S", bound=Settings)


def add_options(parser: argparse.ArgumentParser, settings: type[Settings]) -> None:
    """Add the options of *settings* to *parser*, in the order of its fields."""
    places: dict[str | OneOf | None, Any] = {None: parser}
    for one, declared, _ in each_option(settings):
        if declared.nargs == REMAINDER:
            parser.parse_known_args = _PassingOn(parser, one.name)  # type: ignore
            continue
        group = declared.group
        if group not in places:
            if isinstance(group, OneOf):
                exclusive = parser.add_mutually_exclusive_group(required=group.required)
                places[group] = exclusive
            else:
                places[group] = parser.add_argument_group(group)
        _add_option(places[group], one, declared)


def _add_option(place: Any, one: Field, declared: Declared) -> None:
    """Add one option to a parser or to a group of it."""
    about: dict[str, Any] = {"help": declared.help, "metavar": declared.metavar}
    if one.type is bool:
        about = {"help": declared.help, "action": "store_true"}
    else:
        kind, several = _kind(one, declared)
        if not _by_commas(declared, several):
            about["choices"] = declared.choices
            if kind in (int, float):
                about["type"] = kind
        words = {"nargs": declared.nargs, "const": declared.bare}
        about |= {name: each for name, each in words.items() if each is not None}
        if declared.repeated:
            about["action"] = "append"
        elif one.default is not MISSING:
            about["default"] = _Default(one.default)
    if declared.positional:
        place.add_argument(one.name, **about)
        return
    if one.default is MISSING and not isinstance(declared.group, OneOf):
        about["required"] = True
    place.add_argument(*_flags(one, declared), dest=one.name, **about)


def read_options(settings: type[S], arguments: argparse.Namespace) -> S:
    """The checked instance of *settings* that was asked for.

    Raises:
        LassError: a value cannot be read, or is refused by ``check``.
    """
    values = {}
    for one, declared in own_options(settings):
        if declared.included is not None:
            wanted = _only(arguments, declared)
            values[one.name] = read_options(declared.included, wanted)
            continue
        given = getattr(arguments, one.name, None)
        absent = given is None or given is False or given == ()
        if not absent and not isinstance(given, _Default):
            values[one.name] = _read(given, one, declared)
    read = settings(**values)
    parts = [value for value in values.values() if isinstance(value, Settings)]
    vars(read)[_STATED] = {*values}.union(*(vars(part)[_STATED] for part in parts))
    read.check()
    return read


def _only(arguments: argparse.Namespace, declared: Declared) -> argparse.Namespace:
    """*arguments* without those that the included settings do not read."""
    if not declared.only:
        return arguments
    known = vars(arguments)
    return argparse.Namespace(**{name: known[name] for name in declared.only})


def parse_words(settings: type[S], words: Sequence[object]) -> S:
    """The instance of *settings* that *words* of a command line stand for."""
    parser = argparse.ArgumentParser()
    add_options(parser, settings)
    return read_options(settings, parser.parse_args([str(word) for word in words]))


def given(settings: Settings) -> list[str]:
    """Names of the options, but for required ones, that the user has given.

    Of settings that were not read from a command: that differ from their defaults.
    """
    stated = vars(settings).get(_STATED, ())
    return [
        one.name
        for one, _, value in each_option(settings)
        if one.default is not MISSING and (value != one.default or one.name in stated)
    ]


def needless(settings: Settings, names: str | Sequence[str], why: str) -> None:
    """Refuse options that would have no effect.

    Args:
        names: of fields, one or several.
        why: such as ``"with --losses-only"``.

    Raises:
        LassError: one of them is given.
    """
    names = (names,) if isinstance(names, str) else names
    for name in given(settings):
        if name in names:
            raise LassError(
                f"{flag_of(settings, name)} has no effect {why}; leave it out"
            )


def flag_of(settings: Settings | type[Settings], name: str) -> str:
    """The option of field *name* as the user writes it."""
    for one, declared, _ in each_option(settings):
        if one.name == name:
            return _flag(one, declared)
    raise KeyError(name)


def own_options(
    settings: Settings | type[Settings],
) -> Iterator[tuple[Field, Declared]]:
    """Fields that are options or hold included settings."""
    for one in fields(settings):
        if _KEY in one.metadata:
            yield one, one.metadata[_KEY]


def each_option(
    settings: Settings | type[Settings],
) -> Iterator[tuple[Field, Declared, Any]]:
    """Options, those of included settings in their place, and values if there are."""
    for one, declared in own_options(settings):
        value = None if isinstance(settings, type) else getattr(settings, one.name)
        if declared.included is not None:
            for inner in each_option(value or declared.included):
                if not declared.only or inner[0].name in declared.only:
                    yield inner
        else:
            if declared.group is None and not declared.positional:
                declared = replace(declared, group=settings.GROUP)
            yield one, declared, value


def _flags(one: Field, declared: Declared) -> tuple[str, ...]:
    flags = declared.flags or f"--{one.name.replace('_', '-')}"
    return (flags,) if isinstance(flags, str) else flags


def _flag(one: Field, declared: Declared) -> str:
    """The option in messages."""
    if declared.positional:
        return declared.metavar or one.name
    return _flags(one, declared)[0]


def _kind(one: Field, declared: Declared) -> tuple[Any, bool]:
    """Type of a value (of each, where it is a tuple), and whether it is a tuple."""
    if declared.parse is not None:
        return None, declared.repeated or declared.nargs is not None
    kind = one.type
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (each for each in get_args(kind) if each is not type(None))
    if get_origin(kind) is tuple:
        return get_args(kind)[0], True
    if isinstance(kind, str):
        raise TypeError(f"{one.name} is annotated with text; say how to parse it")
    return kind, False


def _by_commas(declared: Declared, several: bool) -> bool:
    """Whether several values are one word of the command line."""
    return several and not declared.repeated and declared.nargs is None


def _read(given: Any, one: Field, declared: Declared) -> Any:
    """The value that argparse's *given* stands for."""
    kind, several = _kind(one, declared)
    if "" in (given if isinstance(given, (list, tuple)) else (given,)):
        raise LassError(f"{_flag(one, declared)} is empty; give a value, or none")
    if _by_commas(declared, several):
        given = [word.strip() for word in given.split(",") if word.strip()]
    parse = _parser_of(kind, declared)
    if several:
        return tuple(map(parse, given))
    value = parse(given)
    return tuple(value) if isinstance(value, list) else value


def _parser_of(kind: Any, declared: Declared) -> Callable[[Any], Any]:
    """What makes one value of a word."""
    if isinstance(declared.parse, str):
        return pkgutil.resolve_name(declared.parse)
    if declared.parse is not None:
        return declared.parse
    if hasattr(kind, "parse"):
        return kind.parse
    return lambda word: word if kind in (str, bool) else kind(word)


class _Default:
    """The default of an option, told from the same value given by the user."""

    def __init__(self, value: Any):
        self.value = value

    def __str__(self) -> str:
        """The default as the user would write it."""
        values = self.value if isinstance(self.value, tuple) else (self.value,)
        return ",".join(f"{v:g}" if isinstance(v, float) else str(v) for v in values)


class _PassingOn:
    """Parses what stands before ``--`` and keeps the rest in the field *name*.

    argparse alone would take flags after ``--`` for further positional arguments.
    """

    def __init__(self, parser: argparse.ArgumentParser, name: str):
        self._parse = parser.parse_known_args
        self._name = name

    def __call__(
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        words = list(args or ())
        place = words.index("--") if "--" in words else len(words)
        parsed, unknown = self._parse(words[:place], namespace)
        setattr(parsed, self._name, tuple(words[place + 1 :]))
        return parsed, unknown
