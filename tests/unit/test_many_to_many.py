"""scripts/many_to_many.py: text of two pairs, joined on the language they share."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "many_to_many.py"


def run(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, SCRIPT, *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    folder = tmp_path / "text"
    folder.mkdir()
    lines = {
        "train.en-de": {"en": ["a", "b", "a", "c"], "de": ["A1", "B1", "A2", "C1"]},
        "train.es-en": {"en": ["c", "a", "d", "a"], "es": ["c1", "a1", "d1", "a2"]},
        "test.en-de": {"en": ["t", "u"], "de": ["T", "U"]},
        "test.es-en": {"en": ["t", "u"], "es": ["t1", "u1"]},
    }
    for name, sides in lines.items():
        for language, own in sides.items():
            (folder / f"{name}.{language}").write_text("\n".join(own) + "\n")
    return folder


def test_equal_lines_are_joined_in_turn(text, tmp_path):
    out = tmp_path / "out"
    done = run(text, out, "de-es,es-de,de-en")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        *("train.de-en: 4", "test.de-en: 2", "train.de-es: 3", "test.de-es: 2")
    ]
    assert (out / "train.de-es.de").read_text() == "A1\nA2\nC1\n"
    assert (out / "train.de-es.es").read_text() == "a1\na2\nc1\n"
    assert (out / "train.de-en.en").read_text() == "a\nb\na\nc\n"
    assert (out / "test.de-es.es").read_text() == "t1\nu1\n"
    assert len(list(out.iterdir())) == 8


@pytest.mark.parametrize(
    "pairs, words",
    [
        ("de-fr", "fr-en"),
        ("de", "'de' is not a language pair"),
    ],
)
def test_what_cannot_be_joined(text, tmp_path, pairs, words):
    done = run(text, tmp_path / "out", pairs)
    assert done.returncode == 1 and words in done.stderr
    assert "Traceback" not in done.stderr


def test_texts_that_share_nothing(text, tmp_path):
    (text / "train.es-en.en").write_text("x\ny\nz\nw\n")
    done = run(text, tmp_path / "out", "de-es")
    assert done.returncode == 1
    assert "train of de-en and es-en share no line" in done.stderr


def test_sides_of_different_length(text, tmp_path):
    (text / "train.es-en.en").write_text("x\n")
    done = run(text, tmp_path / "out", "de-es")
    assert done.returncode == 1 and "differ in length" in done.stderr


def test_no_arguments_show_how(tmp_path):
    done = run()
    assert (
        done.returncode == 2 and "Usage: python scripts/many_to_many.py" in done.stderr
    )
