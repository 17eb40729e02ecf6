"""Text beside the data: references and sources as they were, and subwords removed."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from fairseq.data import Dictionary, FairseqDataset
from fairseq.data.data_utils import post_process

from lass_plugin.data.parallel_text import read_lines
from lass_plugin.errors import LassError
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.languages import Pair


def with_subwords(decoding: Decoding, data: Path, dictionary: Dictionary) -> Decoding:
    """*decoding* with its ``remove_bpe`` found out, where that is ``auto``."""
    if decoding.remove_bpe != "auto":
        return decoding
    return replace(decoding, remove_bpe=find_subwords(data, dictionary))


def find_subwords(data: Path, dictionary: Dictionary) -> str:
    """Which of :data:`.settings.SUBWORDS` (but ``auto``) the data folder is made of.

    The model file that ``lass prepare`` leaves there decides, else the marks on the
    symbols of the dictionary: ▁ before a word, @@ at the end of a piece. Less than one
    in a hundred are words of a text that happen to look like that.
    """
    if (data / "spm.model").is_file():
        return "sentencepiece"
    if (data / "bpe.codes").is_file():
        return "subword_nmt"
    symbols = dictionary.symbols[dictionary.nspecial :]
    # every model of SentencePiece has the mark as a piece; hardly any text has the word
    before_words = sum(symbol.startswith("\u2581") for symbol in symbols)
    if "\u2581" in symbols or before_words * 100 > len(symbols):
        return "sentencepiece"
    joined = sum(symbol.endswith("@@") for symbol in symbols)
    return "subword_nmt" if joined * 100 > len(symbols) else "none"


def to_text(
    tokens: Iterable[int],
    dictionary: Dictionary,
    subwords: str,
    leave_out: set[int],
    unknown: str | None = None,
) -> str:
    """Join the symbols of *tokens* and remove the subwords.

    Args:
        leave_out: indices that are no text, such as language tokens; the ends of
            sentences and padding are always left out.
        unknown: what to write for a word that is not in the dictionary.
    """
    ignored = leave_out | {dictionary.bos(), dictionary.eos(), dictionary.pad()}
    unk = unknown or dictionary.unk_word
    symbols = [
        unk if index == dictionary.unk() else dictionary[index]
        for index in tokens
        if index not in ignored
    ]
    return post_process(" ".join(symbols), subwords)


def find_raw(folder: Path, split: str, pair: Pair, language: str) -> Path | None:
    """The file ``SPLIT.SRC-TGT.LANG`` of *folder*; the pair may be in either order."""
    for order in (pair, Pair(pair.target, pair.source)):
        path = folder / f"{split}.{order}.{language}"
        for found in (path, path.with_name(f"{path.name}.gz")):
            if found.is_file():
                return found
    return None


def read_sentences(path: Path, sentences: int, what: str) -> list[str]:
    """The lines of *path*, which must be as many as the *sentences* of the data.

    Args:
        what: the data in words, ``test data of de-en``.
    """
    lines = list(read_lines(path))
    if len(lines) != sentences:
        raise LassError(
            f"{path} has {len(lines)} lines but the {what} has {sentences} sentences; "
            "give the text that the data was prepared from, line for line"
        )
    return lines


def read_dataset(
    dataset: FairseqDataset, dictionary: Dictionary, subwords: str
) -> list[str]:
    """The sentences of a binarized dataset without language tokens.

    Unknown words are lost; ``<<unk>>`` stands for them, as in fairseq-generate, so that
    an ``<unk>`` of the model does not match them.
    """
    unknown = f"<{dictionary.unk_word}>"
    return [
        to_text(dataset[index].tolist(), dictionary, subwords, set(), unknown)
        for index in range(len(dataset))
    ]
