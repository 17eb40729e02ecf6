"""Training data of the pairs, read from folders and files, and the groups by it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lass_plugin.data.amounts import (
    Bounds,
    Sizes,
    parse_count,
    read_sizes,
    short_count,
)
from lass_plugin.errors import LassError


def test_a_prepared_folder_says_what_was_kept(tmp_path):
    counts = {
        "train.en-de": {"lines": 12, "kept": 10, "languages": {}},
        "valid.en-de": {"lines": 2, "kept": 2, "languages": {}},
    }
    (tmp_path / "preparation.json").write_text(json.dumps({"counts": counts}))
    sizes = read_sizes(tmp_path)
    assert sizes.of("en-de") == sizes.of("de-en") == 10
    with pytest.raises(LassError, match="no size of the training data of en-fr"):
        sizes.of("en-fr")


def test_a_file_may_have_lines_or_json(tmp_path):
    lines = tmp_path / "sizes.txt"
    lines.write_text("# IWSLT\nen-fa\t89K\n\nde-en, 1.2M\nen-de 7\n")
    sizes = read_sizes(lines)
    assert [sizes.of(p) for p in ("fa-en", "de-en", "en-de")] == [89_000, 1_200_000, 7]
    file = tmp_path / "sizes.json"
    file.write_text('{"en-fa": "89K", "de-en": 3}')
    assert [read_sizes(file).of(p) for p in ("en-fa", "de-en")] == [89_000, 3]


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("a.txt", "en-de", "a.txt:1 is 'en-de'; write a pair and the number"),
        ("a.txt", "en-de 5 6", "a.txt:1"),
        ("a.txt", "en-de 5\nen-de 6", "a.txt:2 names en-de for the second time"),
        ("a.txt", "en-de many", "'many' is not a number of sentences"),
        ("a.txt", "ende 5", "'ende' is not a language pair"),
        ("a.txt", "", "no size of any pair"),
        ("a.json", '{"en-de": 5', "a.json is not"),
        ("a.json", "[1]", "a.json is not"),
        ("a.json", '{"en-de": -5}', "-5 where a number of sentences"),
        ("a.json", '{"en-de": true}', "True where a number of sentences"),
        ("a.json", '{"counts": {"train.en-de": {}}}', "a.json is not"),
    ],
)
def test_a_bad_file_is_a_clear_error(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(LassError, match=message):
        read_sizes(path)


def test_a_folder_that_was_not_prepared_is_a_clear_error(tmp_path):
    with pytest.raises(LassError, match="has no preparation.json.*lass prepare"):
        read_sizes(tmp_path)
    with pytest.raises(LassError, match="there is no file"):
        read_sizes(tmp_path / "missing.txt")


def test_groups_begin_at_their_bounds():
    bounds = Bounds()
    sizes = (999_999, 1_000_000, 9_999_999, 10_000_000)
    assert [bounds.group_of(size) for size in sizes] == [
        *("low", "medium", "medium", "high")
    ]
    assert Bounds(2_400, 2_650).describe() == (
        "low: < 2.4K training sentences, medium: < 2,650, high: ≥ 2,650"
    )


@pytest.mark.parametrize("low, high", [(0, 5), (5, 5), (6, 5), (-1, 4)])
def test_bounds_that_make_no_three_groups_are_refused(low, high):
    with pytest.raises(LassError, match="do not make three groups"):
        Bounds(low, high)


def test_counts_are_written_as_in_the_papers():
    written = {7_500: "7.5K", 89_000: "89K", 1_000_000: "1M", 11_900_000: "11.9M"}
    written |= {950: "950", 999_600: "1M", 169_030: "169K", 37_000_000: "37M"}
    for number, text in written.items():
        assert short_count(number) == text
    assert [parse_count(text) for text in ("7.5K", "11.9M", "1b", " 3 ")] == [
        *(7_500, 11_900_000, 1_000_000_000, 3)
    ]


@pytest.mark.parametrize(
    "text", ["", "-3", "1.5", "3.1415K", "K", "1e3", "nan", "1,000"]
)
def test_what_is_no_count_is_refused(text):
    with pytest.raises(LassError, match="number of sentences"):
        parse_count(text)


@given(st.integers(0, 10**12))
def test_a_short_count_is_within_a_twentieth_of_its_last_digit(number):
    assert abs(parse_count(short_count(number)) - number) <= 0.05 * max(number, 1)


@given(st.integers(1, 10**9))
def test_a_direction_has_its_own_size_before_its_reverses(size):
    sizes = Sizes({"en-de": size, "de-en": size + 1}, "a file")
    assert (sizes.of("en-de"), sizes.of("de-en")) == (size, size + 1)
