"""`lass prepare`: what it accepts, what it writes, and that it can be interrupted."""

import gzip
import json
import os
import random
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from fairseq.binarizer import FileBinarizer, VocabularyDatasetBinarizer
from fairseq.data import Dictionary, data_utils

from lass_plugin.cli import prepare as command
from lass_plugin.data import binarization, data_folder, preparation, subwords
from lass_plugin.data.language_tokens import read_language_list
from lass_plugin.data.parallel_text import read_lines
from lass_plugin.data.preparation_settings import (
    DEFAULT_CHARACTER_COVERAGE,
    DEFAULT_VOCAB_SIZE,
    PreparationSettings,
)
from lass_plugin.data.replaced import FOLDER
from lass_plugin.data.workers import Workers
from lass_plugin.errors import LassError
from lass_plugin.languages import parse_pairs
from lass_plugin.settings import parse_words

LINES = {"train": 120, "valid": 9, "test": 5}


def sentences(language: str, split: str, number: int) -> list[str]:
    """Made-up sentences of 3 to 8 words, the same in every run."""
    draw = random.Random(f"{language} {split}")
    letters = "abcdefghij" if language == "en" else "klmnopqräöü"
    words = ["".join(draw.choices(letters, k=draw.randint(2, 5))) for _ in range(60)]
    return [" ".join(draw.choices(words, k=draw.randint(3, 8))) for _ in range(number)]


def write_pair(folder: Path, name: str, splits=tuple(LINES)) -> None:
    folder.mkdir(exist_ok=True)
    for split in splits:
        for code in name.split("-"):
            text = "\n".join(sentences(code, split, LINES[split])) + "\n"
            (folder / f"{split}.{name}.{code}").write_text(text, encoding="utf-8")


@pytest.fixture
def text(tmp_path) -> Path:
    write_pair(tmp_path / "text", "de-en")
    return tmp_path / "text"


def options(pairs="de-en,en-de", **others) -> PreparationSettings:
    if others.get("subword") is None and "spm_model" not in others:
        others.setdefault("vocab_size", 60)
    others = {"text": Path("text"), "out": Path("out"), **others}
    return PreparationSettings(pairs=tuple(parse_pairs(pairs)), **others)


def prepare(
    text: Path, out: Path, chosen: PreparationSettings, workers=1, fresh=False
) -> dict:
    places = {"text": text, "out": out, "workers": workers, "fresh": fresh}
    return preparation.prepare(replace(chosen, **places))


def replace_line(path: Path, number: int, line: bytes) -> None:
    lines = path.read_bytes().split(b"\n")
    lines[number - 1] = line
    path.write_bytes(b"\n".join(lines))


def contents(folder: Path) -> dict[str, bytes]:
    """Name -> bytes of all that is prepared."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and FOLDER not in path.parts
    }


def decode(folder: Path, name: str, code: str, symbol: str | None) -> list[str]:
    """The sentences that fairseq reads from a data folder."""
    dictionary = Dictionary.load(str(folder / f"dict.{code}.txt"))
    dataset = data_utils.load_indexed_dataset(f"{folder}/{name}.{code}", dictionary)
    for item in dataset:
        assert item[-1] == dictionary.eos()
    return [dictionary.string(item, bpe_symbol=symbol) for item in dataset]


# What is written


@pytest.mark.parametrize(
    ("subword", "symbol"), [("sentencepiece", "sentencepiece"), ("bpe", "@@ ")]
)
def test_fairseq_reads_back_the_text(text, tmp_path, subword, symbol):
    vocab_size = 60 if subword == "sentencepiece" else 90
    chosen = options(subword=subword, vocab_size=vocab_size)
    prepare(text, tmp_path / "data", chosen)
    for split, number in LINES.items():
        for code in ("de", "en"):
            decoded = decode(tmp_path / "data", f"{split}.de-en", code, symbol)
            assert decoded == sentences(code, split, number)


def test_without_subwords_tokens_are_words(text, tmp_path):
    record = prepare(text, tmp_path / "data", options(subword="none"))
    decoded = decode(tmp_path / "data", "train.de-en", "de", None)
    assert decoded == sentences("de", "train", LINES["train"])
    assert record["counts"]["train.de-en"]["languages"]["de"]["unknown"] == 0


def test_the_files_are_byte_for_byte_those_of_fairseq_preprocess(text, tmp_path):
    out = tmp_path / "data"
    prepare(text, out, options(subword="none", vocab_size=50))
    dictionary = Dictionary.load(str(out / "dict.de.txt"))
    FileBinarizer.multiprocess_dataset(
        str(text / "train.de-en.de"),
        "mmap",
        VocabularyDatasetBinarizer(dictionary, append_eos=True),
        str(tmp_path / "theirs"),
        vocab_size=len(dictionary),
    )
    for end in ("bin", "idx"):
        ours = (out / f"train.de-en.de.{end}").read_bytes()
        assert ours == (tmp_path / f"theirs.{end}").read_bytes()

    theirs = Dictionary()
    for code in ("de", "en"):
        file = str(text / f"train.de-en.{code}")
        Dictionary.add_file_to_dictionary(file, theirs, str.split, 1)
    theirs.finalize(nwords=54, padding_factor=8)
    theirs.save(str(tmp_path / "dict.txt"))
    assert (out / "dict.de.txt").read_bytes() == (tmp_path / "dict.txt").read_bytes()


def test_the_folder_holds_one_dictionary_the_languages_and_the_raw_text(text, tmp_path):
    out = tmp_path / "data"
    record = prepare(text, out, options())
    assert (out / "langs.txt").read_text() == "de\nen\n"
    shared = (out / "dict.txt").read_bytes()
    assert (out / "dict.de.txt").read_bytes() == shared
    assert (out / "dict.en.txt").read_bytes() == shared
    assert b"__de__" not in shared
    assert record["dictionary_size"] % 8 == 0
    raw = (out / "raw" / "test.de-en.de").read_bytes()
    assert raw == (text / "test.de-en.de").read_bytes()
    assert not (out / "raw" / "train.de-en.de").exists()
    assert json.loads((out / "preparation.json").read_text()) == {
        key: value for key, value in record.items() if key != "done"
    }
    on_disk = contents(out)
    del on_disk["preparation.json"]
    assert {name: len(content) for name, content in on_disk.items()} == record["files"]


def test_a_pair_and_its_reverse_are_binarized_once(text, tmp_path):
    prepare(text, tmp_path / "data", options("en-de,de-en"))
    assert (tmp_path / "data" / "train.en-de.de.bin").exists()
    assert not (tmp_path / "data" / "train.de-en.de.bin").exists()


def test_directions_with_files_of_their_own_keep_them(text, tmp_path):
    write_pair(text, "en-de", splits=["train"])
    (text / "train.en-de.de").write_text("k l m\n" * 7)
    (text / "train.en-de.en").write_text("a b c\n" * 7)
    record = prepare(text, tmp_path / "data", options())
    assert record["counts"]["train.de-en"]["lines"] == LINES["train"]
    assert record["counts"]["train.en-de"]["lines"] == 7
    assert "valid.en-de" not in record["counts"]


def test_pairs_need_not_have_english(text, tmp_path):
    write_pair(text, "nl-de")
    record = prepare(text, tmp_path / "data", options("de-en,de-nl"))
    assert record["languages"] == ["de", "en", "nl"]
    assert (tmp_path / "data" / "train.de-nl.nl.idx").exists()


# Pairs that are only tested (zero-shot)


def shared_test(folder: Path) -> None:
    """Training text of de-en and en-nl; test sets with the same English."""
    write_pair(folder, "de-en")
    write_pair(folder, "en-nl", splits=["train", "test"])


def zero_shot(test_pairs="de-nl,nl-de", pairs="de-en,en-de,en-nl,nl-en", **others):
    return options(pairs, test_pairs=tuple(parse_pairs(test_pairs)), **others)


def test_a_test_pair_needs_no_training_text(text, tmp_path):
    shared_test(text)
    write_pair(text, "de-nl", splits=["test"])
    out = tmp_path / "data"
    record = prepare(text, out, zero_shot())
    assert record["counts"]["test.de-nl"]["lines"] == LINES["test"]
    assert not {"train.de-nl", "valid.de-nl", "test.nl-de"} & record["counts"].keys()
    assert decode(out, "test.de-nl", "nl", "sentencepiece") == sentences(
        "nl", "test", 5
    )
    assert (out / "raw" / "test.de-nl.de").read_text() == "".join(
        f"{line}\n" for line in sentences("de", "test", 5)
    )
    prepare(text, tmp_path / "plain", options("de-en,en-de,en-nl,nl-en"))
    plain = contents(tmp_path / "plain")
    for name in ("dict.txt", "spm.model", "langs.txt", "train.en-nl.nl.bin"):
        assert contents(out)[name] == plain[name]


def test_a_test_pair_is_put_together_where_the_third_language_is_the_same(
    text, tmp_path
):
    shared_test(text)
    out = tmp_path / "data"
    record = prepare(text, out, zero_shot(through="en"))
    assert record["counts"]["test.de-nl"]["lines"] == LINES["test"]
    for code in ("de", "nl"):
        expected = sentences(code, "test", LINES["test"])
        assert decode(out, "test.de-nl", code, "sentencepiece") == expected
        assert (out / "raw" / f"test.de-nl.{code}").read_text().splitlines() == expected
    assert not prepare(text, out, zero_shot(through="en"))["done"]


def test_files_of_the_pair_itself_come_before_those_put_together(text, tmp_path):
    shared_test(text)
    write_pair(text, "nl-de", splits=["test"])
    (text / "test.nl-de.nl").write_text("k\n")
    (text / "test.nl-de.de").write_text("l\n")
    record = prepare(text, tmp_path / "data", zero_shot(through="en"))
    assert record["counts"]["test.de-nl"]["lines"] == 1


def test_training_text_of_a_test_pair_is_not_used_and_that_is_said(
    text, tmp_path, capsys
):
    shared_test(text)
    write_pair(text, "de-nl")
    record = prepare(text, tmp_path / "data", zero_shot())
    assert "train.de-nl" not in record["counts"]
    assert "train.de-nl.nl is not used (--test-pairs)" in capsys.readouterr().err


def test_bad_test_pairs_are_told_in_one_sentence(text, tmp_path):
    shared_test(text)
    mistakes = {
        "de-en is in both --pairs and --test-pairs": lambda: zero_shot("de-en"),
        "has the language fr of the test pair de-fr": lambda: zero_shot("de-fr"),
        "for the test pair nl-de": lambda: zero_shot(
            "en-nl,nl-de", "de-en,nl-en", through="de"
        ),
        "--through has no effect": lambda: options(through="en"),
        "no text for the test pair de-nl": zero_shot,
    }
    for words, make in mistakes.items():
        with pytest.raises(LassError) as raised:
            prepare(text, tmp_path / "data", make())
        assert words in raised.value.message and "\n" not in raised.value.message
    replace_line(text / "test.en-nl.en", 4, b"other words")
    with pytest.raises(LassError, match="differ in line 4"):
        prepare(text, tmp_path / "data", zero_shot(through="en"))
    assert not (tmp_path / "data" / "preparation.json").exists()


def test_gzip_gives_the_same_data(text, tmp_path):
    prepare(text, tmp_path / "plain", options())
    for path in list(text.iterdir()):
        (text / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    prepare(text, tmp_path / "gzip", options())
    plain, zipped = contents(tmp_path / "plain"), contents(tmp_path / "gzip")
    del plain["preparation.json"], zipped["preparation.json"]
    assert plain == zipped


@pytest.mark.parametrize("subword", ["sentencepiece", "bpe"])
def test_the_bytes_depend_on_nothing_but_text_and_options(
    text, tmp_path, subword, monkeypatch
):
    chosen = options(subword=subword, vocab_size=90)
    prepare(text, tmp_path / "one", chosen, workers=1)
    monkeypatch.setattr(binarization, "_CHUNK", 7)
    prepare(text, tmp_path / "two", chosen, workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_empty_lines_of_train_are_dropped_on_both_sides(text, tmp_path):
    replace_line(text / "train.de-en.de", 3, b"  \t")
    replace_line(text / "train.de-en.en", 9, b"")
    replace_line(text / "train.de-en.en", 11, "\u200b".encode())  # nothing normalised
    record = prepare(text, tmp_path / "data", options())
    counts = record["counts"]["train.de-en"]
    assert (counts["lines"], counts["kept"]) == (120, 117)
    german = sentences("de", "train", 120)
    expected = [german[n] for n in range(120) if n not in (2, 8, 10)]
    assert decode(tmp_path / "data", "train.de-en", "de", "sentencepiece") == expected


def test_lines_end_at_newlines_only(tmp_path):
    path = tmp_path / "text"
    path.write_bytes("\ufeffa\r\nb\u2028c\x0cd\re\n\nlast".encode())
    assert list(read_lines(path)) == ["a", "b c d e", "", "last"]


def test_a_given_model_and_dictionary_are_used(text, tmp_path):
    prepare(text, tmp_path / "first", options())
    model = tmp_path / "first" / "spm.model"
    prepare(text, tmp_path / "second", options(spm_model=model))
    assert (tmp_path / "second" / "spm.model").read_bytes() == model.read_bytes()
    second, first = contents(tmp_path / "second"), contents(tmp_path / "first")
    assert second["train.de-en.de.bin"] == first["train.de-en.de.bin"]

    dictionary = tmp_path / "pretrained.txt"
    dictionary.write_text("▁ 5\na 3\nb 3\n")
    record = prepare(
        text, tmp_path / "third", options(spm_model=model, dictionary=dictionary)
    )
    assert (tmp_path / "third" / "dict.de.txt").read_text() == "▁ 5\na 3\nb 3\n"
    assert record["counts"]["train.de-en"]["languages"]["de"]["unknown"] > 0


def test_a_dictionary_of_another_subword_model_is_told(text, tmp_path, capsys):
    out, other = tmp_path / "data", tmp_path / "other"
    prepare(text, out, options())
    for path in text.iterdir():  # other words, other pieces
        replaced = path.read_text().translate(str.maketrans("abcdefgh", "stuvwxyz"))
        path.write_text(replaced)
    prepare(text, other, options())
    for dictionary, told in ((other, False), (out, True)):
        given = options(
            spm_model=other / "spm.model", dictionary=dictionary / "dict.txt"
        )
        prepare(text, tmp_path / f"with-{dictionary.name}", given)
        said = capsys.readouterr().err
        assert ("so they may be of two models" in said) == told


def test_every_piece_of_the_model_is_a_symbol(text, tmp_path):
    prepare(text, tmp_path / "data", options())
    dictionary = Dictionary.load(str(tmp_path / "data" / "dict.txt"))
    model = subwords.Subwords("sentencepiece", tmp_path / "data" / "spm.model")
    pieces = model.pieces()
    assert len(pieces) == 60 - 3  # without <unk>, <s> and </s>
    assert all(piece in dictionary for piece in pieces)


# Running again


def test_a_second_run_does_nothing(text, tmp_path):
    assert prepare(text, tmp_path / "data", options())["done"]
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "data").rglob("*.*")}
    assert not prepare(text, tmp_path / "data", options(), workers=2)["done"]
    after = {p: p.stat().st_mtime_ns for p in (tmp_path / "data").rglob("*.*")}
    assert after == before


def test_other_options_are_named_and_fresh_replaces(text, tmp_path):
    out = tmp_path / "data"
    prepare(text, out, options())
    other = options("de-en", subword="bpe", vocab_size=90)
    with pytest.raises(LassError) as raised:
        prepare(text, out, other)
    for part in (
        "--pairs was de-en,en-de and is de-en",
        "--subword was sentencepiece and is bpe",
        "--vocab-size was 60 and is 90",
        "add --fresh",
    ):
        assert part in str(raised.value)
    prepare(text, out, other, fresh=True)
    assert (out / "bpe.codes").exists() and not (out / "spm.model").exists()
    assert not (out / ".preparation").exists()
    prepare(text, tmp_path / "direct", other)
    assert contents(out) == contents(tmp_path / "direct")


def test_a_replaced_dictionary_is_told_and_kept(text, tmp_path, capsys, monkeypatch):
    """A model that was trained with it took every word for another, without a word."""
    out = tmp_path / "data"
    prepare(text, out, options())
    before = contents(out)
    prepare(text, out, options(), fresh=True)
    assert "trained" not in capsys.readouterr().err  # it is the same
    write_pair(tmp_path / "more", "de-en")
    replace_line(tmp_path / "more" / "train.de-en.de", 1, b"kk ll mm nn " * 40)
    again = options(spm_model=out / "spm.model")

    def stopped(*_):
        assert contents(out).items() >= before.items()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(binarization, "binarize", stopped)
        with pytest.raises(KeyboardInterrupt):
            prepare(tmp_path / "more", out, again, fresh=True)
    told = capsys.readouterr().err
    assert ", in another order, so a model that was trained" in told
    prepare(tmp_path / "more", out, again, fresh=True)
    told = capsys.readouterr().err
    assert contents(out)["dict.txt"] != before["dict.txt"]
    places = dict(zip((words := told.split())[:-1], words[1:], strict=True))
    kept = {option: Path(places[f"--{option}"]) for option in ("dict", "langs")}
    as_before = options(
        spm_model=Path(places["--spm-model"]),
        dictionary=kept["dict"],
        langs=read_language_list(kept["langs"]),
    )
    prepare(tmp_path / "more", out, as_before, fresh=True)
    for name in ("dict.txt", "dict.de.txt", "langs.txt", "spm.model"):
        assert contents(out)[name] == before[name], name


def test_another_subword_model_and_languages_are_told(text, tmp_path, capsys):
    out = tmp_path / "data"
    prepare(text, out, options())
    write_pair(text, "en-nl")
    prepare(text, out, options("de-en,en-nl"), fresh=True)
    told = capsys.readouterr().err
    assert "spm.model changes" in told and "de, en become de, en, nl" in told


def test_changed_text_is_named(text, tmp_path):
    prepare(text, tmp_path / "data", options())
    replace_line(text / "test.de-en.de", 1, b"kk ll")
    (text / "valid.de-en.de").unlink()
    (text / "valid.de-en.en").unlink()
    message = "test.de-en.de has changed; valid.de-en.de is gone"
    with pytest.raises(LassError, match=message):
        prepare(text, tmp_path / "data", options())


def test_a_file_that_was_deleted_is_made_again(text, tmp_path):
    prepare(text, tmp_path / "data", options())
    before = contents(tmp_path / "data")
    (tmp_path / "data" / "train.de-en.de.bin").unlink()
    assert prepare(text, tmp_path / "data", options())["done"]
    assert contents(tmp_path / "data") == before


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("place", ["encode_text", "binarize", "replace"])
def test_an_interrupted_run_ends_with_the_same_bytes(
    text, tmp_path, monkeypatch, place, fresh
):
    chosen = options(subword="none")
    prepare(text, tmp_path / "whole", chosen)
    out = tmp_path / "data"
    if fresh:
        prepare(text, out, options(subword="none", vocab_size=9))
    begun = out / ".preparation" / "plan.json"
    module = os if place == "replace" else binarization
    original = getattr(module, place)
    for allowed in range(80):
        calls = []

        def interrupted(*arguments, calls=calls, allowed=allowed):
            calls.append(arguments)
            if len(calls) > allowed:
                raise KeyboardInterrupt
            return original(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(module, place, interrupted)
            try:
                prepare(text, out, chosen, fresh=fresh and not begun.exists())
                break
            except KeyboardInterrupt:
                pass
        if (out / "preparation.json").exists():  # whole: the old one or the new one
            record = json.loads((out / "preparation.json").read_text())
            for name, size in record["files"].items():
                assert (out / name).stat().st_size == size
    else:
        pytest.fail("no run came to its end")
    assert not prepare(text, out, chosen)["done"]
    assert contents(out) == contents(tmp_path / "whole")


def test_an_interrupted_run_with_other_options_starts_over(text, tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(binarization, "binarize", fail)
        with pytest.raises(KeyboardInterrupt):
            prepare(text, tmp_path / "data", options())
    assert not (tmp_path / "data" / "preparation.json").exists()
    prepare(text, tmp_path / "data", options(subword="none"))
    prepare(text, tmp_path / "direct", options(subword="none"))
    assert contents(tmp_path / "data") == contents(tmp_path / "direct")


def test_a_folder_of_other_origin_is_refused_even_with_fresh(text, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dict.de.txt").write_text("a 1\n")
    for fresh in (False, True):
        with pytest.raises(
            LassError, match="holds dict.de.txt, which lass prepare did"
        ):
            prepare(text, tmp_path / "data", options(), fresh=fresh)
    assert contents(tmp_path / "data") == {"dict.de.txt": b"a 1\n"}


def test_a_damaged_record_is_named(text, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "preparation.json").write_text("{")
    with pytest.raises(LassError, match="json is not a record .* or is damaged"):
        prepare(text, tmp_path / "data", options())


def test_two_runs_on_one_folder_are_refused(text, tmp_path):
    with data_folder.open_work_folder(tmp_path / "data"):
        with pytest.raises(LassError, match="the preparation is running already in"):
            prepare(text, tmp_path / "data", options())
    assert prepare(text, tmp_path / "data", options())["done"]


# Text that cannot be used


def refused(text, out, match, **others):
    with pytest.raises(LassError, match=match):
        prepare(text, out, options(**others))
    assert not (out / "preparation.json").exists()


def test_a_missing_folder(tmp_path):
    refused(tmp_path / "no", tmp_path / "data", "text folder .*no does not exist")
    assert not (tmp_path / "data").exists()


def test_a_pair_without_training_text(text, tmp_path):
    match = "no training text for nl-en: .* neither train.nl-en.nl nor train.en-nl.nl"
    refused(text, tmp_path / "data", match, pairs="de-en,nl-en")


def test_one_file_of_two_is_missing(text, tmp_path):
    (text / "valid.de-en.en").unlink()
    match = "valid.de-en.de has no counterpart valid.de-en.en "
    refused(text, tmp_path / "data", match)


def test_missing_valid_and_test_are_told(text, tmp_path, capsys):
    for path in [*text.glob("valid.*"), *text.glob("test.*")]:
        path.unlink()
    record = prepare(text, tmp_path / "data", options("de-en"))
    assert list(record["counts"]) == ["train.de-en"]
    told = capsys.readouterr().err
    assert "has no text for valid.de-en" in told
    assert "has no text for test.de-en" in told


def test_a_file_beside_its_gzip(text, tmp_path):
    (text / "train.de-en.de.gz").write_bytes(gzip.compress(b"a\n"))
    match = "there are both .*train.de-en.de and .*train.de-en.de.gz"
    refused(text, tmp_path / "data", match)


def test_a_pair_of_one_language_with_itself(text, tmp_path):
    refused(text, tmp_path / "data", "de-de has the same language", pairs="de-de")


def test_an_empty_file(text, tmp_path):
    (text / "train.de-en.en").write_bytes(b"")
    refused(text, tmp_path / "data", "train.de-en.en is empty")


def test_unequal_numbers_of_lines(text, tmp_path):
    with open(text / "train.de-en.en", "a") as file:
        file.write("one more\nand another\n")
    match = "train.de-en.de has 120 lines but .*train.de-en.en has 122"
    refused(text, tmp_path / "data", match)


def test_bytes_that_are_not_utf8(text, tmp_path):
    replace_line(text / "train.de-en.de", 17, b"ab\xe9 cd")
    match = r"train.de-en.de:17 is not UTF-8 \(byte 3 of the line is 0xe9\)"
    refused(text, tmp_path / "data", match)


@pytest.mark.parametrize("line", ["", " \t", "\u200b"])
def test_an_empty_line_of_a_set_that_is_scored(text, tmp_path, line):
    replace_line(text / "test.de-en.en", 4, line.encode())
    refused(text, tmp_path / "data", "test.de-en.en:4 is an empty line")


def test_no_line_with_text_on_both_sides(text, tmp_path):
    for code, content in (("de", b"a\n\n"), ("en", b"\nb\n")):
        (text / f"train.de-en.{code}").write_bytes(content)
    refused(text, tmp_path / "data", "no line of .* has text on both sides")


def test_a_gzip_that_was_cut(text, tmp_path):
    path = text / "train.de-en.de"
    whole = gzip.compress(path.read_bytes())
    path.unlink()
    (text / "train.de-en.de.gz").write_bytes(whole[: len(whole) // 2])
    refused(text, tmp_path / "data", "train.de-en.de.gz is damaged")


def test_a_word_that_is_a_language_token(text, tmp_path):
    replace_line(text / "train.de-en.de", 2, b"__en__ kk ll")
    match = "holds the word __en__, which is the name of a language token"
    refused(text, tmp_path / "data", match, subword="none")


def test_an_error_in_a_worker_is_told_once(text, tmp_path):
    (text / "train.de-en.en").write_bytes(b"")
    with pytest.raises(LassError) as raised:
        prepare(text, tmp_path / "data", options(), workers=2)
    assert raised.value.code.count("error:") == 1


# Options that cannot be used


@pytest.mark.parametrize(
    ("others", "match"),
    [
        ({"vocab_size": 0}, "--vocab-size must be 1 or more, not 0"),
        ({"subword": "words"}, "--subword words is unknown"),
        ({"character_coverage": 1.5}, "--character-coverage is 1.5"),
        ({"subword": "bpe", "character_coverage": 0.9}, "--character-coverage has no"),
        ({"subword": "bpe", "spm_model": Path("m")}, "--spm-model has no effect"),
        ({"vocab_size": 9, "spm_model": Path("m")}, "--vocab-size has no effect with"),
        ({"subword": "none", "vocab_size": 9, "dictionary": Path("d")}, "with --dict"),
        ({"subword": "bpe", "dictionary": Path("d")}, "--dict belongs to a subword"),
        ({"out": Path("a:b")}, "--out a:b has a ':' in its name"),
    ],
)
def test_options_without_sense_are_refused(others, match):
    with pytest.raises(LassError, match=match):
        options(**others).check()


@pytest.mark.parametrize("subword", ["sentencepiece", "bpe"])
def test_a_vocabulary_too_small_for_the_characters(text, tmp_path, subword):
    match = "--vocab-size 5 does not hold the text's characters; choose more than"
    refused(text, tmp_path / "data", match, subword=subword, vocab_size=5)


def test_a_vocabulary_too_large_for_the_text(text, tmp_path):
    match = r"--vocab-size 8000 is too much for so little text; choose \d+ or less"
    refused(text, tmp_path / "data", match, vocab_size=8000)


def test_files_that_are_no_model_and_no_dictionary(text, tmp_path):
    wrong = text / "train.de-en.de"
    match = "train.de-en.de is not a SentencePiece model|spm.model is not a Sent"
    refused(text, tmp_path / "data", match, spm_model=wrong)
    match = "train.de-en.de is not a dictionary of fairseq"
    refused(text, tmp_path / "data", match, subword="none", dictionary=wrong)
    missing = tmp_path / "no.model"
    refused(text, tmp_path / "data", "cannot read .*no.model", spm_model=missing)


# Parts


def test_a_sample_does_not_depend_on_order_or_repetition():
    lines = [f"line {n}" for n in range(500)]
    chosen = subwords.sample(lines, 20)
    assert len(chosen) == 20
    assert subwords.sample(list(reversed(lines)) * 2 + ["", " "], 20) == chosen
    halves = [subwords.sample(half, 20) for half in (lines[:99], lines[99:])]
    merged = subwords.sample([*halves[0].values(), *halves[1].values()], 20)
    assert merged == chosen


def test_every_language_has_the_same_share_of_the_sample(text, tmp_path, monkeypatch):
    write_pair(text, "en-nl")
    (text / "train.en-nl.en").write_text("".join(f"x {n}\n" for n in range(120)))
    seen = []
    monkeypatch.setattr(subwords, "SAMPLE_SENTENCES", 30)
    original = subwords.train_bpe
    monkeypatch.setattr(
        subwords,
        "train_bpe",
        lambda lines, size: seen.extend(lines) or original(lines, size),
    )
    prepare(
        text, tmp_path / "data", options("de-en,nl-en", subword="bpe", vocab_size=200)
    )
    german = set(sentences("de", "train", 120))
    dutch = set(sentences("nl", "train", 120))
    assert (len(seen), len(german & set(seen)), len(dutch & set(seen))) == (30, 10, 10)


def square(number: int) -> int:
    return number * number


def killed(number: int) -> int:
    os.kill(os.getpid(), 9)
    return number


def test_workers_keep_the_order_and_read_lazily():
    read = []

    def items():
        for number in range(100):
            read.append(number)
            yield number

    with Workers(2) as pool:
        results = pool.map(square, items())
        assert next(results) == 0
        assert len(read) < 20
        assert list(results) == [number * number for number in range(1, 100)]


def fails(number: int) -> int:
    raise ValueError(f"number {number}")


def test_a_failure_in_a_worker_shows_where_it_was():
    with pytest.raises(RuntimeError, match="(?s)in fails.*number 0"):
        with Workers(2) as pool:
            list(pool.map(fails, range(1)))


def test_each_worker_has_the_variables_of_its_place():
    places = [{"CUDA_VISIBLE_DEVICES": "3"}, {"CUDA_VISIBLE_DEVICES": "5"}]
    before = dict(os.environ)
    for number in (1, 2):
        with Workers(number, places[:number], "--jobs") as pool:
            found = {*pool.map(os.getenv, ["CUDA_VISIBLE_DEVICES"] * 8)}
        assert found <= {"3", "5"} and "3" in found
    assert dict(os.environ) == before


def answer_and_die(flag: Path | None) -> bytes:
    """At once for None; else wait for the file and be killed half-way through."""
    if flag is None:
        return b""
    while not flag.exists():
        time.sleep(0.01)
    threading.Timer(0.2, os.kill, (os.getpid(), 9)).start()
    return b"x" * 10_000_000  # far more than a pipe holds


def test_a_worker_that_is_killed_while_it_answers_is_told(tmp_path):
    flag = tmp_path / "flag"
    with Workers(2) as pool:
        results = pool.map(answer_and_die, [None, flag])
        assert next(results) == b""
        flag.touch()
        while all(process.is_alive() for process in pool._processes):
            time.sleep(0.01)
        with pytest.raises(LassError, match="a worker process was killed"):
            list(results)


def test_a_worker_that_is_killed_while_it_waits_is_told():
    with Workers(2) as pool:
        list(pool.map(square, range(9)))
        for process in pool._processes:
            process.kill()
            process.join()
        with pytest.raises(LassError, match="a worker process was killed"):
            list(pool.map(square, range(9)))


def test_a_killed_worker_is_told():
    with pytest.raises(LassError, match="a worker process was killed"):
        with Workers(2) as pool:
            list(pool.map(killed, range(3)))


def test_the_command_says_what_it_made_and_then_that_nothing_is_to_do(
    text, tmp_path, capsys
):
    replace_line(text / "train.de-en.de", 3, b"")
    words = [
        *["--text", str(text), "--out", str(tmp_path / "data"), "--workers", "1"],
        *["--pairs", "de-en,en-de", "--vocab-size", "60"],
    ]
    settings = parse_words(PreparationSettings, words)
    assert command.run(settings) == 0
    told = capsys.readouterr()
    assert "train.de-en: 119 sentence pairs, 1 dropped" in told.out
    assert "encoding" in told.err
    assert command.run(settings) == 0
    assert "is prepared already; nothing to do" in capsys.readouterr().out


def test_the_defaults_are_written_down(text):
    chosen = options("de-en", vocab_size=None).as_json()
    assert chosen["vocab-size"] == DEFAULT_VOCAB_SIZE
    assert chosen["character-coverage"] == DEFAULT_CHARACTER_COVERAGE
