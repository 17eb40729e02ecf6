"""Moses' steps: what they write, what undoing them gives back."""

import string
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacremoses import MosesTruecaser

from lass_plugin.data import moses
from lass_plugin.data.data_folder import text_steps_of
from lass_plugin.data.text_form import DETOKENISED, TOKENISED, common_form, is_tokenised
from lass_plugin.data.text_steps import AS_MOSES, CASING, TextSteps, casing_digest
from lass_plugin.errors import LassError
from lass_plugin.files import write_json

TEXT = {
    "en": "The Jones' house isn't \"new\", he said (in 1,000 words).",
    "de": "Das ist z. B. ein Haus, nicht wahr? „Ja“, sagte Herr Braun.",
    "fr": "L'eau n'est pas chaude, dit-il.",
    "it": "L'acqua è buona, no?",
    "cs": "Je-li to tak, dobře.",
    "es": "¿Dónde está el 50% de la casa?",
    "ru": "Это дом, а не дерево.",
    "nl": "'s Avonds is het koud, zei Jan.",
    "pl": "To jest dom; nie drzewo!",
    "ar": "هذا بيت وليس شجرة.",
    "fa": "این یک خانه است.",
    "he": "זה בית, לא עץ.",
    "xx": "Of no language, but text.",
}


@pytest.mark.parametrize("language", TEXT)
def test_tokens_become_the_text_that_they_are_of(language):
    line = TEXT[language]
    if language == "nl":  # a word that begins with an apostrophe: Moses' guess is wrong
        line = line[3:]
    tokens = moses.tokenise(line, language)
    assert tokens != line and tokens == " ".join(tokens.split())
    assert moses.detokenise(tokens, language) == line


def test_what_moses_writes():
    tokens = "It &apos;s &quot; A &amp; B &quot; , isn &apos;t &#91; it &#93; ?"
    assert moses.tokenise("It's \"A & B\", isn't [it]?", "en") == tokens
    for code in ("fr_FR", "fra", "fra_Latn"):
        assert moses.tokenise("un l'eau", code) == "un l&apos; eau"
        assert moses.detokenise("un l&apos; eau", code) == "un l'eau"
    assert moses.tokenise("L'acqua", "ita_Latn") == moses.tokenise("L'acqua", "it")
    assert moses.tokenise("state-of-the-art", "en") == "state-of-the-art"
    found = moses.normalise_punctuation("„Ja“ – sagte er…", "de")
    assert found == '"Ja" - sagte er...'


def test_words_are_counted_where_no_sentence_begins():
    lines = ["The house of Berlin . The tree", "( The house of Us : Us", "Berlin"]
    forms = moses.count_forms(lines)
    # behind a full stop, a colon and an opening bracket a sentence begins
    assert forms == {"house": 2, "of": 2, "Berlin": 1, "tree": 1, "Us": 1}
    lines += ["a house of us , Us and us"]
    model = moses.casing_model(moses.count_forms(lines))
    assert "us (2/4) Us (2)\n" not in model  # a tie goes to the smaller form
    assert "Us (2/4) us (2)\n" in model


def test_a_model_is_one_of_moses_and_read_by_others(tmp_path):
    forms = Counter({"the": 9, "The": 2, "THE": 1, "Berlin": 3, "ein": 1})
    path = tmp_path / "truecase.en"
    path.write_text(moses.casing_model(forms), encoding="utf-8")
    casing = moses.read_casing(path)
    assert casing.best == {"the": "the", "berlin": "Berlin", "ein": "ein"}
    assert casing.known == {"The", "THE"}
    theirs = MosesTruecaser(load_from=str(path))
    assert theirs.model["best"] == casing.best
    line = "THE house of BERLIN . Ein Haus"
    assert moses.truecase(line, casing) == theirs.truecase(line, return_str=True)
    assert moses.truecase(line, casing) == "the house of Berlin . ein Haus"


def test_inside_of_sentences_known_forms_stay(tmp_path):
    """Moses' truecase.perl: "don't change known words"."""
    forms = Counter({"may": 9, "May": 2, "us": 5, "US": 1, "sie": 3, "Sie": 3})
    path = tmp_path / "truecase.en"
    path.write_text(moses.casing_model(forms), encoding="utf-8")
    casing, line = moses.read_casing(path), "May it be in May ? US and US , MAY , Sie"
    expected = "may it be in May ? us and US , may , Sie"
    assert moses.truecase(line, casing) == expected
    steps = TextSteps(casing=tmp_path, digest=casing_digest([path]))
    assert steps.truecase(line, "en") == expected
    # data of earlier versions: every word in its likeliest form, Sie of equal ones
    before = TextSteps(casing=tmp_path, digest=steps.digest, likeliest=True)
    assert before.truecase(line, "en") == "may it be in may ? us and us , may , Sie"


@pytest.mark.parametrize(("stated", "likeliest"), [(True, True), (AS_MOSES, False)])
def test_a_data_folder_says_which_forms_stay(tmp_path, stated, likeliest):
    """Earlier versions wrote every word in its likeliest form, and ``true``."""
    (tmp_path / "truecase.de").write_text("sie (3/4) Sie (1)\n")
    options = {"truecase": stated, "moses": True}
    record = {"options": options, "inputs": {}, "files": {"truecase.de": 18}}
    write_json(tmp_path / "preparation.json", record)
    steps = text_steps_of(tmp_path)
    assert steps.likeliest is likeliest
    assert steps.truecase("hat Sie", "de") == ("hat sie" if likeliest else "hat Sie")


@pytest.mark.parametrize("line", ["the", "the (3/3) The", "the 3 The 4"])
def test_a_model_that_is_none_is_named(tmp_path, line):
    path = tmp_path / "truecase.en"
    path.write_text(f"a (1/1)\n{line}\n")
    with pytest.raises(LassError, match=f"{path}:2 is no line of a model"):
        moses.read_casing(path)


def steps_of(tmp_path, texts: dict[str, list[str]]) -> TextSteps:
    paths = []
    for code, lines in texts.items():
        tokens = [moses.tokenise(line, code) for line in lines]
        paths.append(tmp_path / CASING.format(code))
        paths[-1].write_text(moses.casing_model(moses.count_forms(tokens)))
    return TextSteps(False, True, tmp_path, casing_digest(paths))


def test_steps_are_undone(tmp_path):
    training = {
        "en": ["In this house, Mr. Brown isn't at home.", "Here, the tree is in it."],
        "de": ["In dem Haus ist Herr Braun, das ist gut.", "Und dort ist der Baum."],
    }
    steps = steps_of(tmp_path, training)
    line = "The tree isn't in this house. In Berlin, so is Mr. Brown."
    made = "the tree isn &apos;t in this house . in Berlin , so is Mr. Brown ."
    assert steps.apply(line, "en") == made
    assert steps.split(line, "en") == moses.tokenise(line, "en")
    assert steps.undo(made, "en") == line
    assert steps.recase(made).startswith("The tree isn &apos;t")
    line = "Das ist der Baum, in dem Haus."
    assert steps.undo(steps.apply(line, "de"), "de") == line
    assert not TextSteps().any and TextSteps().undo(line, "de") == line


@pytest.mark.parametrize("language", ["en", "de", "fr", "fi", "zh", "hi", "xx"])
@given(line=st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" ")))
def test_no_letter_is_lost_there_and_back(language, line):
    def letters(text):
        return "".join(filter(str.isalnum, text)).upper().casefold()

    tokens = moses.tokenise(line, language)
    assert not set(tokens.replace("&", "")) & set("<>|[]\"'")
    if not {"&", *string.digits} & {*line}:  # entities of the text itself are resolved
        assert letters(moses.detokenise(tokens, language)) == letters(line)
    assert letters(moses.truecase(tokens, moses.Casing({}))) == letters(tokens)
    assert letters(moses.detruecase(tokens)) == letters(tokens)


def test_tokens_show_that_they_are_tokens():
    raw = [TEXT["en"], TEXT["de"]] * 3
    tokens = [moses.tokenise(line, "en") for line in raw]
    assert is_tokenised(raw) is False and is_tokenised(tokens) is True
    assert common_form([raw, ["no marks"]]) == DETOKENISED
    assert common_form([tokens, ["no marks"]]) == TOKENISED
    assert common_form([tokens, raw]) is None and common_form([["no marks"]]) is None
