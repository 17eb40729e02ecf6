"""Scores of one pair against sacreBLEU called directly and against hand-worked ones."""

import math

import pytest
import sacrebleu

from lass_plugin.errors import LassError
from lass_plugin.evaluation.metrics import (
    Score,
    bleu,
    chrf,
    tokenizer_for,
)
from lass_plugin.languages import base_language

REFERENCES = [
    "The committee met on Tuesday, as it always does.",
    "Nobody expected the small boat to come back.",
    "We will open the new library in spring.",
]
HYPOTHESES = [
    "The committee met on Tuesday, as always.",
    "Nobody thought that the small boat would come back.",
    "We open the new library in the spring.",
]


@pytest.mark.parametrize("tokenize", [None, "13a", "none", "char", "intl"])
def test_bleu_is_that_of_sacrebleu(tokenize):
    score = bleu("de-en", REFERENCES, tokenize).score(HYPOTHESES)
    theirs = sacrebleu.BLEU(tokenize=tokenize)
    expected = theirs.corpus_score(HYPOTHESES, [REFERENCES]).score
    assert score.value == pytest.approx(expected, abs=1e-12)
    assert score.signature == str(theirs.get_signature())
    assert f"tok:{tokenize or '13a'}|" in score.signature
    assert "nrefs:1|" in score.signature


def test_chrf_is_that_of_sacrebleu():
    score = chrf("de-en", REFERENCES).score(HYPOTHESES)
    theirs = sacrebleu.CHRF()
    expected = theirs.corpus_score(HYPOTHESES, [REFERENCES]).score
    assert score.value == pytest.approx(expected, abs=1e-12)
    assert score.signature == str(theirs.get_signature())


@pytest.mark.parametrize("make", [bleu, chrf])
def test_identical_text_scores_100_and_unrelated_text_0(make):
    metric = make("de-en", REFERENCES)
    assert metric.score(REFERENCES).value == pytest.approx(100, abs=1e-9)
    assert metric.score(["§§§"] * 3).value == 0
    assert metric.score([""] * 3).value == 0


def test_bleu_of_a_hand_worked_sentence():
    # 5 of 6 words, 3 of 5 bigrams, 2 of 4 trigrams, 1 of 3 4-grams; lengths are equal
    score = bleu("de-en", ["a b c d e f"]).score(["a b c d x f"])
    expected = 100 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25
    assert score.value == pytest.approx(expected, abs=1e-9)


def test_statistics_have_a_row_for_each_sentence_and_whole_numbers():
    for metric, counts in (
        (bleu("de-en", REFERENCES), 10),
        (chrf("de-en", REFERENCES), 18),
    ):
        statistics = metric.statistics(HYPOTHESES)
        assert statistics.shape == (3, counts)
        assert (statistics == statistics.round()).all()


@pytest.mark.parametrize(
    "target, expected",
    [
        *[("en", "13a"), ("de_DE", "13a"), ("fas_Arab", "13a")],
        *[("zh", "zh"), ("zh_CN", "zh"), ("zho_Hant", "zh"), ("zh.CN", "zh")],
        *[("zhs", "zh"), ("zht_TW", "zh"), ("cn", "zh")],
    ],
)
def test_the_target_language_chooses_the_tokenizer(target, expected):
    assert tokenizer_for(target) == expected


def test_a_forced_tokenizer_goes_before_that_of_the_language():
    assert tokenizer_for("zh", "none") == "none"
    assert "tok:zh|" in bleu("en-zh", ["你好世界"]).score(["你好"]).signature
    assert "tok:char|" in bleu("en-zh", ["你好"], "char").score(["你好"]).signature


@pytest.mark.parametrize("target, module", [("ja", "MeCab"), ("ko_KR", "mecab_ko")])
def test_a_tokenizer_that_is_not_installed_is_named_with_its_remedy(target, module):
    try:
        __import__(module)
    except ImportError:
        with pytest.raises(LassError, match=rf"{target[:2]}-mecab.*sacrebleu\[") as it:
            tokenizer_for(target)
        assert "char" in it.value.message
    else:
        assert tokenizer_for(target) == f"{target[:2]}-mecab"


def test_a_tokenizer_without_its_model_is_an_error_not_an_exit(monkeypatch):
    def offline(*_):
        raise SystemExit(1)

    monkeypatch.setattr(
        "sacrebleu.tokenizers.tokenizer_spm.TokenizerSPM.__init__", offline
    )
    for name in ("spm", "flores101"):
        told = r"flores101.*download.*put https://\S+spm.model at \S+spm.model"
        with pytest.raises(LassError, match=told):
            tokenizer_for("en", name)


def test_an_unknown_tokenizer_is_an_error():
    with pytest.raises(LassError, match="'moses'.*13a"):
        bleu("de-en", REFERENCES, "moses")


@pytest.mark.parametrize("make", [bleu, chrf])
def test_lists_that_cannot_be_scored_are_errors_with_numbers(make):
    with pytest.raises(LassError, match="de-en has 2 hypotheses for 3 references"):
        make("de-en", REFERENCES).score(HYPOTHESES[:2])
    with pytest.raises(LassError, match="de-en has 0 hypotheses"):
        make("de-en", REFERENCES).score([])
    with pytest.raises(LassError, match="de-en has 0 references"):
        make("de-en", [])
    with pytest.raises(LassError, match="references of de-en are not a list"):
        make("de-en", "one string")
    with pytest.raises(LassError, match="hypotheses of de-en are not a list"):
        make("de-en", REFERENCES).score([*HYPOTHESES[:2], None])
    with pytest.raises(LassError, match="'deen' is not a language pair"):
        make("deen", REFERENCES)


def test_a_score_is_a_number_with_a_signature():
    with pytest.raises(LassError, match="not a number"):
        Score("BLEU", math.nan, "signature")
    with pytest.raises(LassError, match="no signature"):
        Score("BLEU", 1.0, "")


def test_base_language():
    codes = ["en", "en_XX", "eng_Latn", "zho_Hans", "pt@br", "DE", "jp", "zh.CN"]
    assert [base_language(code) for code in codes] == [
        *["en", "en", "en", "zh", "pt", "de", "ja", "zh"]
    ]
