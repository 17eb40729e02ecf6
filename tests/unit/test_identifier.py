"""On-target accuracy: which sentences count, and errors that say what to do."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lass_plugin.errors import LassError
from lass_plugin.evaluation.comparison import Outputs, compare
from lass_plugin.evaluation.language_identifier import LanguageIdentifier, OnTarget
from lass_plugin.evaluation.zero_shot import score_on_target

GERMAN = "Die Kinder spielen jeden Nachmittag im Garten hinter dem Haus."
DUTCH = "De kinderen spelen elke middag in de tuin achter het huis."
ENGLISH = "The children play in the garden behind the house every afternoon."
CHINESE = "孩子们每天下午都在房子后面的花园里玩耍。"


@pytest.fixture(scope="module")
def identifier():
    return LanguageIdentifier(["de", "nl", "en", "zho_Hans", "deu", "no"])


def test_sentences_are_in_their_language(identifier):
    texts = {"de": GERMAN, "nl": DUTCH, "en": ENGLISH, "zho_Hans": CHINESE}
    for code, text in texts.items():
        for language in texts:
            assert identifier.is_in(text, language) == (code == language)
    assert identifier.is_in(GERMAN, "deu")


def test_a_text_without_letters_is_in_no_language(identifier):
    for text in ("", "  ", "123", "!?"):
        assert identifier.language_of(text) is None
        assert not identifier.is_in(text, "de")


def test_a_macrolanguage_counts_with_its_parts(identifier):
    assert "counted:wuu+yue+zh" in identifier.signature("zho_Hans")
    assert "counted:nn+no" in identifier.signature("no")
    assert "counted" not in identifier.signature("de")
    assert "py3langid|version:" in identifier.signature("de")


def test_choosing_among_few_languages_is_said(identifier):
    few = LanguageIdentifier(["de"], among=["de", "en"])
    assert few.language_of(DUTCH) in ("de", "en")
    assert few.signature("de").endswith("among:de+en")
    assert "among:all-" in identifier.signature("de")
    assert identifier.language_of(DUTCH) == "nl"  # each has a model of its own


def test_an_unknown_language_is_named_with_a_way_out():
    with pytest.raises(LassError, match="does not know the language 'tlh'.*--identify"):
        LanguageIdentifier(["de", "tlh"])
    named = LanguageIdentifier(["tlh"], {"tlh": "de"})
    assert named.is_in(GERMAN, "tlh")
    assert named.signature("tlh").endswith("counted:de")
    with pytest.raises(LassError, match="has no language 'klingon'"):
        LanguageIdentifier(["tlh"], {"tlh": "klingon"})


def test_a_missing_identifier_is_told_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    with pytest.raises(LassError) as raised:
        LanguageIdentifier(["de"])
    assert 'pip install "lass-plugin[zero-shot]"' in raised.value.message
    assert "\n" not in raised.value.message


def test_the_extra_is_declared():
    from conftest import ROOT

    from lass_plugin.evaluation.language_identifier import EXTRA

    assert f'"{EXTRA}": ["py3langid' in (ROOT / "setup.py").read_text()


def test_accuracy_is_the_share_of_sentences_on_target(identifier):
    metric = OnTarget("en-de", [GERMAN] * 4, identifier)
    statistics = metric.statistics([GERMAN, ENGLISH, GERMAN, ""])
    assert statistics.tolist() == [[1, 1], [0, 1], [1, 1], [0, 1]]
    assert metric.score_of(statistics).value == 50.0
    assert metric.score_of(statistics).signature == identifier.signature("de")


def test_scores_of_systems_and_references_worked_out_by_hand(identifier):
    references = {"en-de": [GERMAN] * 4, "en-nl": [DUTCH, DUTCH, DUTCH, "7"]}
    dense = {"en-de": [ENGLISH] * 3 + [GERMAN], "en-nl": [GERMAN] * 4}
    merged = {"en-de": [GERMAN] * 4, "en-nl": [DUTCH, DUTCH, ENGLISH, GERMAN]}
    systems = [Outputs("a", "a.pt", None, dense), Outputs("b", "b.pt", "m", merged)]
    report = compare(systems, references)
    (first, second), limits = score_on_target(report, systems, references, identifier)
    values = {
        one.name: {pair: of.scores["on-target"].value for pair, of in one.pairs.items()}
        for one in (first, second)
    }
    assert values == {
        "a": {"en-de": 25.0, "en-nl": 0.0},
        "b": {"en-de": 100.0, "en-nl": 50.0},
    }
    assert limits == {"en-de": 100.0, "en-nl": 75.0}
    assert not any(result.differences for result in first.pairs.values())
    assert list(second.pairs["en-de"].differences) == ["BLEU", "chrF", "on-target"]
    assert list(report.systems[1].pairs["en-de"].differences) == ["BLEU", "chrF"]
    difference = second.pairs["en-de"].differences["on-target"]
    assert difference.delta == 75.0
    # 75 points of 4 sentences: some samples draw only the one that was right before
    assert 0 <= difference.low <= 75


def test_unequal_numbers_of_sentences_are_refused(identifier):
    metric = OnTarget("en-de", [GERMAN, GERMAN], identifier)
    with pytest.raises(LassError, match="1 hypotheses for 2 references"):
        metric.statistics([GERMAN])


@settings(max_examples=25)
@given(texts=st.lists(st.sampled_from([GERMAN, DUTCH, ENGLISH, ""]), min_size=1))
def test_accuracy_is_a_mean_of_sentences(identifier, texts):
    metric = OnTarget("en-de", texts, identifier)
    statistics = metric.statistics(texts)
    expected = 100 * np.mean([text == GERMAN for text in texts])
    assert metric.score_of(statistics).value == pytest.approx(expected)
    assert metric.value(statistics[::-1].sum(axis=0)) == pytest.approx(expected)
