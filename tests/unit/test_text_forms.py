"""References and translations are of one form, which the report states truthfully."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from in_process import training_task

from lass_plugin.data.preparation import prepare
from lass_plugin.data.preparation_settings import PreparationSettings
from lass_plugin.data.subwords import Subwords
from lass_plugin.errors import LassError
from lass_plugin.evaluation.choice import Choice
from lass_plugin.evaluation.comparison import Outputs, compare
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.text_forms import check_stored, form_of, is_tokenised
from lass_plugin.evaluation.texts import read_test_set, with_subwords
from lass_plugin.languages import Pair

RAW = [
    "Ah\u00a0! Mr. Brown, who is 1,000 years old, sleeps.",
    "Well... yes, of course.",
    "A long-lived tree; it grows: slowly.",
]
MOSES = [
    "Ah ! Mr. Brown , who is 1,000 years old , sleeps .",
    "Well ... yes , of course .",
    "A long @-@ lived tree ; it &apos;s growing : slowly .",
]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (RAW, False),
        (MOSES, True),
        (["no marks at all"] * 20 + ["a slip , once"], None),
        (["no marks at all", "Ah ! non ?", "\u092f\u0939 \u0939\u0948 \u0964"], None),
        (["\u4f60\u597d\uff0c\u4e16\u754c\u3002"], False),
        (["\u4f60\u597d \uff0c \u4e16\u754c \u3002"], True),
    ],
)
def test_text_shows_whether_it_is_tokenised(lines, expected):
    assert is_tokenised(lines) is expected
    text = {True: "tokenised", False: "detokenised"}
    for tokenize in (None, "13a", "none"):
        stated = text[tokenize == "none"]
        assert form_of({"de-en": lines}, tokenize) == text.get(expected, stated)


def test_tokenised_references_are_not_tokenised_once_more():
    def report(references, tokenize=None):
        systems = [Outputs("one", "one.pt", None, references)]
        return compare(systems, references, Choice(tokenize), n_samples=20)

    def signature(report):
        return report.baseline.pairs["de-en"].scores["BLEU"].signature

    found = report({"de-en": MOSES})
    assert found.text == "tokenised" and "tok:none" in signature(found)
    found = report({"de-en": RAW})
    assert found.text == "detokenised" and "tok:13a" in signature(found)
    found = report({"de-en": MOSES}, "13a")  # as was asked for, and told truthfully
    assert found.text == "tokenised" and "tok:13a" in signature(found)
    mixed = {"de-en": MOSES, "nl-en": RAW}
    match = "references of de-en are tokenised and those of nl-en detokenised.*--token"
    with pytest.raises(LassError, match=match):
        report(mixed)
    assert "tok:13a" in signature(report(mixed, "13a"))


# Data that was encoded before it was prepared


LINES = [f"the {a} tree , of {b} apples ." for a in "xyzuvw" for b in "klmnop"]


def write(folder: Path, encode=lambda lines: lines) -> Path:
    folder.mkdir()
    for split, lines in (("train", LINES), ("test", LINES[::3])):
        for code in ("de", "en"):
            text = "".join(f"{line}\n" for line in encode(lines))
            (folder / f"{split}.de-en.{code}").write_text(text, encoding="utf-8")
    return folder


def prepared(text: Path, out: Path, **others) -> Path:
    pairs = (Pair("de", "en"),)
    prepare(PreparationSettings(text=text, out=out, pairs=pairs, workers=1, **others))
    return out


def read(data: Path, references: Path | None = None, **how):
    task = training_task(data, "--lang-pairs", "de-en")
    decoding = with_subwords(Decoding(cpu=True, **how), data, task.target_dictionary)
    ready = SimpleNamespace(data=data, task=task)
    return read_test_set(ready, "test", decoding, references)  # type: ignore[arg-type]


@pytest.fixture(
    scope="module",
    params=[("sentencepiece", "spm.model", 28), ("bpe", "bpe.codes", 90)],
)
def folders(request, tmp_path_factory):
    """The same text prepared, and encoded first and then prepared with ``none``."""
    kind, name, size = request.param
    here = tmp_path_factory.mktemp(kind)
    raw = prepared(write(here / "text"), here / "raw", subword=kind, vocab_size=size)
    subwords = Subwords(kind, raw / name)
    encoded = write(here / "encoded-text", subwords.encode)
    return raw, prepared(encoded, here / "encoded", subword="none")


def test_references_of_encoded_data_are_text_as_the_translations_are(folders, tmp_path):
    raw, encoded = folders
    expected = LINES[::3]
    for data in folders:
        found = read(data)
        assert found.references["de-en"] == found.sources["de-en"] == expected
    assert read(encoded, raw / "raw").references["de-en"] == expected
    assert read(raw, encoded / "raw").references["de-en"] == expected


def test_subwords_are_kept_on_both_sides_or_not_at_all(folders):
    raw, encoded = folders
    kept = read(encoded, remove_bpe="none").references["de-en"]
    assert kept == (encoded / "raw" / "test.de-en.en").read_text().splitlines()
    match = "--remove-bpe none keeps subwords in the translations, but .* is text with"
    with pytest.raises(LassError, match=match):
        read(raw, remove_bpe="none")
    other = {"spm.model": "subword_nmt", "bpe.codes": "sentencepiece"}
    for name in other:
        if (raw / name).exists():
            with pytest.raises(LassError, match=f"--remove-bpe {other[name]} does not"):
                read(raw, remove_bpe=other[name])


def test_raw_text_that_is_not_that_of_the_data_is_noticed(folders, tmp_path):
    for number, folder in enumerate(folders):
        data = tmp_path / str(number)
        shutil.copytree(folder, data)
        path = data / "raw" / "test.de-en.en"
        lines = path.read_text().splitlines()
        path.write_text("".join(f"{line}\n" for line in reversed(lines)))
        match = "test.de-en.en is not the text of the binarized data beside it"
        with pytest.raises(LassError, match=match):
            read(data)
        assert read(data, data / "raw").references["de-en"] == LINES[::3][::-1]


def test_tokenisation_case_and_unknown_words_do_not_make_another_text(tmp_path):
    moses = [MOSES[0].lower(), "<<unk>> !", "a long @-@ lived tree ; it grows : slowly"]
    check_stored(tmp_path, RAW, moses)
    check_stored(tmp_path, ["it's"], ["it &apos;s"])
    with pytest.raises(LassError, match="is not the text of the binarized data"):
        check_stored(tmp_path, RAW, [*moses[:2], RAW[0]])
