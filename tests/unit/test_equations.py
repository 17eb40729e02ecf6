"""docs/equations.md: what it names is there, and no equation is left out."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from conftest import ROOT

PAGE = ROOT / "docs" / "equations.md"
NUMBERED = {"He 2023": 6, "Lin 2021": 2, "Xie 2021": 11, "Cao 2024": 6, "Li 2022": 16}
APPENDICES = {
    "He 2023": "BCG",
    "Lin 2021": "",
    "Xie 2021": "AB",
    "Cao 2024": "ABC",
    "Li 2022": "ABCD",
}
NAMED = re.compile(r"`((?:lass_plugin|tests|configs)/[\w./]+)(?::([\w.]+))?`")


def rows() -> dict[str, list[list[str]]]:
    """Paper -> rows of its table, each with four cells."""
    found: dict[str, list[list[str]]] = {}
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            paper = line[3:]
            found[paper] = []
        elif line.startswith("| ") and not line.startswith("| |"):
            cells = re.split(r"(?<!\\)\|", line.strip("| "))
            found[paper].append([cell.strip() for cell in cells])
    return found


@cache
def names(path: Path) -> set[str]:
    """What a file defines, methods with the name of their class."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            inner = [each for each in node.body if isinstance(each, ast.FunctionDef)]
            found |= {f"{node.name}.{each.name}" for each in inner}
            found |= {each.name for each in inner}
    return found


@pytest.mark.parametrize("paper", NUMBERED)
def test_every_equation_and_appendix_is_listed(paper):
    listed: set[int] = set()
    for first, *_ in rows()[paper]:
        if numbers := re.fullmatch(r"Eq\. (\d+)(?:–(\d+))?", first):
            start = int(numbers[1])
            listed |= set(range(start, int(numbers[2] or start) + 1))
    assert listed == set(range(1, NUMBERED[paper] + 1))
    firsts = {row[0] for row in rows()[paper]}
    assert {f"Appendix {letter}" for letter in APPENDICES[paper]} <= firsts


@pytest.mark.parametrize("paper", [*NUMBERED, "Tan 2024", "Ansell 2022"])
def test_what_is_named_is_there(paper):
    for row in rows()[paper]:
        assert len(row) == 4, row
        for cell, kind in ((row[2], ("lass_plugin", "configs")), (row[3], ("tests",))):
            found = NAMED.findall(cell)
            assert found and all(path.startswith(kind) for path, _ in found), row
            for path, name in found:
                assert (ROOT / path).exists(), path
                assert not name or name in names(ROOT / path), f"{path}:{name}"
