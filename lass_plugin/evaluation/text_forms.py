"""Which form a text is in: subwords, tokenised or detokenised; and other text."""

import html
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from lass_plugin.data.text_form import DETOKENISED, TOKENISED, is_tokenised
from lass_plugin.errors import LassError


def find_tokenised(references: Mapping[str, Sequence[str]]) -> str | None:
    """A pair whose references are tokenised; None where all may be detokenised.

    Raises:
        LassError: those of some pairs are tokenised and of others detokenised.
    """
    found = {pair: is_tokenised(lines) for pair, lines in references.items()}
    tokenised = [pair for pair, form in found.items() if form]
    detokenised = [pair for pair, form in found.items() if form is False]
    if tokenised and detokenised:
        raise LassError(
            f"the references of {tokenised[0]} are tokenised and those of "
            f"{detokenised[0]} detokenised; bring them to one form, or say with "
            "--tokenize how all are scored"
        )
    return tokenised[0] if tokenised else None


def form_of(references: Mapping[str, Sequence[str]], tokenize: str | None) -> str:
    """``tokenised`` or ``detokenised``: what *references* show themselves to be.

    Where they show neither, or both, the tokenizer of BLEU says it: with ``none`` they
    must be tokenised, with every other detokenised.
    """
    found = {is_tokenised(lines) for lines in references.values()} - {None}
    tokenised = found.pop() if len(found) == 1 else tokenize == "none"
    return TOKENISED if tokenised else DETOKENISED


def subwords_in(lines: Sequence[str]) -> str | None:
    """``sentencepiece`` or ``subword_nmt`` for lines of pieces; None for text."""
    if sum("\u2581" in line for line in lines) * 2 > len(lines):
        return "sentencepiece"
    words = [word for line in lines for word in line.split()]
    joined = sum(word.endswith("@@") for word in words)
    return "subword_nmt" if joined * 200 > len(words) else None


def without_subwords(lines: list[str], path: Path, kept: bool) -> list[str]:
    """*lines* of *path* in the form of the translations: text, or subwords if *kept*.

    Raises:
        LassError: subwords are *kept* in translations, and *lines* are text.
    """
    from fairseq.data.data_utils import post_process

    found = subwords_in(lines)
    if kept and found is None:
        raise LassError(
            f"--remove-bpe none keeps subwords in the translations, but {path} is text "
            "without them; leave that option out"
        )
    if kept or found is None:
        return lines
    return [post_process(line, found) for line in lines]


def check_stored(path: Path, lines: Sequence[str], stored: Sequence[str]) -> None:
    """Refuse *lines* of *path* that are not the sentences *stored* beside it.

    Only letters and digits count, as tokenisation and normalisation change the rest;
    sentences with ``<<unk>>`` do not count, and one in ten may differ.
    """
    known = [
        _letters(line) == _letters(sentence)
        for line, sentence in zip(lines, stored, strict=True)
        if "<<unk>>" not in sentence
    ]
    if known.count(False) * 10 > len(known):
        raise LassError(
            f"{path} is not the text of the binarized data beside it, or their "
            "dictionary is another; prepare the data again, or name the folder with "
            "--references if the references are to be others"
        )


def _letters(text: str) -> str:
    text = unicodedata.normalize("NFKC", html.unescape(text)).casefold()
    return "".join(character for character in text if character.isalnum())
