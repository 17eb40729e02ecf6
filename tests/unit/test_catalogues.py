"""The corpus of gettext catalogues: what is kept, its splits, fetching packages."""

import json
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest

from lass_plugin.corpora import catalogues
from lass_plugin.errors import LassError


def compile_catalogue(entries: dict[str, str], plural_rule: str = "") -> bytes:
    """A .mo file, as GNU msgfmt lays it out, from msgid to msgstr."""
    header = "Content-Type: text/plain; charset=UTF-8\n" + plural_rule
    items = sorted((k.encode(), v.encode()) for k, v in {"": header, **entries}.items())
    tables, strings = [], b""
    start = 28 + 16 * len(items)
    for side in (0, 1):
        for item in items:
            tables.append(struct.pack("<II", len(item[side]), start + len(strings)))
            strings += item[side] + b"\0"
    head = struct.pack(
        "<7I", 0x950412DE, 0, len(items), 28, 28 + 8 * len(items), 0, start
    )
    return head + b"".join(tables) + strings


def make_wheel(path: Path, catalogue_files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in catalogue_files.items():
            wheel.writestr(name, content)
    return path


@pytest.fixture
def wheel(tmp_path):
    german = compile_catalogue({"Save": "Speichern", "Close": "Schließen"})
    hebrew = compile_catalogue({"Save": "שמירה"})
    return make_wheel(
        tmp_path / "app-1-py3-none-any.whl",
        {
            "app/locale/de/LC_MESSAGES/django.mo": german,
            "app/locale/de_CH/LC_MESSAGES/django.mo": compile_catalogue({"X": "Y"}),
            "app/locale/he_IL/LC_MESSAGES/django.mo": hebrew,
            "app/locale/de/formats.py": b"",
        },
    )


def entries(catalogue: dict[str, str], plural_rule: str = "") -> dict[str, str]:
    return dict(catalogues._entries(compile_catalogue(catalogue, plural_rule)))


def test_a_wheel_gives_each_language_its_translations(wheel):
    assert catalogues.collect(["de", "he"], [wheel]) == {
        "de": {"Save": "Speichern", "Close": "Schließen"},
        "he": {"Save": "שמירה"},
    }


def test_an_unpacked_folder_gives_the_same_as_its_wheel(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as content:
        content.extractall(tmp_path / "folder")
    folder = tmp_path / "folder"
    assert catalogues.collect(["de"], [folder]) == catalogues.collect(["de"], [wheel])


def test_white_space_is_collapsed_and_placeholders_stay():
    found = entries({"  Hello\n %(name)s ": "Hallo\t%(name)s\r\n"})
    assert found == {"Hello %(name)s": "Hallo %(name)s"}


@pytest.mark.parametrize(
    "text", ["%(count)s", "<b></b>", "12 %", "&nbsp;", "%s: {0}", "https://a.b/c", "…"]
)
def test_strings_without_words_are_left_out(text):
    assert entries({text: text, "Yes": "Ja"}) == {"Yes": "Ja"}


def test_words_that_are_the_same_in_both_languages_stay():
    assert entries({"Server": "Server"}) == {"Server": "Server"}


def test_empty_and_very_long_strings_are_left_out():
    long = "word " * (catalogues.MAX_WORDS + 1)
    assert entries({"Save": "", "Close": " ", long: "kurz", "short": long}) == {}


def test_of_plural_forms_the_one_for_one_is_used():
    rule = "Plural-Forms: nplurals=3; plural=n==0 ? 0 : n==1 ? 1 : 2;\n"
    found = entries({"a page\0%d pages": "null\0eine Seite\0viele Seiten"}, rule)
    assert found == {"a page": "eine Seite"}


def test_a_message_context_is_not_part_of_the_string():
    assert entries({"month\x04May": "Mai"}) == {"May": "Mai"}


def test_the_translation_most_catalogues_agree_on_wins_and_ties_go_to_the_first(
    tmp_path,
):
    def package(name, **translations):
        files = {
            f"{app}/locale/de/LC_MESSAGES/django.mo": compile_catalogue({"Home": text})
            for app, text in translations.items()
        }
        return make_wheel(tmp_path / name, files)

    first = package("first.whl", a="Heim", b="Startseite")
    second = package("second.whl", c="Startseite")
    assert catalogues.collect(["de"], [first, second])["de"]["Home"] == "Startseite"
    assert catalogues.collect(["de"], [first])["de"]["Home"] == "Heim"


def test_a_language_that_no_catalogue_has_is_named(wheel):
    with pytest.raises(LassError, match="no catalogue has the language 'xx'"):
        catalogues.collect(["de", "xx"], [wheel])


def test_a_damaged_wheel_is_named(tmp_path):
    damaged = tmp_path / "app.whl"
    damaged.write_bytes(b"PK not a zip file")
    with pytest.raises(LassError, match="cannot read the catalogues of .*app.whl"):
        catalogues.collect(["de"], [damaged])


def test_a_split_depends_on_letters_and_digits_only():
    assert catalogues.split_of("Add page") == catalogues.split_of("add page:")
    splits = [catalogues.split_of(f"Sentence number {n}") for n in range(10_000)]
    assert abs(splits.count("train") - 8_800) < 150
    assert abs(splits.count("valid") - 600) < 100


@pytest.fixture
def large_wheel(tmp_path):
    strings = [f"Sentence number {n}" for n in range(400)]
    files = {
        f"app/locale/{code}/LC_MESSAGES/django.mo": compile_catalogue(
            {text: f"{code} {text}" for text in strings[::step]}
        )
        for code, step in (("de", 1), ("nl", 3))
    }
    return make_wheel(tmp_path / "app.whl", files)


def test_no_english_string_is_in_two_splits_of_any_languages(large_wheel, tmp_path):
    report = catalogues.write_corpus(tmp_path / "out", ["de", "nl"], [large_wheel])
    of_split = {}
    for split in ("train", "valid", "test"):
        of_split[split] = set()
        for code in ("de", "nl"):
            prefix = tmp_path / "out" / f"{split}.en-{code}"
            english = Path(f"{prefix}.en").read_text().splitlines()
            other = Path(f"{prefix}.{code}").read_text().splitlines()
            assert other == [f"{code} {line}" for line in english]
            assert report["counts"][code][split] == len(english) > 0
            of_split[split] |= set(english)
    assert sum(map(len, of_split.values())) == len(set().union(*of_split.values()))
    assert json.loads((tmp_path / "out" / "corpus.json").read_text()) == report


def test_the_same_packages_give_the_same_bytes(large_wheel, tmp_path):
    for out in ("a", "b"):
        catalogues.write_corpus(tmp_path / out, ["de", "nl"], [large_wheel])
    files = sorted((tmp_path / "a").iterdir())
    assert len(files) == 13
    for file in files:
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def pretend_pip(monkeypatch, stderr="", wheels=()):
    """Replace pip by one that saves *wheels* or fails with *stderr*; note its calls."""
    calls = []

    def run(command, **_):
        calls.append(command)
        for name in wheels:
            (Path(command[command.index("--dest") + 1]) / name).write_bytes(b"wheel")
        return subprocess.CompletedProcess(command, 1 if stderr else 0, "", stderr)

    monkeypatch.setattr(catalogues.subprocess, "run", run)
    monkeypatch.setattr(catalogues, "PACKAGES", {"no-such-app": "1.2"})
    return calls


def test_packages_are_downloaded_once_and_pinned(monkeypatch, tmp_path):
    wheel_name = "no_such_app-1.2-py3-none-any.whl"
    calls = pretend_pip(monkeypatch, wheels=[wheel_name])
    assert catalogues.fetch_packages(tmp_path) == [tmp_path / wheel_name]
    assert catalogues.fetch_packages(tmp_path) == [tmp_path / wheel_name]
    assert len(calls) == 1
    assert calls[0][-1] == "no-such-app==1.2" and "--no-deps" in calls[0]
    assert [path.name for path in tmp_path.iterdir()] == [wheel_name]


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        ("WARNING: Retrying … NewConnectionError …", "there is no connection"),
        ("/usr/bin/python: No module named pip", "has no pip"),
        ("ERROR: No matching distribution found", "No matching distribution found"),
    ],
)
def test_a_failed_download_says_why_and_what_to_do(
    monkeypatch, tmp_path, stderr, reason
):
    pretend_pip(monkeypatch, stderr=stderr)
    with pytest.raises(LassError, match=rf"no-such-app 1.2 cannot .*{reason}.*put its"):
        catalogues.fetch_packages(tmp_path)


def test_an_installed_package_is_used_when_the_network_is_gone(
    monkeypatch, tmp_path, capsys
):
    calls = pretend_pip(monkeypatch, stderr="NewConnectionError")
    monkeypatch.setattr(catalogues, "PACKAGES", {"toy-app": "2.0"})
    site = tmp_path / "site"
    information = site / "toy_app-1.0.dist-info"
    catalogue = site / "toy" / "locale" / "de" / "LC_MESSAGES" / "django.mo"
    for folder in (information, catalogue.parent):
        folder.mkdir(parents=True)
    catalogue.write_bytes(compile_catalogue({"Save": "Speichern"}))
    (information / "METADATA").write_text("Name: toy-app\nVersion: 1.0\n")
    (information / "RECORD").write_text(
        "toy/locale/de/LC_MESSAGES/django.mo,,\ntoy_app-1.0.dist-info/METADATA,,\n"
    )
    monkeypatch.syspath_prepend(str(site))
    assert catalogues.fetch_packages(tmp_path / "cache") == [site / "toy"]
    assert len(calls) == 1 and "using the installed 1.0" in capsys.readouterr().err
    assert catalogues.collect(["de"], [site / "toy"])["de"] == {"Save": "Speichern"}

    monkeypatch.setattr(catalogues, "PACKAGES", {"toy-app": "1.0"})
    assert catalogues.fetch_packages(tmp_path / "cache") == [site / "toy"]
    assert len(calls) == 1  # the pinned version needs no download
