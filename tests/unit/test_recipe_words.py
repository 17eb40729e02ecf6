"""Variables and words of recipes, against what they are by hand."""

import pytest
from hypothesis import given, strategies

from lass_plugin.errors import LassError
from lass_plugin.experiments.recipes.words import Scope, nearest

SCOPE = Scope(
    {
        "text": "two words",
        "languages": "de,en,nl",
        "pairs": "de-en,en-de,nl-en",
        "ratios": ["0.2", "0.4 0.6"],
        "flags": ["--dropout 0.1", "--adam-betas '(0.9, 0.98)'"],
        "joint": "800",
        "empty": "",
        "none": [],
        "tenth": "${joint / 10}",
        "names": ["[ ${ratios}-${flagged} ]..."],
        "flagged": ["a", "b"],
        "money": "$$5",
        "one": "${two}",
        "two": "${one}",
        "made": lambda: ["--bf16-autocast"],
    }
)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("run ${text} x", ["run", "two words", "x"]),
        ("run '${text} x'", ["run", "two words x"]),
        ("run --lr=${joint}", ["run", "--lr=800"]),
        ("${flags}", ["--dropout", "0.1", "--adam-betas", "(0.9, 0.98)"]),
        ("a ${none} b ${empty}", ["a", "b", ""]),
        ("--ratios ${ratios,}", ["--ratios", "0.2,0.4,0.6"]),
        (
            "${pairs,} ${#pairs} ${#ratios} ${#none}",
            ["de-en,en-de,nl-en", "3", "3", "0"],
        ),
        (
            "${joint/3} ${joint * 2} ${ joint + 1 } ${joint-1}",
            ["266", "1600", "801", "799"],
        ),
        ("${#pairs > 2} ${#pairs < 3} ${joint = 800}", ["1", "0", "1"]),
        ("${tenth}", ["80"]),
        ("[ --sample ${empty} ] x [ --seed ${joint} ]", ["x", "--seed", "800"]),
        ("[ --x ${none} ]", []),
        ("${pairs.1}:${ratios.3}", ["de-en:0.6"]),
        ("${languages*} ${empty*}", ["de-en,de-nl,en-de,en-nl,nl-de,nl-en", ""]),
        ("a ${pairs...} ${empty...}", ["a", "de-en", "en-de", "nl-en"]),
        (
            "[ -r ${ratios}:${text} ]...",
            ["-r", "0.2:two words", "-r", "0.4:two words"] + ["-r", "0.6:two words"],
        ),
        ("${names,}", ["0.2-a,0.2-b,0.4-a,0.4-b,0.6-a,0.6-b"]),
        ("[ ${none} ]...", []),
        ("$$x ${money} a$b", ["$x", "$5", "a$b"]),
        ("${made}", ["--bf16-autocast"]),
        ("update_freq=[1] [x ]x", ["update_freq=[1]", "[x", "]x"]),
    ],
)
def test_words(template, words):
    assert SCOPE.words(template) == words


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("${texts}", "texts is not defined; did you mean text?"),
        ("${one}", "one is defined by itself: one → two → one"),
        ("${pairs.0}", "pairs has 3 values, no number 0"),
        ("--x=${pairs...}", "${pairs...} is no variable"),
        ("--x=${flags}", "flags is a list; as ${flags,} it is one word"),
        ("${text / 2}", "text must be a whole number, not 'two words'"),
        ("${joint / empty}", "empty must be a whole number"),
        ("${joint / 0}", "divides by 0"),
        ("${joint!}", "${joint!} is no variable"),
        ("a ${text", "${text is not closed in"),
        ("a 'b", "cannot be split: No closing quotation"),
        ("[ a", "a bracket is not closed"),
        ("a ]...", "]... closes nothing"),
        ("[ a [ b ] ]", "a bracket within a bracket"),
        ("[ ${text} ]...", "has no list to go through"),
    ],
)
def test_what_cannot_be_put_in_is_named(template, message):
    with pytest.raises(LassError) as error:
        SCOPE.words(template)
    assert message in error.value.message


@given(strategies.text(), strategies.text(min_size=1))
def test_a_value_stays_one_word_whatever_it_holds(value, other):
    kept = value.replace("$", "$$")
    scope = Scope({"value": kept, "pair": kept})
    assert scope.words("a ${value} --x=${value}") == ["a", value, f"--x={value}"]
    assert scope.within({"pair": other.replace("$", "$$")}).text("${pair}") == other


def test_the_nearest_name_or_all_of_them():
    assert nearest("serach", ["search", "joint"]) == "did you mean search?"
    assert nearest("xyz", ["search", "joint"]) == "there are search, joint"
    assert nearest("xyz", []) == "there are none"
