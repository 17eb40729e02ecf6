"""scripts/short_text.py: the short sentences of parallel text."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "short_text.py"


def run(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, SCRIPT, *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    folder = tmp_path / "text"
    folder.mkdir()
    sides = {"en": ["a b", "a b c", "a", "a b"], "de": ["x", "x y", "x y z", "x y"]}
    for language, lines in sides.items():
        whole = "\n".join(lines) + "\n"
        (folder / f"train.en-de.{language}").write_text(whole)
        with gzip.open(folder / f"test.en-de.{language}.gz", "wt") as file:
            file.write(whole)
    return folder


def test_both_sides_of_train_and_the_pivot_of_test_are_short(text, tmp_path):
    done = run(text, tmp_path / "out", "de-en,en-de", 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["train.de-en: 2 of 4", "test.de-en: 3 of 4"]
    found = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert found == {
        "train.de-en.de": "x\nx y\n",
        "train.de-en.en": "a b\na b\n",
        "test.de-en.de": "x\nx y z\nx y\n",
        "test.de-en.en": "a b\na\na b\n",
    }


@pytest.mark.parametrize(
    "arguments, named",
    [
        (("de-en", "0"), "WORDS is '0'"),
        (("de-fr",), "no training text for de-fr"),
        (("de-en", "1", "fr"), "name another PIVOT"),
    ],
)
def test_mistakes_are_one_sentence(text, tmp_path, arguments, named):
    if arguments[0] == "de-en" and arguments[1:2] == ("1",):
        (text / "train.en-de.de").write_text("x\nx y\nx y z\nx\n")
        (text / "train.en-de.en").write_text("a\na\na\na\n")
    done = run(text, tmp_path / "out", *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and named in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_unequal_sides_are_refused(text, tmp_path):
    (text / "train.en-de.de").write_text("x\n")
    done = run(text, tmp_path / "out", "de-en")
    assert done.returncode == 1
    assert "1 lines of de and 4 of en" in done.stderr
