"""lass corpus: from archives in their published layout to what lass prepare reads."""

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from published_corpora import iwslt14, lines, tarball, unpacked, zipped

from lass_plugin.cli.main import main
from lass_plugin.corpora import archives, building, finishing, taking
from lass_plugin.corpora.iwslt14 import Iwslt14Settings
from lass_plugin.data.parallel_text import find_bitexts
from lass_plugin.experiments import corpus_making
from lass_plugin.languages import parse_pairs
from lass_plugin.settings import parse_words


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


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.*-*.*")}


def test_archives_folders_and_archives_in_archives_give_the_same(capsys, ted, tmp_path):
    files = iwslt14("de-en")
    inner = tarball(tmp_path / "de-en.tgz", files).read_bytes()
    folders = {
        "zip": zipped(tmp_path / "zip" / "de-en.zip", files).parent,
        "nested": tarball(
            tmp_path / "nested" / "2014-01.tgz",
            {"2014-01/texts/de/en/de-en.tgz": inner, "2014-01/texts/de/en/._x.tgz": ""},
        ).parent,
        "unpacked": unpacked(tmp_path / "unpacked", files),
        "archive": ted,
    }
    (tmp_path / "zip" / "de-en.zip").rename(tmp_path / "zip" / "de-en.tgz")
    made = {}
    for name, folder in folders.items():
        words = [folder, tmp_path / "out" / name, "--pairs", "de-en", "--workers", 1]
        status, _, told = make(capsys, "iwslt14", *words)
        assert status == 0, told
        made[name] = files_of(tmp_path / "out" / name)
        assert len(made[name]) == 6
    assert all(each == made["archive"] for each in made.values())


@pytest.mark.parametrize(
    "form", [["--case", "true"], ["--tokenize", "as-is"]], ids=["lines", "pairs"]
)
def test_several_processes_give_the_same(form, capsys, ted, tmp_path):
    """Whether they share the lines of a pair or have a pair each."""
    for workers in (1, 2):
        words = [ted, tmp_path / str(workers), "--pairs", "de-en,fa-en", *form]
        assert make(capsys, "iwslt14", *words, "--workers", workers)[0] == 0
    assert files_of(tmp_path / "1") == files_of(tmp_path / "2")
    records = [(tmp_path / name / "corpus.json").read_text() for name in "12"]
    assert records[0] == records[1]


STEPS = {
    "archives._copy": 5,
    "taking._take": 2,
    "finishing._finish": 2,
    "making.move": 9,
    "making.CORPUS": 1,
}
"""What a run is ended in -> how often that is called."""


@pytest.mark.parametrize("step", STEPS)
def test_what_was_ended_goes_on_and_gives_the_same(
    step, capsys, ted, tmp_path, monkeypatch
):
    words = ["iwslt14", ted, tmp_path / "out", "--pairs", "de-en,fa-en"]
    words += ["--workers", 1]
    name, attribute = step.split(".")
    module = {
        "archives": archives,
        "taking": taking,
        "finishing": finishing,
        "making": corpus_making,
    }[name]
    real, calls = getattr(module, attribute), []

    def ended(*arguments, **named):
        calls.append(arguments)
        if len(calls) == STEPS[step]:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    with monkeypatch.context() as patched:
        if attribute == "CORPUS":
            patched.setattr(corpus_making.RecordFormat, "write", _interrupted)
        else:
            patched.setattr(module, attribute, ended)
        with pytest.raises(KeyboardInterrupt):
            settings = parse_words(Iwslt14Settings, words[1:])
            corpus_making.make(settings, building.build)
    out = tmp_path / "out"
    if attribute == "move":  # what is there is valid and test
        moved = files_of(out)
        assert len(moved) == STEPS[step] - 1
        assert not [name for name in moved if name.startswith("train")]
    if attribute not in ("move", "CORPUS"):
        assert not files_of(out)
    assert not (out / "corpus.json").exists()
    status, said, told = make(capsys, *words)
    assert status == 0 and "train.de-en" in said, told
    whole = tmp_path / "whole"
    assert make(capsys, "iwslt14", ted, whole, *words[3:])[0] == 0
    assert files_of(out) == files_of(whole) and len(files_of(out)) == 12
    records = [(each / "corpus.json").read_text() for each in (out, whole)]
    assert records[0] == records[1]
    assert not (out / ".making").exists()


def test_what_was_unpacked_is_found_from_elsewhere(ted, tmp_path, monkeypatch):
    name = "train.tags.de-en.de"
    job = {"wanted": frozenset([name]), "nested": frozenset()}
    archive = ted / "de-en.tgz"
    monkeypatch.chdir(tmp_path)
    archives.unpack(archives.Unpacking(archive, folder=Path("made"), **job))
    there = tmp_path / "there"
    there.mkdir()
    monkeypatch.chdir(there)
    again = archives.Unpacking(archive, folder=Path("../made"), **job)
    found = archives.unpack(again)
    assert found.keys() == {name} and Path(found[name]).is_file()
    note = tmp_path / "made" / "members.json"  # as earlier releases wrote it
    note.write_text(json.dumps({name: f"made/{name}"}))
    assert archives.unpack(again) == found


def _interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_other_archives_are_another_corpus(capsys, ted, tmp_path):
    words = ["iwslt14", ted, tmp_path / "out", "--pairs", "de-en", "--workers", 1]
    assert make(capsys, *words)[0] == 0
    tarball(ted / "de-en.tgz", iwslt14("de-en", talks=1))
    status, _, told = make(capsys, *words)
    assert status == 1 and "another de-en.tgz" in told
    assert "--fresh" in told and (tmp_path / "out" / "corpus.json").exists()


def test_what_others_made_stays(capsys, ted, tmp_path):
    out = tmp_path / "out"
    unpacked(out, {"train.de-en.de": "mine\n"})
    words = ["iwslt14", ted, out, "--pairs", "de-en", "--workers", 1]
    status, _, told = make(capsys, *words)
    assert status == 1 and "train.de-en.de" in told and "did not make" in told
    assert text(out / "train.de-en.de") == ["mine"]


def test_fresh_removes_what_is_not_made_again(capsys, ted, tmp_path):
    out = tmp_path / "out"
    words = ["iwslt14", ted, out, "--workers", 1]
    assert make(capsys, *words, "--pairs", "de-en,fa-en")[0] == 0
    assert make(capsys, *words, "--pairs", "de-en", "--fresh")[0] == 0
    assert len(files_of(out)) == 6 and not list(out.glob("*.fa-en.*"))


def changed(files: dict, name: str, change) -> dict:
    path = next(path for path in files if path.endswith(name))
    return {**files, path: change(files[path])}


@pytest.mark.parametrize(
    "change, told",
    [
        (
            lambda files: changed(files, "tags.de-en.en", lambda t: t + "one more\n"),
            ["has 64 segments but", "has 65"],
        ),
        (
            lambda files: changed(
                files, "tags.de-en.de", lambda t: t.encode("utf-16-le")
            ),
            ["train.tags.de-en.de:1 is not UTF-8 but UTF-16"],
        ),
        (
            lambda files: changed(
                files, "tags.de-en.de", lambda t: (t + "für").encode("latin-1")
            ),
            ["train.tags.de-en.de:75 is not UTF-8"],
        ),
        (
            lambda files: changed(files, "tst2011.de-en.de.xml", lambda t: "<xml/>"),
            ["tst2011.de-en.de.xml has no segment"],
        ),
        (
            lambda files: {k: v for k, v in files.items() if "tags.de-en.en" not in k},
            ["no train.tags.de-en.en", "WIT3"],
        ),
        (
            lambda files: {k: v for k, v in files.items() if "2010.de-en.en" not in k},
            ["no IWSLT14.TED.dev2010.de-en.en.xml"],
        ),
        (
            lambda files: {k: v for k, v in files.items() if "IWSLT14" not in k},
            ["no test text of de-en", "WIT3"],
        ),
        (
            lambda files: changed(files, "tags.de-en.de", lambda t: "<url>x</url>\n"),
            ["train.tags.de-en.de has no segment"],
        ),
    ],
)
def test_files_that_are_wrong(change, told, capsys, tmp_path):
    tarball(tmp_path / "wit3" / "de-en.tgz", change(iwslt14("de-en")))
    words = [tmp_path / "wit3", tmp_path / "out", "--pairs", "de-en", "--workers", 1]
    status, _, said = make(capsys, "iwslt14", *words)
    assert status == 1 and all(part in said for part in told), said
    assert not files_of(tmp_path / "out")


def test_archives_that_are_wrong(capsys, ted, tmp_path):
    words = [tmp_path / "out", "--pairs", "de-en", "--workers", 1]
    whole = (ted / "de-en.tgz").read_bytes()
    (ted / "de-en.tgz").write_bytes(whole[: len(whole) // 2])
    status, _, told = make(capsys, "iwslt14", ted, *words)
    assert status == 1 and "de-en.tgz is damaged" in told
    (ted / "de-en.tgz").write_bytes(b"<html>not found</html>")
    status, _, told = make(capsys, "iwslt14", ted, *words, "--fresh")
    assert status == 1 and "de-en.tgz is damaged, or no archive" in told
    (ted / "more").mkdir()
    (ted / "more" / "de-en.tgz").write_bytes(whole)
    status, _, told = make(capsys, "iwslt14", ted, *words)
    assert status == 1 and "have one name and differ" in told
    status, _, told = make(capsys, "iwslt14", tmp_path / "nowhere", *words)
    assert status == 1 and "nowhere does not exist" in told


def test_what_is_missing_is_named_with_where_it_comes_from(capsys, ted, tmp_path):
    status, _, told = make(capsys, "iwslt14", ted, tmp_path / "out")
    assert status == 1
    assert "lacks train.tags.pl-en.pl, which is in pl-en.tgz or in 2014-01.tgz" in told
    assert "and 11 other files" in told and "WIT3" in told and "--pairs" in told


def test_too_little_disk(capsys, ted, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    words = [ted, tmp_path / "out", "--pairs", "de-en", "--workers", 1]
    status, _, told = make(capsys, "iwslt14", *words)
    assert status == 1 and "free" in told and "unpacking" in told


@pytest.mark.parametrize(
    "words, told",
    [
        (["--pairs", "en-de"], "no pair en-de"),
        (["--pairs", "de-en,de-en"], "listed more than once"),
        (["--case", "true", "--tokenize", "as-is"], "--tokenize moses"),
        (["--max-ratio", "0.5"], "1 or more"),
        (["--max-tokens", "2", "--min-tokens", "3"], "leave no line"),
    ],
)
def test_options_that_make_no_sense(words, told, capsys, ted, tmp_path):
    status, _, said = make(capsys, "iwslt14", ted, tmp_path / "out", *words)
    assert status == 1 and told in said
    assert not (tmp_path / "out").exists()


def test_form_and_cleaning(capsys, tmp_path):
    """Case, held-out lines and repeated pairs, on a few lines."""
    files = iwslt14("de-en", talks=1)
    extra = {
        "de": [
            "De word9000 here now.",
            "DAS Haus.",
            "Er sieht das Haus.",
            "Er sah das",
        ],
        "en": ["Another side.", "THE house.", "He sees the house.", "He saw the"],
    }
    for code, texts in extra.items():
        more = lines(*texts, *texts[1:2])
        files = changed(files, f"tags.de-en.{code}", lambda t, more=more: t + more)
    tarball(tmp_path / "wit3" / "de-en.tgz", files)
    words = ["iwslt14", tmp_path / "wit3", tmp_path / "out", "--pairs", "de-en"]
    words += ["--workers", 1, "--max-ratio", 0]
    status, said, _ = make(capsys, *words, "--case", "true")
    assert status == 0
    counted = (
        "train.de-en: 36 pairs, 1 repeated, 0 also in valid or test, 1 by one side"
    )
    assert counted in said
    assert text(tmp_path / "out" / "train.de-en.de")[-4:] == [
        "das Haus .",
        "Er sieht das Haus .",
        "Er sah das",
        "das Haus .",
    ]
    words += ["--fresh", "--case", "lower", "--duplicates", "drop"]
    status, said, _ = make(capsys, *words, "--held-out", "sides")
    assert status == 0 and "train.de-en: 34 pairs, 2 dropped" in said
    assert text(tmp_path / "out" / "train.de-en.en")[-2:] == [
        "he sees the house .",
        "he saw the",
    ]
    status, said, _ = make(capsys, *words, "--held-out", "pairs")
    assert status == 0 and "train.de-en: 35 pairs, 1 dropped (duplicate 1)" in said


@pytest.mark.slow
@pytest.mark.parametrize("waits", [0.5, 1.5, 2.5])
def test_a_killed_command_goes_on(waits, tmp_path):
    """SIGKILL of the whole command, with worker processes, at any moment."""
    for pair in ("de-en", "fa-en", "nl-en"):
        tarball(tmp_path / "wit3" / f"{pair}.tgz", iwslt14(pair, talks=40, size=50))
    command = [sys.executable, "-m", "lass_plugin.cli", "corpus", "iwslt14"]
    command += [str(tmp_path / "wit3"), str(tmp_path / "out"), "--workers", "2"]
    command += ["--pairs", "de-en,fa-en,nl-en", "--case", "true"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (tmp_path / "out" / ".making").exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    time.sleep(waits)
    process.kill()
    process.wait()
    time.sleep(2.5)  # its workers notice that it is gone, and let go of the folder
    assert not (tmp_path / "out" / "corpus.json").exists() or process.returncode == 0
    assert subprocess.run(command, capture_output=True).returncode == 0
    whole = [
        word.replace(str(tmp_path / "out"), str(tmp_path / "w")) for word in command
    ]
    assert subprocess.run(whole, capture_output=True).returncode == 0
    assert files_of(tmp_path / "out") == files_of(tmp_path / "w")
    assert len(files_of(tmp_path / "w")) == 18
