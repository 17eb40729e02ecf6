"""lass corpus: from archives in their published layout to what lass prepare reads."""

import json
from pathlib import Path

import pytest
from published_corpora import iwslt14, tarball

from lass_plugin.cli.main import main
from lass_plugin.data.parallel_text import find_bitexts
from lass_plugin.languages import parse_pairs


def make(capsys, *words: object) -> tuple[int, str, str]:
    """Status, and what was printed on stdout and stderr."""
    status = main(["corpus", *map(str, words)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def text(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def ted(tmp_path: Path) -> Path:
    """Two of the archives of IWSLT14."""
    folder = tmp_path / "wit3"
    for pair in ("de-en", "fa-en"):
        tarball(folder / f"{pair}.tgz", iwslt14(pair))
    return folder


def test_iwslt14(capsys, ted, tmp_path):
    out = tmp_path / "out"
    status, said, told = make(
        capsys, "iwslt14", ted, out, "--pairs", "de-en,fa-en", "--workers", 1
    )
    assert status == 0, told
    # two talks of 30 lines, a title and a description: 64 pairs, of which 2 for valid
    assert "train.de-en: 62 pairs\n" in said and "valid.de-en: 2 pairs\n" in said
    assert "test.de-en: 15 pairs" in said and "test.fa-en: 12 pairs" in said
    assert "train.de-en has 62 segments, and He 2023, Table 4 states 160,000" in told
    assert text(out / "train.de-en.de")[:3] == [
        "de Title 1",
        "de told in 1 words .",
        "De word30 here now .",
    ]
    assert text(out / "valid.de-en.en")[0] == "En word50 here now ."  # the 23rd
    assert text(out / "test.de-en.en")[2:4] == [
        "en A &amp; B now .",
        "En word9040 here now .",
    ]
    bitexts, absent = find_bitexts(out, parse_pairs("de-en,en-de,fa-en,en-fa"))
    assert len(bitexts) == 6 and not absent
    record = json.loads((out / "corpus.json").read_text())
    assert record["format"] == "lass_plugin corpus" and record["corpus"] == "iwslt14"
    assert record["options"]["max-ratio"] == 1.5
    assert record["inputs"].keys() == {"de-en.tgz", "fa-en.tgz"}
    parts = record["pairs"]["fa-en"]["parts"]
    assert parts["train.tags.fa-en.fa, train.tags.fa-en.en"] == 64
    assert record["pairs"]["fa-en"]["absent"] == [
        "IWSLT14.TEDX.dev2012.fa-en.fa.xml, IWSLT14.TEDX.dev2012.fa-en.en.xml"
    ]
    assert record["files"]["test.de-en.de"]["lines"] == 15
    assert not (out / ".making").exists()


def test_made_once(capsys, ted, tmp_path):
    words = ["iwslt14", ted, tmp_path / "out", "--pairs", "de-en", "--workers", 1]
    assert make(capsys, *words)[0] == 0
    status, said, told = make(capsys, *words)
    assert status == 0 and "nothing to do" in said
    status, _, told = make(capsys, *words, "--titles", "drop")
    assert status == 1 and "--titles" in told and "--fresh" in told
    status, said, _ = make(capsys, *words, "--titles", "drop", "--fresh")
    assert status == 0 and "train.de-en: 58 pairs" in said
