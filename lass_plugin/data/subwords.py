"""Joint subword models: a balanced sample, training, and encoding to tokens."""

import contextlib
import hashlib
import heapq
import io
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Iterable

from lass_plugin.data.parallel_text import CONTROL_SYMBOLS
from lass_plugin.errors import LassError

if TYPE_CHECKING:
    from subword_nmt.apply_bpe import BPE

KINDS = ("sentencepiece", "sentencepiece-bpe", "bpe", "none")
"""What can be asked for. A model of SentencePiece says itself whether it is of unigrams
or of merges, so in data folders and checkpoints both are of kind ``sentencepiece``."""

SAMPLE_SENTENCES = 1_000_000
"""Distinct sentences that a model is trained on, shared equally by the languages."""

_WHITE_SPACE = re.compile(r"\s")
_JOINER = "@@"
"""What subword-nmt writes behind a piece that is not the end of a word."""

_THREADS = 4  # part of the result (sums of floats): never the number of cores


def sample(lines: Iterable[str], limit: int) -> dict[bytes, str]:
    """Choose *limit* distinct lines with text: those with the smallest hashes.

    The choice depends neither on the order of the lines nor on repetitions, so samples
    of several files can be merged by calling this again on their values.

    Returns:
        Hash to line, by ascending hash.
    """
    chosen: dict[bytes, str] = {}
    bound = b"\xff" * 9
    for line in lines:
        digest = hashlib.blake2b(line.encode(), digest_size=8).digest()
        if digest < bound and line.strip():
            chosen[digest] = line
            if len(chosen) >= 2 * limit:
                chosen = _smallest(chosen, limit)
                bound = next(reversed(chosen))
    return _smallest(chosen, limit)


def _smallest(chosen: dict[bytes, str], limit: int) -> dict[bytes, str]:
    return {digest: chosen[digest] for digest in heapq.nsmallest(limit, chosen)}


def train_sentencepiece(
    sentences: Iterable[str],
    vocab_size: int,
    character_coverage: float,
    model_type: str = "unigram",
) -> bytes:
    """Train a model of *vocab_size* pieces; same sentences, same bytes.

    Args:
        model_type: ``unigram`` or ``bpe``.

    Raises:
        LassError: the text gives too few pieces, or has too many characters.
    """
    import sentencepiece

    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=model,
            model_type=model_type,
            vocab_size=vocab_size,
            character_coverage=character_coverage,
            input_sentence_size=0,
            shuffle_input_sentence=False,
            num_threads=_THREADS,
            minloglevel=2,
        )
    except RuntimeError as error:
        message = str(error)
        if too_high := re.search(r"value <= (\d+)", message):
            raise LassError(
                f"--vocab-size {vocab_size} is too much for so little text; "
                f"choose {too_high[1]} or less"
            ) from error
        if too_low := re.search(r"required_chars. \d+ vs (\d+)", message):
            raise LassError(
                f"--vocab-size {vocab_size} does not hold the text's characters; "
                f"choose more than {too_low[1]} or lower --character-coverage"
            ) from error
        raise LassError(f"sentencepiece cannot be trained: {message}") from error
    return model.getvalue()


def train_bpe(
    sentences: Iterable[str], vocab_size: int | None = None, merges: int | None = None
) -> bytes:
    """Learn subword-nmt codes: *merges* of them, or for about *vocab_size* symbols.

    The symbols are the merges and the characters, each of these within words and at
    their ends.

    Raises:
        LassError: the characters alone are more than *vocab_size*; no pair of symbols
            is left that occurs twice before there are so many *merges*.
    """
    from subword_nmt.learn_bpe import learn_bpe

    lines = [" ".join(sentence.split()) for sentence in sentences]
    words = {word for line in lines for word in line.split()}
    characters = len({character for word in words for character in word[:-1]})
    characters += len({word[-1] for word in words})  # with the mark of a word's end
    if vocab_size is not None and vocab_size <= characters:
        raise LassError(
            f"--vocab-size {vocab_size} does not hold the text's characters; "
            f"choose more than {characters}"
        )
    wanted = vocab_size - characters if vocab_size is not None else merges
    assert wanted is not None
    codes = io.StringIO()
    with contextlib.redirect_stderr(io.StringIO()):
        if any(len(word) > 1 for word in words):
            learn_bpe(lines, codes, wanted)
        else:
            codes.write("#version: 0.2\n")
    learned = codes.getvalue().count("\n") - 1
    if merges is not None and learned != merges:
        raise LassError(
            f"--merges {merges} is too much for so little text; choose {learned} or "
            "less"
        )
    return codes.getvalue().encode()


@dataclass(frozen=True)
class Subwords:
    """How text becomes tokens: a kind of :data:`KINDS` and its model file.

    ``digest`` is the SHA-256 of the file, so that a worker never uses a stale model.
    """

    kind: str
    model: Path | None = None
    digest: str | None = None
    spell: bool = False
    """Whether characters that a SentencePiece model does not know become a token each,
    and not one unknown token together (for symbols that are added later)."""

    def encode(self, lines: list[str]) -> list[str]:
        """Tokens of each line, separated by one space.

        Words end at any white space: a model that knew of spaces only would make a
        no-break space part of a token, from which fairseq's reader then removes it.
        """
        spaced = [_WHITE_SPACE.sub(" ", line) for line in lines]
        return [" ".join(tokens.split()) for tokens in _encoder(self)(spaced)]

    def pieces(self) -> list[str] | None:
        """Every piece that the model can give; None if that is not known beforehand."""
        if self.kind != "sentencepiece":
            return None
        model = _load_sentencepiece(self.model)
        return [
            model.id_to_piece(index)
            for index in range(model.get_piece_size())
            if not (
                model.is_control(index)
                or model.is_unknown(index)
                or model.is_unused(index)
            )
        ]


@lru_cache(maxsize=1)
def _encoder(subwords: Subwords) -> Callable[[list[str]], list[str]]:
    if subwords.kind == "sentencepiece":
        model = _load_sentencepiece(subwords.model)
        if subwords.spell:
            unknown = model.unk_id()
            return lambda lines: [
                " ".join(
                    " ".join(piece) if model.piece_to_id(piece) == unknown else piece
                    for piece in pieces
                )
                for pieces in model.encode(lines, out_type=str)
            ]
        return lambda lines: [
            " ".join(pieces) for pieces in model.encode(lines, out_type=str)
        ]
    if subwords.kind == "bpe":
        from subword_nmt.apply_bpe import BPE

        assert subwords.model is not None
        with open(subwords.model, encoding="utf-8") as codes:
            bpe = BPE(codes)
        return lambda lines: [
            " ".join(piece for word in line.split() for piece in _pieces(bpe, word))
            for line in lines
        ]
    return lambda lines: lines


def _pieces(bpe: "BPE", word: str) -> list[str]:
    """Pieces of *word* that give it back and are none of fairseq's own symbols.

    A merge may make ``</s>`` one piece, or the end of a word look like a joined piece
    (``a@@``): such a piece is cut in two.
    """
    *joined, last = bpe.segment_tokens([word])
    if last in CONTROL_SYMBOLS:
        return [*joined, last[0] + _JOINER, last[1:]]
    while len(last) > 1 and last.endswith(_JOINER):
        joined.append(last[:-1] + _JOINER)
        last = last[-1]
    return [*joined, last]


def _load_sentencepiece(model: Path | None):
    import sentencepiece

    try:
        return sentencepiece.SentencePieceProcessor(
            model_file=str(model), num_threads=1
        )
    except (OSError, RuntimeError) as error:
        raise LassError(
            f"{model} is not a SentencePiece model ({str(error).splitlines()[0]}); "
            "give the .model file that spm_train wrote"
        ) from error


def count_tokens(lines: Iterable[str]) -> Counter[str]:
    """Count the tokens of encoded lines."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(line.split(" "))
    return counts
