"""What `lass prepare` does to text before subwords: merges, Moses, cleaning, counts."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from fairseq.data import Dictionary, data_utils
from fairseq.data.data_utils import post_process
from hypothesis import given, settings
from hypothesis import strategies as st
from subword_nmt.apply_bpe import BPE

from lass_plugin.cli import prepare as command
from lass_plugin.data import cleaned_text, moses, preparation, subwords
from lass_plugin.data.cleaning import RULES, letters
from lass_plugin.data.data_folder import (
    text_form_of,
    text_settings_of,
    text_stated,
    text_steps_of,
)
from lass_plugin.data.line_hashes import Seen, pair_hashes
from lass_plugin.data.parallel_text import Bitext, find_bitexts, sha256
from lass_plugin.data.preparation_settings import PreparationSettings
from lass_plugin.data.text_settings import TextSettings
from lass_plugin.data.text_steps import TextSteps
from lass_plugin.data.truecased_text import learn_casing
from lass_plugin.data.workers import Workers
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, parse_pairs

NOUNS = {
    "en": ("house", "tree", "Berlin", "dog", "Mr. Brown"),
    "de": ("Haus", "Baum", "Berlin", "Hund", "Herr Braun"),
}
FORMS = {
    "en": "The {}, which is {} years old, isn't a {}.",
    "de": "Das {}, welches {} Jahre alt ist, ist kein {}.",
}
COUNTS = {"train": 120, "valid": 8, "test": 7}


def sentence(code: str, number: int) -> str:
    nouns = NOUNS[code]
    one, other = nouns[number % 5], nouns[number // 5 % 5]
    return FORMS[code].format(one, 1000 + number, other)


def write(folder: Path, split: str, lines: dict[str, list[str]]) -> None:
    folder.mkdir(exist_ok=True)
    pair = "-".join(lines)
    for code, of in lines.items():
        text = "".join(f"{line}\n" for line in of)
        (folder / f"{split}.{pair}.{code}").write_text(text, encoding="utf-8")


@pytest.fixture
def text(tmp_path) -> Path:
    first = 0
    for split, count in COUNTS.items():
        numbers = range(first, first + count)
        lines = {c: [sentence(c, number) for number in numbers] for c in ("de", "en")}
        write(tmp_path / "text", split, lines)
        first += count
    return tmp_path / "text"


def prepare(text: Path, out: Path, fresh=False, workers=1, **chosen) -> dict:
    own = {name: chosen.pop(name) for name in list(chosen) if name in TEXT_OPTIONS}
    given = PreparationSettings(
        text=text,
        out=out,
        pairs=tuple(parse_pairs("de-en,en-de")),
        written=TextSettings(**own),
        **{"subword": "bpe", **({} if "subword" in chosen else MERGES), **chosen},
    )
    return preparation.prepare(replace(given, fresh=fresh, workers=workers))


MERGES = {"merges": 40}
TEXT_OPTIONS = TextSettings.__dataclass_fields__
EVERYTHING = {"moses": True, "truecase": True, "normalise_punctuation": True}


def tokens_in(folder: Path, name: str, code: str, symbol: str | None) -> list[str]:
    """The sentences of a data folder, as fairseq reads them, without subwords."""
    dictionary = Dictionary.load(str(folder / f"dict.{code}.txt"))
    dataset = data_utils.load_indexed_dataset(f"{folder}/{name}.{code}", dictionary)
    return [dictionary.string(item, bpe_symbol=symbol) for item in dataset]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# Merges


@pytest.mark.parametrize("merges", [1, 7, 40])
def test_as_many_merges_are_learned_as_are_asked_for(text, tmp_path, merges):
    prepare(text, tmp_path / "data", merges=merges)
    codes = (tmp_path / "data" / "bpe.codes").read_text().splitlines()
    assert len(codes) - 1 == merges and codes[0].startswith("#version")
    with open(tmp_path / "data" / "bpe.codes") as file:
        assert len(BPE(file).bpe_codes) == merges


@given(
    lines=st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=12),
    merges=st.integers(1, 6),
)
@settings(max_examples=60)
def test_merges_are_those_of_a_slow_count(lines, merges):
    words = Counter((*word[:-1], f"{word[-1]}</w>") for word in lines)
    expected = []
    while len(expected) < merges:
        pairs: Counter = Counter()
        for word, count in words.items():
            for pair in zip(word, word[1:], strict=False):
                pairs[pair] += count
        if not pairs or max(pairs.values()) < 2:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        expected.append(best)
        merged: Counter = Counter()
        for word, count in words.items():
            made: list[str] = []
            for symbol in word:
                if made and (made[-1], symbol) == best:
                    made[-1] += symbol
                else:
                    made.append(symbol)
            merged[tuple(made)] += count
        words = merged
    if len(expected) < merges:
        with pytest.raises(LassError, match=f"choose {len(expected)} or less"):
            subwords.train_bpe(lines, merges=merges)
        return
    found = subwords.train_bpe(lines, merges=merges).decode().splitlines()[1:]
    assert [tuple(line.split()) for line in found] == expected


def test_symbols_and_merges_are_told_apart(text, tmp_path):
    """N symbols are the characters and the merges; papers say the merges."""
    for name, chosen in (("a", {"merges": 30}), ("b", {"vocab_size": 100})):
        prepare(text, tmp_path / name, subword="bpe", **chosen)
    codes = (tmp_path / "b" / "bpe.codes").read_text().splitlines()[1:]
    words = {word for file in text.glob("train.*") for word in file.read_text().split()}
    characters = {character for word in words for character in word[:-1]}
    assert len(codes) == 100 - len(characters) - len({word[-1] for word in words})
    shared = min(len(codes), 30)
    first = (tmp_path / "a" / "bpe.codes").read_text().splitlines()[1:]
    assert first[:shared] == codes[:shared]


def test_given_codes_are_used(text, tmp_path):
    prepare(text, tmp_path / "first")
    codes = tmp_path / "first" / "bpe.codes"
    how = {"subword": "bpe", "bpe_codes": codes}
    prepare(text, tmp_path / "again", **how)
    first, again = contents(tmp_path / "first"), contents(tmp_path / "again")
    del first["preparation.json"], again["preparation.json"]
    assert first == again
    prepare(text, tmp_path / "dict", **how, dictionary=tmp_path / "first" / "dict.txt")
    assert (
        contents(tmp_path / "dict")["train.de-en.de.bin"] == first["train.de-en.de.bin"]
    )


def test_text_of_another_form_than_that_of_the_dictionary_is_told(
    text, tmp_path, capsys
):
    first = tmp_path / "first"
    prepare(text, first, moses=True)
    given = {"dictionary": first / "dict.txt", "bpe_codes": first / "bpe.codes"}
    capsys.readouterr()
    prepare(text, tmp_path / "alike", **given, merges=None, moses=True)
    assert "whose dictionary is given" not in capsys.readouterr().err
    prepare(text, tmp_path / "raw", **given, merges=None)
    told = capsys.readouterr().err
    assert f"the text of {first}, whose dictionary is given, was prepared with" in told
    assert "prepared with --moses; a model" in told


def test_sentencepiece_makes_merges_too(text, tmp_path):
    import sentencepiece

    kinds = {"sentencepiece": 60, "sentencepiece-bpe": 60}
    made = {}
    for kind, size in kinds.items():
        prepare(text, tmp_path / kind, subword=kind, vocab_size=size)
        made[kind] = (tmp_path / kind / "spm.model").read_bytes()
        for code in ("de", "en"):
            read = tokens_in(tmp_path / kind, "test.de-en", code, "sentencepiece")
            assert read == (text / f"test.de-en.{code}").read_text().splitlines()
    assert made["sentencepiece"] != made["sentencepiece-bpe"]
    model = sentencepiece.SentencePieceProcessor(model_proto=made["sentencepiece-bpe"])
    # the scores of merges are their numbers
    scores = [model.get_score(index) for index in range(3, 10)]
    assert scores == [-float(number) for number in range(7)]


# Moses' steps


def test_steps_are_taken_in_the_data_and_undone_to_what_was_given(text, tmp_path):
    out = tmp_path / "data"
    record = prepare(text, out, **EVERYTHING)
    assert record["text_form"] == "detokenised" == text_form_of(out)
    steps = text_steps_of(out)
    assert (steps.normalise, steps.tokenise, steps.casing) == (True, True, out)
    for split in COUNTS:
        for code in ("de", "en"):
            given = (text / f"{split}.de-en.{code}").read_text().splitlines()
            tokens = tokens_in(out, f"{split}.de-en", code, "@@ ")
            assert tokens == [steps.apply(line, code) for line in given]
            assert [steps.undo(line, code) for line in tokens] == given
            if split != "train":
                raw = (out / "raw" / f"{split}.de-en.{code}").read_text()
                assert raw.splitlines() == given
    english = tokens_in(out, "test.de-en", "en", "@@ ")
    assert all("&apos;t" in line and " , " in line for line in english)
    # "the" is known to be small only where it does not begin a sentence
    expected = moses.casing_model(
        moses.count_forms(
            moses.tokenise(line, "en")
            for line in (text / "train.de-en.en").read_text().splitlines()
        )
    )
    assert (out / "truecase.en").read_text() == expected
    assert "Berlin (" in expected and "house (" in expected


def test_the_bytes_do_not_depend_on_processes_or_blocks(text, tmp_path, monkeypatch):
    chosen = {**EVERYTHING, "duplicates": "drop", "held_out": "sides"}
    prepare(text, tmp_path / "one", **chosen)
    monkeypatch.setattr(cleaned_text, "_CHUNK", 7)
    prepare(text, tmp_path / "two", **chosen, workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_an_interrupted_run_ends_with_the_same_bytes(text, tmp_path, monkeypatch):
    chosen = {**EVERYTHING, "duplicates": "drop"}
    prepare(text, tmp_path / "whole", **chosen)
    out, calls = tmp_path / "data", [0]
    places = [
        (cleaned_text, "_treat_chunk"),
        (preparation, "learn_casing"),
        (preparation, "truecase_texts"),
        (preparation, "subword_model"),
    ]
    for module, name in places:
        original = getattr(module, name)
        for stop in (1, 2, 3):

            def stopped(*words, calls=calls, stop=stop, made=original):
                calls[0] += 1
                if calls[0] == stop:
                    raise KeyboardInterrupt
                return made(*words)

            calls[0] = 0
            with monkeypatch.context() as patch:
                patch.setattr(module, name, stopped)
                try:
                    prepare(text, out, **chosen)
                except KeyboardInterrupt:
                    assert not (out / "preparation.json").exists()
                    continue
            break
    assert not prepare(text, out, **chosen)["done"]
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ({"moses": True}, "--moses was not given and is given"),
        ({"merges": 39}, "--merges was 40 and is 39"),
        ({"duplicates": "drop"}, "--duplicates was not given and is drop"),
        ({"held_out": "pairs"}, "--held-out was not given and is pairs"),
        ({"max_tokens": 30}, "--max-tokens was not given and is 30"),
        ({"text_form": "detokenised"}, "--text-form was not given and is detok"),
    ],
)
def test_a_folder_of_other_options_is_refused(text, tmp_path, others, told):
    prepare(text, tmp_path / "data", subword="bpe", merges=40)
    before = contents(tmp_path / "data")
    chosen = {"subword": "bpe", "merges": 40, **others}
    with pytest.raises(LassError, match=told):
        prepare(text, tmp_path / "data", **chosen)
    assert contents(tmp_path / "data") == before
    prepare(text, tmp_path / "data", **chosen, fresh=True)
    assert not prepare(text, tmp_path / "data", **chosen)["done"]


def test_a_folder_of_an_earlier_version_is_readable_and_the_same(text, tmp_path):
    """Its record has none of the newer options, and says nothing of the form."""
    out = tmp_path / "data"
    prepare(text, out, subword="bpe", vocab_size=100)
    path = out / "preparation.json"
    record = json.loads(path.read_text())
    newer = {*TextSettings().as_json(), "merges", "bpe-codes"}
    record["options"] = {
        name: value for name, value in record["options"].items() if name not in newer
    }
    del record["text_form"], record["counts"]["train.de-en"]["cleaning"]
    path.write_text(json.dumps(record))
    assert text_steps_of(out) == TextSteps() and text_form_of(out) is None
    assert text_settings_of(out) == TextSettings()
    assert not prepare(text, out, subword="bpe", vocab_size=100)["done"]
    with pytest.raises(LassError, match="--moses was not given and is given"):
        prepare(text, out, subword="bpe", vocab_size=100, moses=True)


def test_further_text_is_written_like_that_of_a_folder(text, tmp_path):
    out = tmp_path / "data"
    prepare(text, out, **EVERYTHING)
    asked = text_settings_of(out)
    assert asked == TextSettings(**EVERYTHING, truecase_model=out)
    casing = {code: sha256(out / f"truecase.{code}") for code in ("de", "en")}
    stated = {"tokenised": True, "normalised": True, "truecased": casing}
    assert text_stated(out) == stated and text_stated(tmp_path) is None
    write(
        tmp_path / "more",
        "train",
        {"de": ["Nur dort ist DAS Haus."] * 3, "nl": ["Een huis."] * 3},
    )
    texts, _ = find_bitexts(tmp_path / "more", [Pair("de", "nl")])
    with Workers(1) as pool:
        made = learn_casing(
            texts, asked.tokens, tmp_path / "casing", asked.given_casing, pool
        )
    for code in ("de", "en"):
        name = f"truecase.{code}"
        assert (tmp_path / "casing" / name).read_bytes() == (out / name).read_bytes()
    assert (tmp_path / "casing" / "truecase.nl").read_text() == "huis (3/3)\n"
    assert made.apply("Das Haus.", "de") == text_steps_of(out).apply("Das Haus.", "de")
    # a folder of other data with the same casing
    prepare(text, tmp_path / "again", **EVERYTHING, truecase_model=out)
    first, again = contents(out), contents(tmp_path / "again")
    del first["preparation.json"], again["preparation.json"]
    assert first == again
    (tmp_path / "again" / "truecase.de").unlink()
    with pytest.raises(LassError, match="truecase.de is missing"):
        text_steps_of(tmp_path / "again")


def test_text_that_is_tokenised_is_not_tokenised_once_more(text, tmp_path):
    tokens = tmp_path / "tokens"
    for split in COUNTS:
        lines = {
            code: [
                moses.tokenise(line, code)
                for line in (text / f"{split}.de-en.{code}").read_text().splitlines()
            ]
            for code in ("de", "en")
        }
        write(tokens, split, lines)
    with pytest.raises(LassError, match="is tokenised already, and --moses"):
        prepare(tokens, tmp_path / "data", moses=True)
    record = prepare(tokens, tmp_path / "data")
    assert record["text_form"] == "tokenised"
    record = prepare(tokens, tmp_path / "cased", text_form="tokenised", truecase=True)
    steps = text_steps_of(tmp_path / "cased")
    assert (steps.tokenise, record["text_form"]) == (False, "tokenised")
    line = (tokens / "test.de-en.en").read_text().splitlines()[0]
    assert steps.undo(steps.apply(line, "en"), "en") == line
    # where it is wrong about the form, the user is right
    prepare(tokens, tmp_path / "twice", moses=True, text_form="detokenised")


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"moses": True, "text_form": "tokenised"}, "--moses tokenises text that"),
        ({"truecase": True}, "--truecase needs tokens; add --moses"),
        ({"truecase_model": Path("x")}, "--truecase-model has no effect without"),
        ({**EVERYTHING, "truecase_model": Path("x")}, "x has no truecase.LANG"),
        ({"min_tokens": 5, "max_tokens": 4}, "--min-tokens 5 is more than --max-to"),
        ({"max_ratio": 0.5}, "--max-ratio must be 1"),
        ({"held_out": "some"}, "--held-out some is unknown"),
        ({"subword": "sentencepiece", "merges": 9}, "--merges has no effect with"),
        ({"subword": "none", "bpe_codes": Path("x")}, "--bpe-codes has no effect"),
        ({"merges": 9, "vocab_size": 9}, "--vocab-size has no effect with --merges"),
        ({"merges": 9, "bpe_codes": Path("x")}, "--merges has no effect with --bpe"),
        ({"merges": 9999}, "--merges 9999 is too much for so little text; choose"),
        ({"max_tokens": 2}, "nothing is left of .* \\(120 long\\)"),
    ],
)
def test_options_without_sense_are_refused(text, tmp_path, chosen, told):
    chosen = {"subword": "bpe", **chosen}
    with pytest.raises(LassError, match=told):
        settings_of = {k: v for k, v in chosen.items() if k in TEXT_OPTIONS}
        others = {k: v for k, v in chosen.items() if k not in TEXT_OPTIONS}
        made = PreparationSettings(
            text=text,
            out=tmp_path / "data",
            pairs=(Pair("de", "en"),),
            written=TextSettings(**settings_of),
            workers=1,
            **others,
        )
        made.check()
        preparation.prepare(made)
    assert not (tmp_path / "data" / "preparation.json").exists()


# Cleaning, and what is repeated


WORDS = st.sampled_from(["a", "b", "b b", "A.", "a b c", "", " ", "c c c c"])
PAIRS = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=25)


def slow_judgement(pairs, held_out, asked: TextSettings):
    """The lines that are kept, and the counts, rule by rule."""
    counts = dict.fromkeys(RULES, 0)
    repeated, overlapping, seen, kept = 0, Counter(), [], []
    known = [tuple(map(letters, pair)) for pair in held_out]
    for pair in pairs:
        sizes = sorted(len(line.split()) for line in pair)
        plain = tuple(" ".join(line.split()) for line in pair)
        sides = tuple(map(letters, pair))
        rule = None
        if not sizes[0]:
            rule = "empty"
        elif asked.min_tokens and sizes[0] < asked.min_tokens:
            rule = "short"
        elif asked.max_tokens and sizes[1] > asked.max_tokens:
            rule = "long"
        elif asked.max_ratio and sizes[1] / sizes[0] > asked.max_ratio:
            rule = "uneven"
        if rule is None:
            if plain in seen:
                repeated += 1
                rule = "duplicate" if asked.duplicates == "drop" else None
            seen.append(plain)
        if rule is None:
            kind = None
            if sides in known:
                kind = "pairs"
            elif any(sides[i] == each[i] for each in known for i in (0, 1)):
                kind = "sides"
            if kind:
                overlapping[kind] += 1
                rule = "overlap" if asked.held_out in ("sides", kind) else None
        if rule is None:
            kept.append(pair)
        else:
            counts[rule] += 1
    return kept, counts, repeated, overlapping


@given(
    pairs=PAIRS,
    held_out=st.lists(st.tuples(*[st.sampled_from(["a", "a b", "B!", "c"])] * 2)),
    duplicates=st.sampled_from(["keep", "drop"]),
    drop=st.sampled_from(["keep", "pairs", "sides"]),
    limits=st.sampled_from([(None, None, None), (1, 3, None), (2, None, 1.5)]),
    block=st.integers(1, 9),
)
@settings(max_examples=60)
def test_what_is_kept_and_counted_is_so_by_a_slow_look(
    tmp_path_factory, pairs, held_out, duplicates, drop, limits, block
):
    folder = tmp_path_factory.mktemp("text")
    texts = []
    for split, lines in (("train", pairs), ("test", held_out)):
        if lines:
            sides = {c: [pair[n] for pair in lines] for n, c in enumerate(("de", "en"))}
            write(folder, split, sides)
            files = (folder / f"{split}.de-en.{code}" for code in sides)
            texts.append(Bitext(split, Pair("de", "en"), *files))
    asked = TextSettings(
        duplicates=duplicates,
        held_out=drop,
        min_tokens=limits[0],
        max_tokens=limits[1],
        max_ratio=limits[2],
    )
    kept, counts, repeated, overlapping = slow_judgement(pairs, held_out, asked)
    before, cleaned_text._CHUNK = cleaned_text._CHUNK, block
    try:
        with Workers(1) as pool:
            how = (folder / "work", pool, len(pairs))
            if not kept:
                with pytest.raises(LassError, match="nothing is left of"):
                    cleaned_text.clean_texts(texts, asked, *how)
                return
            made, found = cleaned_text.clean_texts(texts, asked, *how)
    finally:
        cleaned_text._CHUNK = before
    assert found["train.de-en"] == {
        "read": len(pairs),
        "kept": len(kept),
        "dropped": counts,
        "duplicates": repeated,
        "held_out": {kind: overlapping[kind] for kind in ("pairs", "sides")},
    }
    if asked.writes:
        lines = [path.read_text().split("\n")[:-1] for _, path in made[0].sides]
        assert list(zip(*lines, strict=True)) == kept
    else:
        assert made == texts


@given(
    numbers=st.lists(st.lists(st.integers(0, 12), max_size=9), max_size=12),
)
def test_what_was_seen_is_known_again(numbers):
    seen, known = Seen(), set()
    for block in numbers:
        lines = [f"line {number}" for number in block]
        found = seen.first(pair_hashes(lines, lines)).tolist()
        for number, first in zip(block, found, strict=True):
            assert first == (number not in known)
            known.add(number)


def test_hashes_are_of_words_and_of_sides():
    one = pair_hashes(["a  b", "a", "a b"], ["c", "b c", " c "])
    assert one[0] == one[2] != one[1] and one.dtype == "uint64"


def test_a_side_of_test_may_be_in_training_text_of_another_pair(text, tmp_path, capsys):
    given = (text / "test.de-en.en").read_text().splitlines()
    others = {"en": [given[0], "Something else."], "nl": ["Een.", "Twee, drie."]}
    write(text, "train", others)
    words = "de-en,en-nl"
    chosen = PreparationSettings(
        text=text,
        out=tmp_path / "data",
        pairs=tuple(parse_pairs(words)),
        subword="bpe",
        merges=20,
        written=TextSettings(moses=True, held_out="sides"),
        workers=1,
    )
    assert command.run(chosen) == 0
    told = capsys.readouterr().out
    assert "train.en-nl: 1 sentence pairs, 1 dropped (1 overlap), 1 hold a" in told
    record = json.loads((tmp_path / "data" / "preparation.json").read_text())
    found = record["counts"]["train.en-nl"]["cleaning"]
    assert found["held_out"] == {"pairs": 0, "sides": 1}
    assert found["dropped"]["overlap"] == 1 and found["kept"] == 1
    kept = tokens_in(tmp_path / "data", "train.en-nl", "en", None)
    assert post_process(kept[0], "@@ ") == "Something else ."


def test_repeated_lines_are_told_where_nothing_is_asked_for(text, tmp_path, capsys):
    for code in ("de", "en"):
        path = text / f"train.de-en.{code}"
        lines = path.read_text().splitlines()
        path.write_text("".join(f"{line}\n" for line in [*lines, *lines[:3]]))
    record = prepare(text, tmp_path / "data")
    assert record["counts"]["train.de-en"]["kept"] == 123
    assert record["counts"]["train.de-en"]["cleaning"]["duplicates"] == 3
    command.report(tmp_path / "data", record, "sentence pairs")
    told = capsys.readouterr().out
    assert "123 sentence pairs, 3 of all repeat an earlier one" in told
