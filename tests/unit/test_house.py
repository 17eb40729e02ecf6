"""The house: imports run downwards, files are short, calls are written out."""

import ast
import re
from functools import cache
from pathlib import Path

from conftest import ROOT

PACKAGE = ROOT / "lass_plugin"

FLOORS = """
errors
streams
files signals devices
tensor_files registry settings languages locks
language_families language_names resource_types schedules places
anatomy selection
scores records
corpora data models
checkpoints
fairseq_fixes
masks
training
optim options
methods
criterions
tasks
evaluation
tables analysis neurons
papers
experiments
report_page
cli
""".split("\n")[1:-1]
"""Rooms from the ground up; those of one line stand on the same floor."""

UPWARDS: dict[tuple[str, str], str] = {}
"""Imports that run upwards all the same -> why; at most two."""

MOST_LINES = 400


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports() -> dict[str, set[str]]:
    """Module -> modules of this package that it imports, inside functions too."""
    known = modules()
    found: dict[str, set[str]] = {}
    for name, path in known.items():
        found[name] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [each if each in known else node.module for each in names]
            found[name] |= {each for each in names if each in known and each != name}
    return found


def room(module: str) -> str:
    return (module.split(".") + [""])[1]


def floor(module: str) -> int:
    """Number of its floor; the package itself imports nothing."""
    return next(n for n, rooms in enumerate(FLOORS) if room(module) in rooms.split())


def test_every_room_has_a_floor_and_is_in_the_docstring_of_the_package():
    docstring = ast.get_docstring(ast.parse((PACKAGE / "__init__.py").read_text()))
    for module in modules():
        if module != "lass_plugin":
            floor(module)
            assert re.search(rf"\b{room(module)}\b", docstring), module


def test_imports_run_downwards():
    found = {
        (module, other)
        for module, others in imports().items()
        for other in others - {"lass_plugin"}
        if module != "lass_plugin" and floor(other) > floor(module)
    }
    assert found == UPWARDS.keys() and len(UPWARDS) <= 2


def test_no_file_imports_itself_by_way_of_others():
    graph = imports()
    state: dict[str, int] = {}
    circles = []

    def visit(module: str, way: tuple[str, ...]) -> None:
        state[module] = 1
        for other in graph[module]:
            if state.get(other) == 1:
                circles.append((*way, module, other))
            elif other not in state:
                visit(other, (*way, module))
        state[module] = 2

    for module in graph:
        if module not in state:
            visit(module, ())
    assert not circles, circles


def test_files_are_short():
    lengths = {
        name: len(path.read_text().splitlines()) for name, path in modules().items()
    }
    long = {name: length for name, length in lengths.items() if length > MOST_LINES}
    assert not long, long
    assert len((ROOT / "README.md").read_text().splitlines()) <= 250


def test_arguments_are_written_one_by_one():
    """No ``*(a, b)`` in a call, a list or a tuple that only saves lines."""
    found = []
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Starred) and isinstance(
                node.value, (ast.Tuple, ast.List)
            ):
                found.append(f"{name}:{node.lineno}")
    assert not found, found


def test_docstrings_begin_with_a_noun_or_a_verb():
    found = []
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(
                node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)
            ):
                continue
            first = (ast.get_docstring(node) or "").partition(" ")[0]
            if first in ("Of", "Those", "That", "These"):
                found.append(f"{name}: {getattr(node, 'name', 'module')}")
    assert not found, found


def test_text_is_opened_with_its_encoding():
    """Else it is read in another one where the locale says so."""
    opens = {"open": 1, "read_text": 0, "write_text": 0, "fdopen": 1}
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            owner = getattr(getattr(node.func, "value", None), "id", "")
            told = {word.arg for word in node.keywords}
            if called in ("run", "Popen", "check_output"):
                assert not told & {"text", "universal_newlines"}, (name, node.lineno)
            attribute = isinstance(node.func, ast.Attribute)
            if called not in opens or attribute == (called == "open"):
                continue  # of an archive or a descriptor
            if owner == "files" or (called == "write_text" and not attribute):
                continue  # our own
            mode = node.args[opens[called]] if len(node.args) > opens[called] else None
            binary = "b" in str(getattr(mode, "value", "b" if mode else ""))
            assert binary or "encoding" in told, (name, node.lineno)


def test_one_room_renames_files():
    """Elsewhere a link would be replaced by what it was to point to."""
    for name, path in modules().items():
        if name != "lass_plugin.files":
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"os\.(replace|rename)\b|shutil\.move", text), name
