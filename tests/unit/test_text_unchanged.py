"""Text goes through unchanged: undoing the subwords gives back what was read."""

import contextlib
import io
from pathlib import Path

import pytest
import torch
from fairseq.data import Dictionary, data_utils, indexed_dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import training_task

from lass_plugin.data.binarization import BinaryJob, binarize
from lass_plugin.data.dictionaries import load_dictionary, save_dictionary
from lass_plugin.data.language_tokens import (
    LanguageTokens,
    read_language_list,
    read_languages,
)
from lass_plugin.data.parallel_text import CONTROL_SYMBOLS, sha256
from lass_plugin.data.preparation import prepare
from lass_plugin.data.preparation_settings import PreparationSettings
from lass_plugin.data.subwords import (
    Subwords,
    count_tokens,
    train_bpe,
    train_sentencepiece,
)
from lass_plugin.data.token_words import token_word
from lass_plugin.errors import LassError
from lass_plugin.evaluation.texts import find_subwords, to_text
from lass_plugin.languages import Pair, parse_pairs

UNDONE = {"sentencepiece": "sentencepiece", "bpe": "subword_nmt", "none": "none"}

LINES = [
    "L\u2019ann\u00e9e\u00a0: 10\u202f000 euros\u00a0!",
    "mail@@ me at a@@b or @@ or x@@@@ @",
    "</s> <pad> <s> <unk> again </s> and <pad>",
    "\u3042\u3044\u3000\u3046\u3048 \u2028 \u0085 a\u2009b",
    "na\u00efve \ufb01ne \uff21\uff22 \U0001f600 \u05e9\u05dc\u05d5\u05dd",
] * 40


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Subwords]:
    """Each kind, its model trained so long that ``</s>`` and ``@@`` are merged."""
    folder = tmp_path_factory.mktemp("models")
    trained = {
        "sentencepiece": train_sentencepiece(LINES, 54, 1.0),
        "bpe": train_bpe(LINES, 200),
    }
    found = {"none": Subwords("none")}
    for kind, content in trained.items():
        path = folder / kind
        path.write_bytes(content)
        found[kind] = Subwords(kind, path, sha256(path))
    return found


def normalised(line: str, subwords: Subwords) -> str:
    """What the model itself makes of a line, each white space one space."""
    line = " ".join(line.split())
    if subwords.kind == "sentencepiece":
        import sentencepiece

        model = sentencepiece.SentencePieceProcessor(model_file=str(subwords.model))
        line = " ".join(model.normalize(line).replace("\u2581", " ").split())
    return line


def as_text(dataset, dictionary: Dictionary, kind: str) -> list[str]:
    undone = UNDONE[kind]
    return [to_text(item.tolist(), dictionary, undone, set()) for item in dataset]


def through_the_data(lines: list[str], subwords: Subwords, folder: Path) -> list[str]:
    """The text of *lines* after they were binarized with all of their tokens known."""
    encoded = subwords.encode(lines)
    dictionary = Dictionary()
    for token in count_tokens(line for line in encoded if line):
        if token not in CONTROL_SYMBOLS:
            dictionary.add_symbol(token)
    save_dictionary(dictionary, [folder / "dict.txt"])
    file = folder / "encoded"
    file.write_text("".join(f"{line}\n" for line in encoded), encoding="utf-8")
    Path(f"{file}.binary.json").unlink(missing_ok=True)
    job = BinaryJob(file, str(folder / "out"), folder / "dict.txt", encoded[0])
    binarize(job)
    dataset = data_utils.load_indexed_dataset(str(folder / "out"), dictionary)
    found = as_text(dataset, dictionary, subwords.kind)
    return [" ".join(line.split()) for line in found]


@pytest.mark.parametrize("kind", UNDONE)
def test_a_line_with_no_break_spaces_joiners_and_control_symbols(
    models, kind, tmp_path
):
    subwords = models[kind]
    lines = [line for line in LINES[:5] if kind != "none" or "</s>" not in line]
    expected = [normalised(line, subwords) for line in lines]
    assert through_the_data(lines, subwords, tmp_path) == expected


text = st.text(
    st.one_of(
        st.sampled_from(
            list(" \u00a0\u202f\u3000\u200b\ufeff\u2581@</s>padunk_\u0301")
        ),
        st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"),
    ),
    max_size=30,
)


@pytest.mark.parametrize("kind", UNDONE)
@settings(max_examples=150)
@given(line=text)
def test_undoing_the_subwords_gives_back_the_normalised_text(
    models, tmp_path_factory, kind, line
):
    subwords = models[kind]
    line = " ".join(line.splitlines())  # as every line is read
    expected = normalised(line, subwords)
    if expected.startswith("\ufeff"):
        return  # a byte order mark, which reading removes
    if kind == "none" and not CONTROL_SYMBOLS.isdisjoint(expected.split()):
        return  # refused, see below
    folder = tmp_path_factory.getbasetemp() / f"through-{kind}"
    folder.mkdir(exist_ok=True)
    assert through_the_data([line], subwords, folder) == [expected]


def test_a_sentencepiece_model_that_keeps_no_break_spaces_does_not_glue(tmp_path):
    import sentencepiece

    model = io.BytesIO()
    with contextlib.redirect_stderr(io.StringIO()):
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["un deux\u00a0trois quatre\u00a0: cinq"] * 50),
            model_writer=model,
            vocab_size=20,
            model_type="bpe",
            normalization_rule_name="identity",
            hard_vocab_limit=False,
            minloglevel=2,
        )
    path = tmp_path / "spm.model"
    path.write_bytes(model.getvalue())
    subwords = Subwords("sentencepiece", path, sha256(path))
    line = "deux\u00a0trois\u00a0: cinq"
    assert through_the_data([line], subwords, tmp_path) == ["deux trois : cinq"]


# Words that would be read as something else


def write_text(folder: Path, german: list[str], english: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for code, lines in (("de", german), ("en", english)):
        content = "".join(f"{line}\n" for line in lines)
        (folder / f"train.de-en.{code}").write_text(content, encoding="utf-8")
    return folder


def prepared(text: Path, out: Path, **others) -> dict:
    pairs = tuple(parse_pairs("de-en"))
    return prepare(
        PreparationSettings(text=text, out=out, pairs=pairs, workers=1, **others)
    )


@pytest.mark.parametrize("word", ["</s>", "<pad>", "<s>", "<unk>", "__en__"])
def test_control_symbols_in_encoded_text_are_refused_with_their_line(tmp_path, word):
    text = write_text(tmp_path / "text", ["a b", "a b"], ["c", f"c {word} d"])
    with pytest.raises(LassError, match=rf"train.de-en.en:2 holds the word {word}"):
        prepared(text, tmp_path / "out", subword="none")
    write_text(text, ["a b", "a b"], ["c", f"c{word} d"])
    assert prepared(text, tmp_path / "out", subword="none")["done"]


TOKEN_WORDS = ["[de]", "[en]", "__de__", "__en__", "[nl]", "de", "[", "x[de]", "[de"]


@pytest.mark.parametrize("impl", ["mmap", "cached"])
@settings(max_examples=60)
@given(
    lines=st.lists(
        st.lists(st.sampled_from(TOKEN_WORDS), min_size=1, max_size=5), min_size=1
    ),
    style=st.sampled_from(["mbart", "multilingual", "none"]),
    in_file=st.booleans(),
)
def test_words_that_are_language_tokens_are_found(
    tmp_path_factory, impl, lines, style, in_file
):
    """Each word of the text that the dictionary's file has and the style takes."""
    dictionary = Dictionary()
    for word in TOKEN_WORDS:
        if in_file or word not in TOKEN_WORDS[:4]:
            dictionary.add_symbol(word)
    prefix = str(tmp_path_factory.getbasetemp() / f"words-{impl}")
    builder = indexed_dataset.make_builder(f"{prefix}.bin", impl, len(dictionary))
    for line in lines:
        builder.add_item(
            dictionary.encode_line(
                " ".join(line), line_tokenizer=str.split, add_if_not_exist=False
            ).int()
        )
    builder.finalize(f"{prefix}.idx")
    read = data_utils.load_indexed_dataset(prefix, dictionary, impl)
    if read.supports_prefetch:
        read.prefetch(range(len(read)))
    encoder = None if style == "none" else "src"
    tokens = LanguageTokens(("de", "en"), encoder, False, style)
    tokens.add_to(dictionary)
    names = set(tokens.names) if in_file else set()
    places = ((n, w) for n, line in enumerate(lines, 1) for w in line if w in names)
    assert token_word(read, dictionary, tokens) == next(places, None)
    unused = LanguageTokens(("de", "en"), None, False, style)
    assert token_word(read, dictionary, unused) is None


def test_a_language_token_in_the_text_is_named(tmp_path, caplog):
    """``[de]`` of the text became the token of German, without a word."""
    text = write_text(tmp_path / "text", ["a b", "a [de] b"], ["c", "c d"])
    prepared(text, tmp_path / "out", subword="none")
    data = (tmp_path / "out", "--lang-pairs", "de-en", "--save-dir", tmp_path / "run")
    training_task(*data).load_dataset("train")
    task = training_task(*data, "--lang-tok-style", "mbart")
    told = r"sentence 2 of .*train.de-en.de holds the word \[de\]"
    with pytest.raises(LassError, match=told):
        task.load_dataset("train")
    (tmp_path / "run").mkdir()
    model = {"model": {"w": torch.ones(1)}, "task_state": task.state_dict()}
    torch.save(model, tmp_path / "run" / "checkpoint_last.pt")
    training_task(*data, "--lang-tok-style", "mbart").load_dataset("train")
    assert "holds the word [de]" in caplog.text  # it has been trained so


@pytest.mark.parametrize("kind", ["sentencepiece", "bpe"])
def test_control_symbols_in_text_stay_text(tmp_path, kind):
    line = "</s> <pad> <s> <unk> </ pads > unk"
    text = write_text(tmp_path / "text", [line] * 30, [line] * 30)
    size = 16 if kind == "sentencepiece" else 60
    prepared(text, tmp_path / "out", subword=kind, vocab_size=size)
    dictionary = load_dictionary(tmp_path / "out" / "dict.de.txt")
    assert dictionary.count[: dictionary.nspecial] == [1, 1, 1, 1]
    dataset = data_utils.load_indexed_dataset(
        str(tmp_path / "out" / "train.de-en.de"), dictionary
    )
    assert as_text(dataset, dictionary, kind) == [line] * 30


def test_unknown_characters_do_not_become_a_control_symbol(tmp_path):
    path = tmp_path / "spm.model"
    path.write_bytes(train_sentencepiece(["abc cab bca"] * 20, 8, 1.0))
    subwords = Subwords("sentencepiece", path, sha256(path))
    assert "</s>" in subwords.encode(["ab </s>"])[0].split()  # unknown, together
    dictionary = Dictionary()
    for piece in subwords.pieces() or []:
        dictionary.add_symbol(piece)
    save_dictionary(dictionary, [tmp_path / "dict.txt"])
    (tmp_path / "encoded").write_text(subwords.encode(["ab </s>"])[0] + "\n")
    job = BinaryJob(
        tmp_path / "encoded", str(tmp_path / "out"), tmp_path / "dict.txt", "unknown"
    )
    assert binarize(job)["unknown"] == 1


# Byte order marks


def test_a_byte_order_mark_in_a_dictionary_is_named(tmp_path):
    path = tmp_path / "dict.txt"
    path.write_text("\ufeffa 3\nb 2\n", encoding="utf-8")
    with pytest.raises(LassError, match="dict.txt begins with a byte order mark"):
        load_dictionary(path)
    path.write_text("a 3\n\ufeffb 2\n", encoding="utf-8")  # a symbol as any other
    assert "\ufeffb" in load_dictionary(path)


def test_a_byte_order_mark_in_a_language_list_is_left_out(tmp_path):
    path = tmp_path / "langs.txt"
    path.write_text("\ufeffde\nen\n", encoding="utf-8")
    assert read_language_list(path) == ("de", "en")
    pairs = [Pair("de", "en")]
    assert read_languages(None, str(path), str(tmp_path), pairs) == ("de", "en")
    assert read_languages(None, None, str(tmp_path), pairs) == ("de", "en")
    path.write_bytes(b"de\x80")
    for listed in (str(path), None):
        with pytest.raises(LassError, match="langs.txt cannot be read as a list"):
            read_languages(None, listed, str(tmp_path), pairs)


# Which subwords a data folder is made of


@pytest.mark.parametrize("stray", ["\u2581x", "a@@"])
def test_one_word_with_a_mark_does_not_make_a_text_subwords(tmp_path, stray):
    dictionary = Dictionary()
    for number in range(300):
        dictionary.add_symbol(f"word{number}", 5)
    dictionary.add_symbol(stray, 2)
    assert find_subwords(tmp_path, dictionary) == "none"
    for number in range(100):
        other = stray.replace("a", f"a{number}").replace("x", f"x{number}")
        dictionary.add_symbol(other, 5)
    expected = "sentencepiece" if stray[0] == "\u2581" else "subword_nmt"
    assert find_subwords(tmp_path, dictionary) == expected
