"""JSON and CSV records: what is written, what is read, what is refused and how."""

import json

import pytest

from lass_plugin.errors import LassError
from lass_plugin.records.csv_table import to_csv, write_csv
from lass_plugin.records.json_record import RecordError, RecordFormat, read_json

DOG = RecordFormat(
    "lass_plugin dog", "a dog.json of 'lass dog'", 2, "make it with 'lass dog'"
)
OLD = RecordFormat("lass_plugin cat", "a cat.json", unmarked=True)


def test_a_record_begins_with_its_format_and_version(tmp_path):
    path = DOG.write(tmp_path / "dog.json", {"name": "Rex"})
    assert list(json.loads(path.read_text())) == ["format", "version", "name"]
    assert DOG.read(path) == {"format": DOG.name, "version": 2, "name": "Rex"}
    with DOG.reading(path) as record:
        assert record["name"] == "Rex"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ('{"format": "lass_plugin dog", "ver', "Unterminated"),
        ("[" * 100_000, "recursion"),
        ("[]", "it is not a JSON object"),
        ("{}", "it has no 'format'"),
        ('{"format": "lass_plugin dog"}', "it has no 'version'"),
        ('{"format": "lass_plugin dog", "version": "2"}', "its version is '2'"),
        ('{"format": "lass_plugin dog", "version": true}', "its version is True"),
        ('{"format": "lass_plugin cat", "version": 1}', "its format is 'lass_plugin c"),
        (b"\xff", "can't decode"),
    ],
)
def test_what_is_no_record_is_refused_by_name(tmp_path, text, reason):
    path = tmp_path / "some.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RecordError) as error:
        DOG.read(path)
    assert f"{path} is not a dog.json of 'lass dog' (" in error.value.message
    assert reason in error.value.message
    assert error.value.message.endswith("; make it with 'lass dog'")
    assert DOG.read_or_none(path) is None


def test_a_missing_record_is_refused_by_name(tmp_path):
    with pytest.raises(RecordError, match=r"dog.json .*\(No such file or directory\);"):
        DOG.read(tmp_path / "dog.json")
    assert DOG.read_or_none(tmp_path / "dog.json") is None


def test_an_earlier_version_is_read_and_a_later_one_is_not(tmp_path):
    path = tmp_path / "dog.json"
    path.write_text('{"format": "lass_plugin dog", "version": 1}')
    assert DOG.read(path)["version"] == 1
    path.write_text('{"format": "lass_plugin dog", "version": 3}')
    with pytest.raises(RecordError, match="of version 3.* reads 2.*newer lass_plugin"):
        DOG.read(path)


def test_files_from_before_there_was_a_format_are_read_where_there_are_such(tmp_path):
    path = tmp_path / "cat.json"
    path.write_text('{"name": "Tom"}')
    assert OLD.read(path) == {"name": "Tom"}
    path.write_text('{"format": "lass_plugin dog", "version": 1}')
    with pytest.raises(RecordError, match="its format is 'lass_plugin dog'"):
        OLD.read(path)
    path.write_text('{"version": 2}')
    with pytest.raises(RecordError, match="of version 2"):
        OLD.read(path)


@pytest.mark.parametrize(
    ("take", "reason"),
    [
        (lambda record: record["age"], "it has no 'age'"),
        (lambda record: record["names"][0], "it has no 'names'"),
        (lambda record: record["name"]["first"], "indices"),
        (lambda record: float(record["name"]), "could not convert"),
        (lambda record: record["name"].values(), "no attribute"),
        (lambda record: record["name"][9], "out of range"),
    ],
)
def test_what_is_amiss_within_a_record_names_the_file(tmp_path, take, reason):
    path = DOG.write(tmp_path / "dog.json", {"name": "Rex"})
    with (
        pytest.raises(RecordError, match="dog.json is not a dog.json") as error,
        DOG.reading(path) as record,
    ):
        take(record)
    assert reason in error.value.message


def test_a_mistake_that_is_told_already_is_not_told_again(tmp_path):
    path = DOG.write(tmp_path / "dog.json", {})
    with pytest.raises(LassError, match="dog.json: too old$"), DOG.reading(path):
        raise LassError("too old")


def test_json_of_others_has_no_format(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("[1, 2]")
    assert read_json(path, "a list") == [1, 2]
    path.write_text("[1, 2")
    with pytest.raises(RecordError, match=r"config.json is not a list \(.*; ask a cat"):
        read_json(path, "a list", "ask a cat")


def test_columns_are_all_keys_in_the_order_in_which_they_appear(tmp_path):
    rows = [{"pair": "de-en", "ratio": 0.1}, {"pair": "a,b", "note": None, "n": 3}]
    expected = 'pair,ratio,note,n\nde-en,0.1,,\n"a,b",,,3\n'
    assert to_csv(rows) == expected
    assert write_csv(tmp_path / "new" / "x.csv", iter(rows)).read_text() == expected


def test_columns_and_digits_can_be_given():
    assert to_csv([], ["pair", "ratio"]) == "pair,ratio\n"
    rows = [{"ratio": 2 / 3, "pair": "de-en", "n": 3, "name": "0.5"}]
    columns = ["pair", "ratio", "n", "name"]
    assert to_csv(rows, columns, ".3f") == "pair,ratio,n,name\nde-en,0.667,3,0.5\n"
    with pytest.raises(ValueError, match="extra"):
        to_csv([{"pair": "de-en", "extra": 1}], ["pair"])


def test_a_sealed_record_that_has_changed_is_named(tmp_path):
    sealed = RecordFormat("lass_plugin x", "an x", version=2, sealed=2)
    path = sealed.write(tmp_path / "x.json", {"a": (1.5, None), "b": {"é": True}})
    assert sealed.read(path)["a"] == [1.5, None]
    path.write_text(path.read_text().replace("1.5", "1.6"))
    with pytest.raises(LassError, match="x.json is not an x .its contents are not"):
        sealed.read(path)
    RecordFormat("lass_plugin x", "an x").write(path, {"a": 2})
    assert sealed.read(path)["a"] == 2  # of before there were digests
    path.write_text('{"format": "lass_plugin x", "version": 2}')
    with pytest.raises(LassError, match="it has no 'digest'"):
        sealed.read(path)
