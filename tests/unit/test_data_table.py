"""``lass table data``: the data of each pair."""

import json

import pytest

from lass_plugin.cli.main import main
from lass_plugin.data.amounts import read_counts
from lass_plugin.errors import LassError
from lass_plugin.experiments.corpus_making import CORPUS
from lass_plugin.language_families import FAMILIES, PAPERS
from lass_plugin.language_names import name_of, script_of
from lass_plugin.resource_types import LANG30
from lass_plugin.tables.data_table import data_table, language_table


def count(kept, **tokens):
    languages = {
        name: {"tokens": all_of_them, "unknown": unknown}
        for name, (all_of_them, unknown) in tokens.items()
    }
    return {"lines": kept, "kept": kept, "languages": languages}


@pytest.fixture
def folder(tmp_path):
    counts = {
        "train.ru-en": count(1000, ru=(8000, 10), en=(7000, 0)),
        "train.de-en": count(2000, de=(9000, 0), en=(8000, 0)),
        "valid.de-en": count(20, de=(90, 9), en=(80, 0)),
        "train.cs-en": count(3000, cs=(1, 0), en=(1, 0)),
        "test.de-ru": count(7, de=(50, 0), ru=(50, 1)),
    }
    (tmp_path / "preparation.json").write_text(json.dumps({"counts": counts}))
    return tmp_path


def test_pairs_of_a_family_stand_side_by_side(folder):
    families = {"ru": "Slavic", "cs": "Slavic", "de": "Germanic", "en": "Germanic"}
    table = data_table(read_counts(folder, tokens=True), families.get)
    assert table.rows == (
        ("de-en", "Germanic", "2,000", "20", "–", "9.1K", "8.1K", "0.05 %"),
        ("cs-en", "Slavic", "3,000", "–", "–", "1", "1", "0.00 %"),
        ("ru-en", "Slavic", "1,000", "–", "–", "8K", "7K", "0.07 %"),
        ("de-ru", "Germanic; Slavic", "–", "–", "7", "50", "50", "1.00 %"),
    )
    assert table.records[0]["unknown"] == 9 / 17170
    assert table.records[3]["train"] is None


def test_a_test_set_of_the_other_direction_is_of_a_trained_pair(folder):
    counts = dict(read_counts(folder, tokens=True))
    counts["test.en-cs"] = count(5, en=(1, 0), cs=(1, 0))
    table = data_table(counts, {"ru": "Slavic", "cs": "Slavic"}.get)
    pairs = [record["pair"] for record in table.records]
    assert pairs == ["cs-en", "en-cs", "ru-en", "de-en", "de-ru"]


def test_the_command_takes_families_and_writes_files(folder, tmp_path, capsys):
    (tmp_path / "families.txt").write_text("ru\tEast\ncs\tWest\n")
    words = ["table", "data", folder, "--families", tmp_path / "families.txt"]
    assert main([*map(str, words), "--out", str(tmp_path / "out")]) == 0
    assert "East" in capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "table-data.json").read_text())
    table, languages = content["tables"]
    assert languages["records"][0]["family"] == "East"
    found = [(record["pair"], record["family"]) for record in table["records"]]
    assert found == [
        ("ru-en", "East"),
        ("cs-en", "West"),
        ("de-en", None),
        ("de-ru", "East"),
    ]


@pytest.mark.parametrize("change", [{"kept": "9"}, {"languages": {}}, None])
def test_a_damaged_record_is_refused(folder, change):
    path = folder / "preparation.json"
    content = json.loads(path.read_text())
    content["counts"]["train.ru-en"] = change and {
        **content["counts"]["train.ru-en"],
        **change,
    }
    path.write_text(json.dumps(content))
    with pytest.raises(LassError, match="preparation.json is not the record of a prep"):
        read_counts(folder, tokens=True)
    path.unlink()
    with pytest.raises(LassError, match="give a folder of 'lass prepare'"):
        read_counts(folder, tokens=True)


# He 2023, Tables 4 and 5: code, name, family, script (fi is Farsi there, a slip)
HE_2023 = """
fa Farsi Iranian Arabic
ar Arabic Arabic Arabic
he Hebrew Semitic Hebrew
it Italian Romance Latin
nl Dutch Germanic Latin
gu Gujarati Indo-Aryan Gujarati
ta Tamil Dravidian Tamil
kk Kazakh Turkic Cyrillic
tr Turkish Turkic Latin
ro Romanian Romance Latin
es Spanish Romance Latin
fr French Romance Latin
ps Pashto Iranian Arabic
fi Finnish Uralic Latin
lv Latvian Baltic Latin
et Estonian Uralic Latin
lt Lithuanian Baltic Latin
ru Russian Slavic Cyrillic
cs Czech Slavic Latin
pl Polish Slavic Latin
ja Japanese Japonic Kanji; Kana
zh Chinese Chinese Chinese
de German Germanic Latin
"""


def test_languages_are_those_of_the_papers_tables():
    rows = [line.split(maxsplit=3) for line in HE_2023.strip().splitlines()]
    counts = {f"train.{code}-en": count(10, **{code: (1, 0)}) for code, *_ in rows}
    table = language_table(counts, PAPERS["he2023-data"].get)
    found = {row[0]: list(row) for row in table.rows}
    assert found.pop("en") == ["en", "English", "–", "Latin", "–"]
    assert found == {row[0]: [*row, "10"] for row in rows}
    assert PAPERS["he2023-data"].keys() == {code for code, *_ in rows}
    assert PAPERS["cao2024"].keys() == set(LANG30)
    assert set(PAPERS["he2023"]) == set(PAPERS["lin2021"])
    assert PAPERS["he2023"]["fa"] == "Afro-Asiatic/Iranian"  # Table 14
    assert [name_of("zh_CN"), name_of("deu"), name_of("qqq")] == [
        "Chinese",
        "German",
        None,
    ]
    assert [script_of("sr"), script_of("srp_Latn"), script_of("sr@latin")] == [
        "Cyrillic",
        "Latin",
        "Latin",
    ]
    assert all(name_of(code) and script_of(code) for code in FAMILIES)


def test_types_bitext_and_the_files_that_splits_were_taken_from(tmp_path, capsys):
    counts = {
        "train.en-wo": count(9, en=(1, 0), wo=(1, 0)),
        "train.de-en": count(2000, en=(1, 0), de=(1, 0)),
        "valid.de-en": count(20, en=(1, 0), de=(1, 0)),
    }
    (tmp_path / "preparation.json").write_text(json.dumps({"counts": counts}))
    of = {"train": ["train.tags.de-en.de, train.tags.de-en.en", "a.tsv"]}
    of["test"] = ["IWSLT14.TED.tst2010.de-en.de.xml, IWSLT14.TED.tst2010.de-en.en.xml"]
    record = {"pairs": {"de-en": {"origins": of}}}
    CORPUS.write(tmp_path / "corpus.json", record)
    words = ["table", "data", str(tmp_path), "--corpus", str(tmp_path)]
    words += ["--families", "cao2024", "--resource-types", "flores"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    rows = json.loads((tmp_path / "out" / "table-data.json").read_text())["tables"][1]
    german, english, wolof = rows["records"]
    assert german == {
        "language": "de",
        "name": "German",
        "family": "Germanic",
        "script": "Latin",
        "type": "H",
        "bitext": 216e6,
        "train": 2000,
        "train from": "train.tags.de-en; a.tsv",
        "valid from": "train",
        "test from": "IWSLT14.TED.tst2010.de-en",
    }
    assert english["bitext"] is None and english["train from"] is None
    assert (wolof["family"], wolof["type"], wolof["train"]) == (
        "Nilotic+Other AC",
        "V",
        9,
    )
    assert "216M" in capsys.readouterr().out
    del record["pairs"]["de-en"]["origins"]
    CORPUS.write(tmp_path / "corpus.json", record)
    assert main(words) == 1
    assert "does not say what each pair was taken from" in capsys.readouterr().err
