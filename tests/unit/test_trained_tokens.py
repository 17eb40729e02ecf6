"""What a checkpoint says of its language tokens, and lists of languages in files."""

from argparse import Namespace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.data.language_tokens import LanguageTokens, read_language_list
from lass_plugin.data.preparation_settings import PreparationSettings
from lass_plugin.errors import LassError
from lass_plugin.languages import parse_pairs

CODES = st.lists(
    st.text("abcdefghijklmnopqrstuvwxyz_", min_size=2, max_size=8),
    min_size=2,
    max_size=12,
    unique=True,
)


def trained_tokens(content: dict) -> LanguageTokens | None:
    return Checkpoint(Path("a.pt"), content).language_tokens


def stock(**options) -> dict:
    given = {"encoder_langtok": "src", "decoder_langtok": True, **options}
    return {"args": Namespace(task="translation_multi_simple_epoch", **given)}


def test_our_own_stand_in_the_state_of_the_task():
    tokens = LanguageTokens(("nl", "de"), "tgt", False)
    state = {**stock(langs=["en"]), "task_state": {"language_tokens": tokens.to_dict()}}
    assert trained_tokens(state) == tokens


@pytest.mark.parametrize(
    "options, languages",
    [
        ({"langs": ["nl", "de"]}, ("nl", "de")),
        ({"langs": "nl,de"}, ("nl", "de")),
        ({"lang_pairs": "nl-de,de-nl\n"}, ("de", "nl")),
        ({"lang_pairs": ["nl-de", "en-de"]}, ("de", "en", "nl")),
        ({"lang_dict": "/nowhere/langs.txt", "lang_pairs": "nl-de"}, ()),
        ({}, ()),
    ],
)
def test_of_the_stock_task_they_stand_in_its_options(options, languages):
    tokens = trained_tokens(stock(**options))
    assert tokens == LanguageTokens(languages, "src", True)
    cfg = {"cfg": {"task": stock(**options)["args"]}, "args": None}
    assert trained_tokens(cfg) == tokens


def test_the_option_langtoks_goes_first():
    langtoks = {"main": (None, "tgt")}
    tokens = trained_tokens(stock(langs=["de"], langtoks=langtoks))
    assert tokens == LanguageTokens(("de",), None, True)


def test_another_task_has_none():
    assert trained_tokens({"args": Namespace(task="translation")}) is None
    assert trained_tokens({}) is None


@given(CODES, st.sampled_from(["\n", ",", ", ", " "]))
def test_a_list_is_read_in_its_order(tmp_path_factory, codes, separator):
    path = tmp_path_factory.mktemp("lists") / "langs.txt"
    path.write_text(separator.join(codes) + "\n")
    assert read_language_list(path) == tuple(codes)


@given(CODES)
def test_the_languages_of_pairs_are_sorted(tmp_path_factory, codes):
    path = tmp_path_factory.mktemp("pairs") / "language_pairs.txt"
    pairs = [f"{a}-{b}" for a in codes for b in codes if a != b]
    path.write_text(",".join(pairs) + "\n")
    assert read_language_list(path) == tuple(sorted(codes))


@pytest.mark.parametrize(
    "text, told", [("", "is empty"), ("de\nen\nde\n", "de is listed more than once")]
)
def test_lists_that_cannot_be(tmp_path, text, told):
    (tmp_path / "langs.txt").write_text(text)
    with pytest.raises(LassError, match=told):
        read_language_list(tmp_path / "langs.txt")
    with pytest.raises(LassError, match="cannot be read"):
        read_language_list(tmp_path / "none.txt")


def test_the_record_of_a_preparation_holds_the_list(tmp_path):
    path = Path(tmp_path / "dict.txt")
    path.write_text("a 1\n")
    (tmp_path / "spm.model").write_bytes(b"")
    settings = PreparationSettings(
        text=tmp_path,
        out=tmp_path,
        pairs=tuple(parse_pairs("de-en")),
        spm_model=tmp_path / "spm.model",
        dictionary=path,
        langs=("af", "de", "en"),
    )
    settings.check()
    assert settings.as_json()["langs"] == "af,de,en"
