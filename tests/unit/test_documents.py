"""README.md, docs/, scripts/ and configs/: what they name is there.

That is: linked files and headings, files, commands of ``lass`` and options.
"""

import argparse
import re
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest
from conftest import ROOT

from lass_plugin.cli.main import SUBCOMMANDS, build_parser
from lass_plugin.experiments.recipes.reading import read_recipe

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SCRIPTS = sorted((ROOT / "scripts").glob("*.sh"))
CONFIGS = sorted((ROOT / "configs").glob("*/*.yaml"))
ALL = [*PAGES, *SCRIPTS, *CONFIGS]
COMMAND = re.compile(r"(?<![\w./-])lass ([a-z][a-z-]+)(?: ([a-z][a-z\d-]+))?(?![\w-])")
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
SUBSTITUTED = re.compile(r"\$\((lass [^()]*)\)")
"""A command within another one, whose options are its own."""
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FILE = re.compile(
    r"(?<![\w./-])(?:scripts|configs|benchmarks|docs|tests|lass_plugin)/[\w./-]*\w"
)
OF_OTHERS = {
    *("--no-deps", "--no-build-isolation"),  # pip
    *("--model", "--all"),  # spm_encode; test.sh
    *(
        "--dry",
        "--output",
        "--only",
        "--device",
        "--scale",
        "--quick",
    ),  # gpu.sh, run.sh
    *("--collect-only",),  # pytest
    *("--with-peft", "--with-onnx", "--with-ctranslate2"),  # test.sh
    *("--languages", "--valid", "--dev"),  # scripts/flores.py
    "--train",  # scripts/xtreme_samples.py
    *("--config-dir", "--config-name"),  # hydra
}


NUMBERED = {  # of the tables and figures of each paper
    "He 2023": {"Table": 14, "Figure": 4},
    "Lin 2021 (LaSS)": {"Table": 5, "Figure": 7},
    "Xie 2021": {"Table": 3, "Figure": 6},
    "Cao 2024": {"Table": 10, "Figure": 6},
    "Li 2022": {"Table": 5, "Figure": 7},
}


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_of(path: Path) -> str:
    """A page; of a script or configuration its comments."""
    text = path.read_text(encoding="utf-8")
    if path in PAGES:
        return text
    return "\n".join(line for line in text.split("\n") if line.startswith("#"))


def anchor(heading: str) -> str:
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=named)
def test_what_is_linked_is_there(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, fragment = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if fragment:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.M)
            assert fragment in map(anchor, headings), target


@pytest.mark.parametrize("page", ALL, ids=named)
def test_files_that_are_named_are_there(page):
    for name in set(FILE.findall(text_of(page))):
        assert (ROOT / name).exists(), name


@cache
def parsers() -> dict[tuple[str, ...], argparse.ArgumentParser]:
    """The words of every command of ``lass`` -> its parser."""
    found: dict[tuple[str, ...], argparse.ArgumentParser] = {}

    def walk(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> None:
        found[words] = parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name, inner in action.choices.items():
                    walk(inner, (*words, name))

    walk(build_parser(), ())
    return found


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    return {flag for action in parser._actions for flag in action.option_strings}


@cache
def options_of_fairseq() -> set[str]:
    """Of its commands, with those of our tasks and of a transformer."""
    from fairseq import options

    import lass_plugin.models.encoder_architectures  # noqa: F401, registers
    from lass_plugin.tasks import register_tasks

    register_tasks()
    found = options_of(options.get_interactive_generation_parser())
    given = "DATA --arch transformer --criterion label_smoothed_cross_entropy".split()
    for task in (
        "translation_adapters",
        "translation_decoders",
        "translation_gates",
        "translation_lslo",
        "translation_sparse_tuning",
        "translation_subnetwork_search",
    ):
        for scheduler in ("inverse_sqrt", "polynomial_decay"):
            parser = options.get_training_parser()
            more = ["--task", task, "--optimizer", "adam", "--lr-scheduler", scheduler]
            # nothing of the given values is used: only what the parser has become
            options.parse_args_and_arch(
                parser, [*given, *more], suppress_defaults=False
            )
            found |= options_of(parser)
    parser = options.get_training_parser()
    given = "DATA --arch roberta --criterion masked_lm_distillation".split()
    given += ["--task", "masked_lm_languages"]
    options.parse_args_and_arch(parser, given, suppress_defaults=False)
    return found | options_of(parser)


def commands(text: str) -> list[tuple[tuple[str, ...], set[str]]]:
    """The commands of ``lass`` in *text*, each with its options before a lone --."""
    found = []
    joined = re.sub(r"\\\n[# ]*", " ", text)
    joined = "\n".join([SUBSTITUTED.sub(" ", joined), *SUBSTITUTED.findall(joined)])
    for line in re.split(r"\n|`| \| |; |, then ", joined):
        matches = list(COMMAND.finditer(line))
        ends = [*(match.start() for match in matches[1:]), len(line)]
        for match, end in zip(matches, ends if matches else (), strict=True):
            words = tuple(word for word in match.groups() if word)
            while words and words not in parsers():
                words = words[:-1]
            given = line[match.start() : end].split(" -- ")[0]
            if words:
                found.append((words, set(OPTION.findall(given))))
    return found


def test_help_shows_backslashes_as_they_are_typed():
    for words, parser in parsers().items():
        assert "\t" not in (parser.description or ""), words


@pytest.mark.parametrize("page", ALL, ids=named)
def test_options_are_those_of_their_command(page):
    for words, given in commands(page.read_text(encoding="utf-8")):
        unknown = given - options_of(parsers()[words])
        assert not unknown, f"lass {' '.join(words)} has no {', '.join(unknown)}"


@pytest.mark.parametrize("page", ALL, ids=named)
def test_every_option_is_one_of_a_command(page):
    known = options_of_fairseq().union(OF_OTHERS, *map(options_of, parsers().values()))
    unknown = set(OPTION.findall(text_of(page))) - known
    assert not unknown, unknown


@pytest.mark.parametrize("page", ALL, ids=named)
def test_every_command_is_there(page):
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"(?:`|'|^|^#? {3,})lass ([a-z][a-z-]+)", text, re.M):
        assert (name,) in parsers(), f"there is no lass {name}"


def test_the_lists_of_commands_and_pages_are_whole():
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `lass ([\w-]+)`", page, re.M)) == set(SUBCOMMANDS)
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert {f"docs/{name}" for name in LINK.findall(index)} == {
        named(path) for path in PAGES[1:] if path.name != "README.md"
    }


@pytest.mark.parametrize("paper", NUMBERED)
def test_every_table_and_figure_is_listed_with_a_command(paper):
    page = (ROOT / "docs" / "tables_and_figures.md").read_text(encoding="utf-8")
    lines = page.split(f"## {paper}\n")[1].split("\n## ")[0].splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    found: dict[str, set[int]] = {"Table": set(), "Figure": set()}
    for first, *cells in rows[1:]:
        assert all(cells) and len(cells) in (1, 2), (first, cells)
        assert "`" in cells[-1] or cells[-1] in ("a drawing", "drawings"), first
        if match := re.fullmatch(r"(Table|Figure)s? (\d+)(?:(, |–)(\d+))?", first):
            numbers = [int(match[2]), int(match[4] or match[2])]
            if match[3] == "–":
                numbers = list(range(numbers[0], numbers[1] + 1))
            found[match[1]] |= set(numbers)
    for kind, last in NUMBERED[paper].items():
        assert found[kind] == set(range(1, last + 1)), kind


def test_every_format_of_a_record_is_described():
    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    described = " ".join(page.split())
    declared = re.compile(r'RecordFormat\(\s*"(lass_plugin [\w -]+)"')
    for path in (ROOT / "lass_plugin").rglob("*.py"):
        for name in declared.findall(path.read_text(encoding="utf-8")):
            # what has no mark is preparation.json; a list of sizes is never written
            if name not in ("lass_plugin preparation", "lass_plugin sizes"):
                assert f"`{name}`" in described, name


def test_every_option_of_the_tasks_is_described():
    from lass_plugin.methods.adapters.options import TranslationAdaptersConfig
    from lass_plugin.methods.gates.options import TranslationGatesConfig
    from lass_plugin.methods.lowrank.options import TranslationLsloConfig
    from lass_plugin.methods.search.options import TranslationSubnetworkSearchConfig
    from lass_plugin.options import MaskedLmLanguagesConfig

    page = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    named = set(OPTION.findall(page))
    for kind in (
        TranslationAdaptersConfig,
        TranslationGatesConfig,
        TranslationLsloConfig,
        TranslationSubnetworkSearchConfig,
        MaskedLmLanguagesConfig,
    ):
        for option in fields(kind):
            flag = f"--{option.name.replace('_', '-')}"
            if "help" in option.metadata and option.name != "data":
                aliases = {flag, option.metadata.get("argparse_alias")}
                assert named & aliases or f"`{aliases.pop()}`" in page, flag


def defaults_of_recipe(name: str, text: str) -> dict[str, str]:
    """Variable of the environment -> default of the recipe's, as *text* maps them."""
    variables = read_recipe(ROOT / "configs" / "recipes" / f"{name}.yaml").variables
    found = {}
    for own, variable in re.findall(r"\b([a-z_]+)=([A-Z_]+)\b", text):
        if own in variables and "$" not in (value := variables[own]):
            found[variable] = value if isinstance(value, str) else " ".join(value)
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=named)
def test_variables_have_the_defaults_that_are_said(script):
    text = script.read_text(encoding="utf-8")
    calls_a_recipe = re.search(r"^recipe (\w+)", text, re.M)
    name = "recipe.sh" if calls_a_recipe else "comparison.sh"
    shared = (ROOT / "scripts" / name).read_text(encoding="utf-8")
    defaults = dict(re.findall(r"\$\{([A-Z_]+):?-([^{}$]+)\}", shared + text))
    if calls_a_recipe:
        defaults |= defaults_of_recipe(calls_a_recipe[1], shared + text)
    said = re.findall(
        r"""\b([A-Z_]{3,})=('[^']*'|"[^"]*"|[\w.,:;]*\w)""", text_of(script)
    )
    for name, value in said:
        if name in defaults and name not in ("CUDA", "ONLY"):  # examples of what to set
            assert value.strip("'\"") == defaults[name].strip("'"), name
