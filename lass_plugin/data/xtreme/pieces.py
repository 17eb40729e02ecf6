"""Text as a model's symbols, and the characters that each stands for."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fairseq.data import Dictionary

from lass_plugin.data.dictionaries import load_dictionary
from lass_plugin.data.subwords import Subwords
from lass_plugin.errors import LassError

_WHITE_SPACE = re.compile(r"\s")
DICTIONARY = "dict.txt"
SUBWORD_MODELS = ("sentencepiece.bpe.model", "spm.model")
"""Names of a SentencePiece model: in XLM-R's folder, in those of lass prepare."""


@dataclass(frozen=True)
class Pieces:
    """Symbols of a text and the characters ``[start, end)`` of it, each as many."""

    symbols: list[int]
    spans: list[tuple[int, int]]

    def __len__(self) -> int:
        return len(self.symbols)


@dataclass(frozen=True)
class Encoder:
    """A model's dictionary and SentencePiece model."""

    folder: Path

    @cached_property
    def dictionary(self) -> Dictionary:
        """The dictionary, without the mask that a model may append."""
        return load_dictionary(self.folder / DICTIONARY)

    @cached_property
    def subword_model(self) -> Path:
        """The file of the SentencePiece model.

        Raises:
            LassError: the folder has none.
        """
        for name in SUBWORD_MODELS:
            if (self.folder / name).is_file():
                return self.folder / name
        raise LassError(
            f"{self.folder} has no {' or '.join(SUBWORD_MODELS)}; give the folder that "
            "holds the model's dict.txt and SentencePiece model"
        )

    @cached_property
    def _model(self) -> Any:
        import sentencepiece

        # the project's reader names a damaged file
        Subwords("sentencepiece", self.subword_model).pieces()
        return sentencepiece.SentencePieceProcessor(
            model_file=str(self.subword_model), num_threads=1
        )

    def encode(self, text: str) -> Pieces:
        """The pieces of *text*; white space around what a piece shows is not in it."""
        text = _WHITE_SPACE.sub(" ", text)
        index = self.dictionary.index
        symbols, spans = [], []
        for piece, start, end in _encoded(self._model, text):
            shown = text[start:end]
            start += len(shown) - len(shown.lstrip())
            symbols.append(index(piece))
            spans.append((start, max(start, start + len(shown.strip()))))
        return Pieces(symbols, spans)


def _encoded(model: Any, text: str) -> list[tuple[str, int, int]]:
    """Pieces of *text* and their characters, by what this SentencePiece offers."""
    if hasattr(model, "EncodeAsOffsetMapping"):  # 0.2.2 and later
        found = model.encode(text, out_type="offset_mapping")
        pairs = zip(found["pieces"], found["offsets"], strict=True)
        return [(piece, start, end) for piece, (start, end) in pairs]
    pieces = model.encode(text, out_type="immutable_proto").pieces
    return [(one.piece, one.begin, one.end) for one in pieces]
