"""Dictionaries of fairseq as they are found, and folders by names fairseq splits."""

import io
import shutil
from pathlib import Path

import pytest
from fairseq.data import Dictionary
from in_process import training_task

from lass_plugin.data.data_folder import first_folder
from lass_plugin.data.dictionaries import (
    joint_dictionary,
    load_dictionary,
    save_dictionary,
)
from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.data.replaced import keep_replaced
from lass_plugin.errors import LassError
from lass_plugin.experiments.new_pairs.vocabulary import Vocabulary, extend_vocabulary
from lass_plugin.languages import Pair

REPLACING = "a 5\n<pad> 4 #fairseq:overwrite\nb 3\na 2 #fairseq:overwrite\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a 5\nb 4\na 3\n", r"dict.txt:3 has the symbol a of line 1 once more"),
        ("a 5\n<unk> 4\n", r"dict.txt:2 has the symbol <unk> of fairseq itself once"),
        ("a 5\nb 4\nc", r"dict.txt is .* or is cut \(line 3: there is no count in 'c'"),
        ("a 5\n\nb 4\n", r"or is cut \(line 2: there is no count in ''\)"),
        ("a 5\nb four\n", r"or is cut \(line 2: there is no count in 'b four'\)"),
        (b"a 5\n\xff 3\n", r"dict.txt is not a dictionary .*can't decode byte 0xff"),
    ],
)
def test_a_repeated_or_cut_line_is_named(tmp_path, content, message):
    path = tmp_path / "dict.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(LassError, match=message):
        load_dictionary(path)


@pytest.mark.parametrize("content", [REPLACING, "a 5\nb 4", "\u00a0 3\n x 1\na b 2\n"])
def test_a_dictionary_is_read_and_written_as_fairseq_does(tmp_path, content):
    path = tmp_path / "dict.txt"
    path.write_text(content, encoding="utf-8")
    found, stock = load_dictionary(path), Dictionary.load(io.StringIO(content))
    assert (found.symbols, found.count) == (stock.symbols, stock.count)
    assert found.indices == stock.indices
    save_dictionary(found, [path])
    again = load_dictionary(path)
    assert again == found and again.symbols == found.symbols
    assert path.read_text(encoding="utf-8") == content.removesuffix("\n") + "\n"


def test_text_of_another_dictionary_than_the_given_one_is_refused(tmp_path):
    pairs = [Pair("de", "en"), Pair("fr", "en")]
    (tmp_path / "dict.de.txt").write_text("a 5\nb 4\n")
    given = tmp_path / "given.txt"
    for content in ("a 5\nb 4\n", "a 1\nb 1\nc 1\n"):  # dict.fr.txt is not there
        given.write_text(content)
        found = joint_dictionary([tmp_path], str(given), pairs, "source")
        assert found.index("b") == 5
    for content in ("b 4\na 5\n", "a 5\n"):
        given.write_text(content)
        with pytest.raises(LassError, match="dict.de.txt, .* --source-dict .*given"):
            joint_dictionary([tmp_path], str(given), pairs, "source")
    assert len(joint_dictionary([tmp_path], str(given), pairs, "target")) == 5


def test_an_extended_vocabulary_keeps_a_symbol_that_replaced_another(tmp_path):
    path = tmp_path / "dict.txt"
    path.write_text(REPLACING, encoding="utf-8")
    tokens = LanguageTokens(("de", "en"))
    old = load_dictionary(path)
    tokens.add_to(old)
    new = extend_vocabulary(Vocabulary(old, tokens), [Pair("en", "nl")], {"c": 1})
    assert new.dictionary.symbols[: len(old)] == old.symbols
    assert new.dictionary.index("a") == old.index("a") == 7


def test_a_folder_that_fairseq_would_split_is_named(data, tmp_path):
    split = tmp_path / "a:b"
    shutil.copytree(data, split)
    with pytest.raises(LassError, match="a:b has a ':' in its name"):
        training_task(split)
    (tmp_path / "a").mkdir()  # must not be taken for it
    with pytest.raises(LassError, match="a:b has a ':' in its name"):
        first_folder(split)
    assert first_folder(f"{data}:{tmp_path / 'a'}") == data
    with pytest.raises(LassError, match="the data folder .*gone does not exist"):
        first_folder(tmp_path / "gone")


def test_casing_is_kept_with_a_dictionary_that_is_replaced(tmp_path, capsys):
    """Text for the model that was trained with it has to have the same case."""
    out, new = tmp_path / "data", tmp_path / "new"
    for folder, words, forms in (
        (out, "aa 2\nbb 1\n", "sie (3/3)\n"),
        (new, "bb 2\naa 1\n", "sie (3/4) Sie (1)\n"),
    ):
        folder.mkdir()
        (folder / "dict.txt").write_text(words)
        (folder / "truecase.de").write_text(forms)
    keep_replaced(out, new)
    told = capsys.readouterr().err
    assert "in another order and the forms of words in truecase.de change" in told
    *_, flag, option, place = told.split()
    assert (flag, option) == ("--truecase", "--truecase-model")
    assert (Path(place) / "truecase.de").read_text() == "sie (3/3)\n"
    (new / "dict.txt").write_text("aa 2\nbb 1\n")
    keep_replaced(out, new)  # the casing alone
    assert "truecase.de change, so a model" in capsys.readouterr().err
    (new / "truecase.de").write_text("sie (3/3)\n")
    keep_replaced(out, new)
    assert not capsys.readouterr().err
