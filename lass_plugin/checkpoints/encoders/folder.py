"""A folder in the layout of the public ``xlmr.base``, written from parts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from lass_plugin.anatomy.encoders import (
    HEAD_BIAS,
    HEAD_DENSE,
    HEAD_NORM,
    HEAD_WEIGHT,
)
from lass_plugin.anatomy.places import EMBEDDING, find_place
from lass_plugin.checkpoints.encoders.shape import EncoderShape
from lass_plugin.checkpoints.stock import without_optimizer
from lass_plugin.checkpoints.torch_files import save_tensors
from lass_plugin.checkpoints.trained_with import ENTRY, entry_of
from lass_plugin.data.dictionaries import dictionary_of_pieces, save_dictionary
from lass_plugin.data.masked_blocks import MASK
from lass_plugin.data.parallel_text import sha256
from lass_plugin.data.subwords import Subwords
from lass_plugin.errors import LassError
from lass_plugin.files import write_bytes

MODEL, DICTIONARY, PIECES = "model.pt", "dict.txt", "sentencepiece.bpe.model"


def write_encoder(
    out: Path,
    shape: EncoderShape,
    tensors: Mapping[str, Tensor],
    pieces: Sequence[str],
    subword_model: bytes,
) -> None:
    """Write ``model.pt``, ``dict.txt`` and ``sentencepiece.bpe.model`` below *out*.

    ``model.pt`` comes last. It is of no task of ours, so that fairseq reads it alone,
    and says by digest which dictionary and subword model belong to it, which our tasks
    compare.

    Args:
        tensors: name in fairseq -> weight; the embedding has a row for each of
            fairseq's four symbols, for *pieces*, and for the mask.
        pieces: of the subword model, in its order.

    Raises:
        LassError: *out* holds an encoder, or the rows are not as many.
    """
    if (out / MODEL).exists():
        raise LassError(f"{out / MODEL} exists; choose another folder")
    dictionary = dictionary_of_pieces(pieces, {})
    full = dictionary_of_pieces(pieces, {})
    full.add_symbol(MASK)
    for name, weight in tensors.items():
        if find_place(name).part == EMBEDDING and len(weight) != len(full):
            raise LassError(
                f"{name} has {len(weight)} rows, and the dictionary {len(full)} symbols"
            )
    write_bytes(out / PIECES, subword_model)
    save_dictionary(dictionary, [out / DICTIONARY])
    task = {"_name": "masked_lm", "data": "."}  # where the dictionary is
    content = without_optimizer(
        shape.options(), task, tensors, 0, criterion="MaskedLmLoss"
    )
    subwords = Subwords("sentencepiece", digest=sha256(out / PIECES))
    content["task_state"] = {ENTRY: entry_of((full, full), subwords)}
    save_tensors(out / MODEL, content)


def mlm_head_of(embedding: Tensor) -> dict[str, Tensor]:
    """A head for masked language modelling of an encoder that has none.

    It passes on what the encoder gives, standardized: dense is the identity with a bias
    of 8, where GELU is one as well (nearly, of values above -4), and the layer norm
    takes the bias away.
    Its factor 1 / (√d · rms(E)) makes the logits' standard deviation 1, so that
    training begins near log V.

    Args:
        embedding: ``(symbols, units)``, tied with the projection.

    Returns:
        Name in fairseq -> weight.
    """
    symbols, units = embedding.shape
    factor = 1 / (units**0.5 * float(embedding.square().mean().sqrt()))
    return {
        f"{HEAD_DENSE}.weight": torch.eye(units),
        f"{HEAD_DENSE}.bias": torch.full((units,), 8.0),
        f"{HEAD_NORM}.weight": torch.full((units,), factor),
        f"{HEAD_NORM}.bias": torch.zeros(units),
        HEAD_WEIGHT: embedding,
        HEAD_BIAS: torch.zeros(symbols),
    }
