"""``lass table data``: the data of each pair."""

import json

import pytest

from lass_plugin.cli.main import main
from lass_plugin.data.amounts import read_counts
from lass_plugin.errors import LassError
from lass_plugin.tables.data_table import data_table


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


def test_the_command_takes_families_and_writes_files(folder, tmp_path, capsys):
    (tmp_path / "families.txt").write_text("ru\tEast\ncs\tWest\n")
    words = ["table", "data", folder, "--families", tmp_path / "families.txt"]
    assert main([*map(str, words), "--out", str(tmp_path / "out")]) == 0
    assert "East" in capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "table-data.json").read_text())
    (table,) = content["tables"]
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
