"""What a training set keeps: lengths, ratios, repeated and held-out lines."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lass_plugin.data.cleaning import (
    DUPLICATE,
    EMPTY,
    LONG,
    OVERLAP,
    RULES,
    SHORT,
    UNEVEN,
    Counts,
    HeldOut,
    Limits,
    broken_limit,
    clean,
    hold_out,
    length,
    letters,
)

DE_EN = ("de", "en")
LINES = st.text(st.sampled_from("ab .\t\u2003É"), max_size=12)
PAIRS = st.lists(st.tuples(LINES, LINES), max_size=30)
LIMITS = st.builds(
    Limits,
    min_tokens=st.none() | st.integers(1, 3),
    max_tokens=st.none() | st.integers(3, 6),
    max_ratio=st.none() | st.floats(1, 4),
)


def cleaned(pairs, languages=DE_EN, drop_duplicates=False, **limits):
    counts = Counts()
    kept = clean(pairs, Limits(**limits), languages, counts, drop_duplicates)
    return list(kept), counts


def test_each_rule_counts_what_it_drops():
    pairs = [
        ("a b", "a b"),  # kept
        (" ", "a"),  # empty
        ("a", "a b"),  # too short
        ("a b c d e f", "a b c d e"),  # too long
        ("a b c d", "a b"),  # the ratio is 2
        ("a  b", "a b "),  # the first one with other spaces
        ("a b c", "a b"),  # the ratio is 1.5
    ]
    kept, counts = cleaned(
        pairs, min_tokens=2, max_tokens=5, max_ratio=1.5, drop_duplicates=True
    )
    assert kept == [("a b", "a b"), ("a b c", "a b")]
    dropped = {EMPTY: 1, SHORT: 1, LONG: 1, UNEVEN: 1, OVERLAP: 0, DUPLICATE: 1}
    assert counts.as_json() == {
        "read": 7,
        "kept": 2,
        "dropped": dropped,
        "duplicates": 1,
        "held_out": {"pairs": 0, "sides": 0},
    }


def test_the_limits_themselves_are_kept():
    pairs = [("a", "b"), (" ".join("a" * 175), " ".join("b" * 175)), ("a b c", "a b")]
    assert cleaned(pairs, max_tokens=175, max_ratio=1.5)[0] == pairs


def test_what_repeats_is_counted_where_it_is_kept():
    kept, counts = cleaned([("a", "b"), ("a", "c"), ("a", "b"), ("a", "b")])
    assert len(kept) == 4 and counts.duplicates == 2 and not counts.dropped


def test_sides_do_not_run_into_each_other():
    assert cleaned([("a b", "c"), ("a", "b c")], drop_duplicates=True)[1].kept == 2


@pytest.mark.parametrize(
    "choice, left", [("keep", [0, 1, 2, 3, 4]), ("pairs", [1, 2, 3, 4]), ("sides", [4])]
)
def test_held_out_lines(choice, left):
    held_out = HeldOut()
    held_out.add(("en", "de"), [("Thank you.", "Danke."), ("Yes!", "Ja!")])
    pairs = [
        ("danke", "Thank  you"),  # both, in the other order of the languages
        ("Danke.", "Yes!"),  # two lines that are no pair
        ("Vielen Dank", "Thank you"),
        ("Ja?", "Indeed"),
        ("Yes", "Danke"),  # held out in the other language
    ]
    counts = Counts(kept=5)
    kept = list(hold_out(pairs, held_out, choice, DE_EN, counts))
    assert kept == [pairs[number] for number in left]
    assert counts.kept == len(left) == 5 - counts.dropped[OVERLAP]
    assert counts.held_out == {"pairs": 1, "sides": 3}


def test_a_script_without_spaces_is_counted_by_characters():
    assert length("你好 世界", "zh") == 4 == length("你好世界", "zho_simpl")
    assert length("你好 世界", "de") == 2
    for code in ("th", "tha", "tha_Thai", "mya_Mymr", "khm", "lao"):
        assert length("สวัสดี ชาวโลก", code) == 12
    kept, counts = cleaned([("你好世界", "Hello world")], ("zh", "en"), max_ratio=2)
    assert kept and cleaned(kept, ("zh", "en"), max_ratio=1.9)[1].dropped[UNEVEN] == 1


def test_letters():
    assert letters("Straße, 5!") == letters("STRASSE 5") == "strasse5"
    assert letters(" ? !") == "? !" != letters("...")
    for line in ("Café à Łódź", "Tiếng Việt", "한국어", "क़लम"):
        forms = {unicodedata.normalize(form, line) for form in ("NFC", "NFD")}
        assert len(forms) == 2 or line == "क़लम"
        assert len({letters(form) for form in forms}) == 1
    assert letters("Café") == "café" != letters("Cafe")


def test_without_languages_tokens_are_words():
    assert broken_limit("你好世界", "Hello world", Limits(max_ratio=1.9)) == UNEVEN
    assert broken_limit("a", "b", Limits()) is None
    assert broken_limit(" ", "b", Limits()) == EMPTY


@given(PAIRS, LIMITS, st.booleans(), PAIRS, st.sampled_from(["keep", "pairs", "sides"]))
def test_what_is_kept_obeys_every_rule_and_nothing_else_is_dropped(
    pairs, limits, drop_duplicates, held, drop
):
    held_out = HeldOut()
    held_out.add(DE_EN, held)
    counts = Counts()
    kept = clean(pairs, limits, DE_EN, counts, drop_duplicates)
    kept = list(hold_out(kept, held_out, drop, DE_EN, counts))
    assert counts.read == len(pairs)
    assert counts.kept == len(kept) == len(pairs) - sum(counts.dropped.values())
    assert set(counts.dropped) <= set(RULES)
    # slowly, by the words of the rules
    expected, seen = [], set()
    sides = [{letters(pair[n]) for pair in held} for n in (0, 1)]
    both = {(letters(one), letters(other)) for one, other in held}
    for source, target in pairs:
        sizes = sorted([len(source.split()), len(target.split())])
        pair = " ".join(source.split()), " ".join(target.split())
        good = sizes[0] >= (limits.min_tokens or 1)
        good &= sizes[1] <= (limits.max_tokens or 99)
        good &= sizes[1] <= (limits.max_ratio or 99) * sizes[0]
        if not good:
            continue
        repeated = pair in seen
        seen.add(pair)
        keys = letters(pair[0]), letters(pair[1])
        is_side = keys[0] in sides[0] or keys[1] in sides[1]
        dropped = repeated and drop_duplicates
        dropped |= drop == "pairs" and keys in both
        dropped |= drop == "sides" and is_side
        if not dropped:
            expected.append(pair)
    assert kept == expected


@given(PAIRS, LIMITS)
def test_cleaning_again_changes_nothing(pairs, limits):
    kept = list(clean(pairs, limits, DE_EN, Counts(), drop_duplicates=True))
    assert list(clean(kept, limits, DE_EN, Counts(), drop_duplicates=True)) == kept
