"""An encoder without the pieces that some text does not use."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from lass_plugin.anatomy.encoders import HEAD_BIAS, stands_alone
from lass_plugin.anatomy.older_names import todays_names
from lass_plugin.anatomy.vocabulary import is_vocabulary
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.encoders.changed import changed_encoder
from lass_plugin.checkpoints.encoders.folder import DICTIONARY, MODEL, PIECES
from lass_plugin.checkpoints.torch_files import save_tensors
from lass_plugin.checkpoints.trained_with import ENTRY, check_dictionaries, entry_of
from lass_plugin.data.dictionaries import (
    dictionary_of_pieces,
    load_dictionary,
    save_dictionary,
)
from lass_plugin.data.masked_blocks import MASK
from lass_plugin.data.parallel_text import read_lines, sha256
from lass_plugin.data.piece_files import without_pieces
from lass_plugin.data.progress import Progress
from lass_plugin.data.subwords import Subwords, count_tokens
from lass_plugin.errors import LassError
from lass_plugin.files import write_bytes

_LINES = 10_000
"""How many lines are encoded at once."""
_WORD = "▁"
"""How SentencePiece begins a word."""


@dataclass(frozen=True)
class Trimmed:
    """What was written."""

    pieces: int
    before: int
    """Pieces of the encoder that was read."""
    parameters_gone: int


def trim_encoder(
    source: Path, out: Path, texts: Sequence[Path], at_least: int = 1
) -> Trimmed:
    """Write the encoder of *source* to *out* with the pieces alone that text uses.

    A piece stays that stands *at_least* so often in the text as the encoder splits it,
    or is one character, so that any word can still be spelt. With *at_least* 1 the text
    is split as before, and its states stay what they were.

    Args:
        source: ``model.pt``, ``dict.txt`` and ``sentencepiece.bpe.model``.
        texts: files, or folders of files, plain or ``.gz``.

    Raises:
        LassError: files do not belong together, *out* holds an encoder, or there is no
            text.
    """
    if (out / MODEL).exists():
        raise LassError(f"{out / MODEL} exists; choose another folder")
    checkpoint = Checkpoint.read_whole(source / MODEL)
    pieces_file = source / PIECES
    subwords = Subwords("sentencepiece", pieces_file, sha256(pieces_file))
    all_pieces = subwords.pieces() or []
    full = load_dictionary(source / DICTIONARY)
    own = full.nspecial
    full.add_symbol(MASK)
    check_dictionaries(
        checkpoint.task_state, [full] * 2, str(source / MODEL), str(source / DICTIONARY)
    )
    used = _used(subwords, texts)
    gone = {
        piece
        for piece in all_pieces
        if used[piece] < at_least and len(piece.removeprefix(_WORD)) > 1
    }
    mask = len(full) - 1
    numbers = [n for n in range(len(full)) if full[n] not in gone]
    before = todays_names(checkpoint.weights)
    weights = _rows(before, numbers, len(full), source)
    symbols = [full[number] for number in numbers if own <= number < mask]
    smaller = dictionary_of_pieces(symbols, used)
    with_mask = dictionary_of_pieces(symbols, {})
    with_mask.add_symbol(MASK)
    write_bytes(out / PIECES, without_pieces(pieces_file.read_bytes(), gone))
    trimmed = Subwords("sentencepiece", out / PIECES, sha256(out / PIECES))
    if at_least == 1:
        _check_split(subwords, trimmed, texts)
    save_dictionary(smaller, [out / DICTIONARY])
    content = changed_encoder(checkpoint, weights, {})
    state = {**checkpoint.task_state, ENTRY: entry_of([with_mask] * 2, trimmed)}
    save_tensors(out / MODEL, {**content, "task_state": state})
    parameters = (len(full) - len(numbers)) * _width(weights)
    return Trimmed(len(symbols), mask - own, parameters)


def _used(subwords: Subwords, texts: Iterable[Path]) -> Counter[str]:
    """How often each piece stands in the text."""
    files = list(_files(texts))
    progress = Progress("splitting text", sum(map(_count_lines, files)))
    counts: Counter[str] = Counter()
    for path in files:
        lines = read_lines(path)
        while batch := list(islice(lines, _LINES)):
            counts.update(count_tokens(subwords.encode(batch)))
            progress.advance(len(batch))
    progress.finish()
    del counts[""]  # of empty lines
    if not counts:
        raise LassError("the text of --text is empty, so no piece would stay")
    return counts


def _check_split(before: Subwords, after: Subwords, texts: Iterable[Path]) -> None:
    """Refuse pieces of the kind that is merged step by step: all steps are needed."""
    for path in _files(texts):
        lines = list(islice(read_lines(path), 200))
        if before.encode(lines) != after.encode(lines):
            raise LassError(
                f"{before.model} does not split {path} as before without the pieces "
                "that are not used; only a unigram model, as XLM-R's, can be trimmed"
            )


def _count_lines(path: Path) -> int:
    return sum(1 for _ in read_lines(path))


def _files(texts: Iterable[Path]) -> Iterator[Path]:
    for text in texts:
        if text.is_dir():
            yield from sorted(path for path in text.rglob("*") if path.is_file())
        elif text.is_file():
            yield text
        else:
            raise LassError(f"there is no text {text}")


def _rows(
    weights: dict[str, Tensor], numbers: list[int], symbols: int, source: Path
) -> dict[str, Tensor]:
    """*weights* with the rows of *numbers* of all that has a row for each symbol."""
    if not stands_alone(weights):
        raise LassError(
            f"{source / MODEL} is no encoder alone; take one that 'lass encoder "
            "convert' or fairseq-train wrote, or a public XLM-R"
        )
    index, made = torch.tensor(numbers), dict(weights)
    new: dict[tuple[int, ...], Tensor] = {}
    for name, weight in weights.items():
        if not is_vocabulary(name) and name != HEAD_BIAS:
            continue
        if len(weight) != symbols:
            raise LassError(
                f"{name} of {source / MODEL} has {len(weight)} rows, and its "
                f"dictionary {symbols} symbols; take the dict.txt that belongs to it"
            )
        place = (weight.data_ptr(), *weight.shape)
        made[name] = new.setdefault(place, weight[index])  # tied ones stay one
    return made


def _width(weights: dict[str, Tensor]) -> int:
    return next(w.shape[1] for name, w in weights.items() if is_vocabulary(name))
