"""Language pairs are read as fairseq writes them; anything else is refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, languages_of, parse_pairs

CODES = st.from_regex(r"[A-Za-z0-9_@.]{1,12}", fullmatch=True)


@given(CODES, CODES)
def test_a_pair_reads_back_as_written(source, target):
    pair = Pair(source, target)
    if source == target:
        with pytest.raises(LassError, match="the same language twice"):
            Pair.parse(str(pair))
    else:
        assert Pair.parse(str(pair)) == pair


@pytest.mark.parametrize("text", ["de-en", " de-en ", "de-en\n"])
def test_spaces_around_a_pair_do_not_count(text):
    assert Pair.parse(text) == Pair("de", "en")


def test_codes_with_script_and_variant():
    assert Pair.parse("zh_Hant-sr@latin") == Pair("zh_Hant", "sr@latin")


@pytest.mark.parametrize(
    "text",
    ["", "de", "-", "de-", "-en", "de-en-fr", "de en", "de->en", "d/e-en", "ü-en"],
)
def test_what_is_not_a_pair_is_refused_by_name(text):
    with pytest.raises(LassError) as caught:
        Pair.parse(text)
    assert f"'{text}'" in caught.value.message


def test_pairs_can_be_keys_and_sort():
    pairs = [Pair("en", "de"), Pair("de", "en"), Pair("de", "ar")]
    assert [str(pair) for pair in sorted(pairs)] == ["de-ar", "de-en", "en-de"]
    assert len({Pair("de", "en"), Pair.parse("de-en")}) == 1


@pytest.mark.parametrize(
    "text",
    ["de-en,en-de", "de-en, en-de,", ["de-en", "en-de"], iter(["de-en", "en-de"])],
)
def test_a_list_of_pairs_keeps_its_order(text):
    assert parse_pairs(text) == [Pair("de", "en"), Pair("en", "de")]


@pytest.mark.parametrize("text", ["", " , ", [], [""]])
def test_an_empty_list_is_refused(text):
    with pytest.raises(LassError, match="empty"):
        parse_pairs(text)


def test_a_repeated_pair_is_refused_by_name():
    with pytest.raises(LassError, match="de-en is listed more than once"):
        parse_pairs("de-en,en-de, de-en")


def test_a_wrong_pair_in_a_list_is_refused_by_name():
    with pytest.raises(LassError, match="'deen'"):
        parse_pairs("de-en,deen")


def test_languages_are_sorted_and_listed_once():
    assert languages_of(parse_pairs("nl-en,en-de,de-en")) == ["de", "en", "nl"]
    assert languages_of([]) == []
