"""Options declared once, as the fields of a settings class."""

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.records.plain_settings import identity, record
from lass_plugin.schedules import check_ratio
from lass_plugin.settings import (
    OneOf,
    Settings,
    add_options,
    argument,
    flag_of,
    given,
    including,
    needless,
    option,
    parse_words,
    passed_on,
    read_options,
    required,
    switch,
)

LENGTH = OneOf(required=True)


@dataclass(frozen=True, kw_only=True)
class Beam(Settings):
    """Options of a part."""

    beam: int = option(5, "beam (default: %(default)s)", group="search", least=1)
    fast: bool = switch("be quick", group="search", matters=False)


@dataclass(frozen=True, kw_only=True)
class Common(Settings):
    """Options that commands share."""

    data: Path = argument("data folder", metavar="DATA")
    out: Path = required("where to", metavar="DIR")


@dataclass(frozen=True, kw_only=True)
class Example(Common):
    """One command."""

    pairs: tuple[Pair, ...] = option((), "directions", parse=parse_pairs)
    pair: Pair | None = option(None, "one direction", metavar="SRC-TGT")
    ways: tuple[str, ...] = option(
        ("a", "b"), "ways (default: %(default)s)", choices=("a", "b", "c")
    )
    ratio: float = option(0.5, "share (default: %(default)s)", check=check_ratio)
    by: str = option("all", "part", choices=("all", "layer"))
    least: int | None = option(None, "count", flags="--min-count", metavar="N", least=1)
    source: str | None = option(None, flags=("--from", "--source"))
    searches: tuple[Path, ...] = option((), "folders", nargs="+")
    systems: tuple[str, ...] = option((), "a system", flags="--system", repeated=True)
    names: dict = option(None, "slow", parse="json:loads")
    updates: int | None = option(None, "how long", group=LENGTH)
    losses: bool = switch("no training", group=LENGTH)
    decoding: Beam = including(Beam)
    flags: tuple[str, ...] = passed_on()

    def check(self) -> None:
        super().check()
        if self.losses:
            needless(self, ("beam", "by"), "with --losses")


PLAIN = ("data", "--out", "out", "--losses")


def read(*words: object) -> Example:
    return parse_words(Example, words)


def test_defaults_are_those_of_the_class():
    settings = read(*PLAIN)
    assert settings == Example(data=Path("data"), out=Path("out"), losses=True)
    assert (settings.ways, settings.searches, settings.flags) == (("a", "b"), (), ())


def test_values_are_read_as_annotated():
    settings = read(
        *("data", "--out", "out", "--updates", 3, "--pairs", "de-en,en-de"),
        *("--pair", "de-en", "--ways", "c, a", "--ratio", "0.25", "--by", "layer"),
        *("--min-count", 2, "--source", "x", "--searches", "s", "t", "--system", "one"),
        *("--system", "two", "--names", '{"a": 1}', "--beam", 2, "--fast"),
        *("--", "--lr", "0.1", "--", "more"),
    )
    assert settings.pairs == (Pair("de", "en"), Pair("en", "de"))
    assert (settings.pair, settings.ways) == (Pair("de", "en"), ("c", "a"))
    assert (settings.ratio, settings.by, settings.least) == (0.25, "layer", 2)
    assert (settings.source, settings.updates) == ("x", 3)
    assert settings.searches == (Path("s"), Path("t"))
    assert (settings.systems, settings.names) == (("one", "two"), {"a": 1})
    assert settings.decoding == Beam(beam=2, fast=True)
    assert settings.flags == ("--lr", "0.1", "--", "more")


def test_some_options_of_included_settings_are_the_commands():
    @dataclass(frozen=True, kw_only=True)
    class Some(Settings):
        """A command that has one option of a part, and another of the same name."""

        decoding: Beam = including(Beam, "beam")
        fast: bool = switch("of the command, not of the part")

    found = parse_words(Some, ["--beam", "3", "--fast"])
    assert found.decoding == Beam(beam=3) and found.fast
    assert given(found) == ["beam", "fast"]
    with pytest.raises(LassError, match="--beam must be 1 or more, not 0"):
        parse_words(Some, ["--beam", "0"])


def test_options_that_name_no_group_are_in_that_of_their_class():
    @dataclass(frozen=True, kw_only=True)
    class Grouped(Settings):
        """A command whose options stand in groups."""

        GROUP = "plain"
        data: str = argument("no option")
        one: int = option(1, "of the class")
        two: int = option(2, "of another", group="other")

    parser = argparse.ArgumentParser()
    add_options(parser, Grouped)
    groups = {group.title: group for group in parser._action_groups}
    names = {
        title: [action.dest for action in group._group_actions]
        for title, group in groups.items()
    }
    assert names["plain"] == ["one"] and names["other"] == ["two"]
    assert names["positional arguments"] == ["data"]


def test_record_is_plain_and_given_names_what_differs():
    settings = read(*PLAIN, "--ways", "b", "--pair", "de-en", "--fast")
    assert given(settings) == ["pair", "ways", "losses", "fast"]
    values = record(settings)
    assert values["pair"] == "de-en" and values["out"] == "out"
    assert values["decoding"] == {"beam": 5, "fast": True}
    assert values["ways"] == ["b"] and values["least"] is None
    assert list(values)[:3] == ["data", "out", "pairs"]


def test_the_identity_is_what_results_depend_on():
    words = ("--min-count", "3", "--searches", "a", "--fast", "--beam", "4")
    values = identity(read(*PLAIN[:3], "--updates", "5", *words, "--", "--lr", "1"))
    assert values["min-count"] == 3 and values["beam"] == 4
    assert not {"out", "searches", "fast", "flags", "least"} & values.keys()
    assert values["ways"] == ["a", "b"] and values["losses"] is False


@pytest.mark.parametrize(
    "words, message",
    [
        (("--pairs", "deen"), "'deen' is not a language pair"),
        (("--pairs", ""), "--pairs is empty"),
        (("--out", ""), "--out is empty"),  # and not the folder of now
        (("--ways", "a,d"), "--ways d is unknown; choose from a, b, c"),
        (("--ratio", "1"), "--ratio"),
        (("--min-count", "0"), "--min-count must be 1 or more, not 0"),
        (("--beam", "0"), "--beam must be 1 or more, not 0"),
        (("--beam", "3"), "--beam has no effect with --losses; leave it out"),
        (("--beam", "5"), "--beam has no effect with --losses"),  # its default, given
    ],
)
def test_mistakes_are_named(words, message):
    with pytest.raises(LassError, match=message):
        read(*PLAIN, *words)


@pytest.mark.parametrize(
    "words",
    [
        ("data", "--losses"),
        ("data", "--out", "o"),
        (*PLAIN, "--updates", "3"),
        (*PLAIN, "--by", "word"),
        (*PLAIN, "--ratio", "much"),
    ],
)
def test_argparse_refuses_what_it_knows(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        read(*words)
    assert stopped.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_help_shows_groups_names_and_defaults():
    parser = argparse.ArgumentParser()
    add_options(parser, Example)
    text = parser.format_help()
    for words in (
        "--out DIR",
        "--min-count N",
        "ways (default: a,b)",
        "share (default: 0.5)",
        "beam (default: 5)",
        "--from SOURCE, --source SOURCE",
        "--by {all,layer}",
        "(--updates UPDATES | --losses)",
    ):
        assert words in text, text
    assert text.index("\nsearch:") < text.index("--beam BEAM  ")


def test_names_are_those_of_the_command_line():
    assert flag_of(Example, "least") == "--min-count"
    assert flag_of(Example, "data") == "DATA"
    assert flag_of(Example, "fast") == "--fast"
    with pytest.raises(KeyError):
        flag_of(Example, "nothing")


def test_a_namespace_is_read_without_a_parser_of_its_own():
    parser = argparse.ArgumentParser()
    modes = parser.add_subparsers(dest="mode")
    add_options(modes.add_parser("one"), Example)
    words = ["one", *PLAIN, "--min-count", "4", "--", "--lr", "1"]
    settings = read_options(Example, parser.parse_args(words))
    assert (settings.least, settings.flags) == (4, ("--lr", "1"))


def test_annotations_of_text_need_a_parser():
    @dataclass(frozen=True, kw_only=True)
    class Quoted(Settings):
        pair: "Pair | None" = option(None)

    with pytest.raises(TypeError, match="pair is annotated with text"):
        add_options(argparse.ArgumentParser(), Quoted)


def test_the_options_of_all_commands_are_known_without_torch():
    code = (
        "import sys\n"
        "from lass_plugin.cli.main import build_parser\n"
        "build_parser()\n"
        "print(*sorted({'torch', 'fairseq', 'numpy'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "\n"), found.stderr + found.stdout


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_what_is_no_number_is_refused(number):
    with pytest.raises(LassError, match="--ratio -?(nan|inf) is no number"):
        read(*PLAIN, f"--ratio={number}")
