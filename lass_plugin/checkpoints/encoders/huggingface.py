"""Encoders in Hugging Face's layouts: XLM-R's, and BERT's with XLM-R's pieces.

``config.json``, ``model.safetensors``, and ``sentencepiece.bpe.model`` or a
``tokenizer.json`` of unigram pieces.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from lass_plugin.anatomy.encoders import (
    EMBEDDING_WEIGHT,
    HEAD_BIAS,
    HEAD_WEIGHT,
    POSITIONS_WEIGHT,
)
from lass_plugin.anatomy.hugging_face import (
    BERT,
    LEFT_OUT,
    PREFIXES,
    TYPES,
    XLM_R,
    fairseq_name,
)
from lass_plugin.checkpoints.encoders.folder import MASK, mlm_head_of
from lass_plugin.checkpoints.encoders.shape import EncoderShape
from lass_plugin.data.piece_files import unigram_model
from lass_plugin.data.subwords import Subwords
from lass_plugin.errors import LassError
from lass_plugin.files import read_json
from lass_plugin.records.fields import filled, whole

KINDS = (XLM_R, BERT)
_FIRST_POSITION = 2
"""Row of the first position in fairseq, behind that of padding; XLM-R is as fairseq."""


def read_encoder(
    source: Path,
) -> tuple[EncoderShape, dict[str, Tensor], list[str], bytes]:
    """Read an encoder in one of the layouts.

    Returns:
        Its shape, its weights by their names in fairseq, the pieces of its dictionary,
        and its SentencePiece model.
    Raises:
        LassError: a file is missing or damaged, or the model is of another kind.
    """
    config = _config(source / "config.json")
    kind = config["model_type"]
    pieces, subword_model = _pieces(source)
    shape = _shape(config, kind)
    path = source / "model.safetensors"
    if not path.is_file():
        raise LassError(f"there is no {path}; give a folder that has one")
    try:
        weights = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise LassError(f"{path} cannot be read ({error}); copy it again") from error
    tensors = _renamed(weights, kind, path)
    symbols = len(pieces) + 5  # fairseq's own four and the mask
    return shape, _fitted(tensors, symbols, path), pieces, subword_model


def _config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise LassError(f"there is no {path}; give a folder in Hugging Face's layout")
    config = read_json(path)
    kind = config.get("model_type") if isinstance(config, Mapping) else None
    if kind not in KINDS:
        raise LassError(
            f"{path} is of the kind {kind}; encoders of the kinds "
            f"{' and '.join(KINDS)} can be converted"
        )
    for name, needed in (
        ("hidden_act", "gelu"),
        ("position_embedding_type", "absolute"),
        ("tie_word_embeddings", True),
        ("is_decoder", False),
    ):
        if config.get(name, needed) != needed:
            raise LassError(
                f"{path} has {name} {config[name]}, with which fairseq has no encoder; "
                f"one with {needed} can be converted"
            )
    return dict(config)


def _shape(config: Mapping[str, Any], kind: str) -> EncoderShape:
    def number(name: str) -> int:
        if name not in config:
            raise LassError(f"config.json lacks {name}; take a whole one")
        return whole(config[name], name)

    positions = number("max_position_embeddings")
    return EncoderShape(
        layers=number("num_hidden_layers"),
        width=number("hidden_size"),
        feed_forward=number("intermediate_size"),
        heads=number("num_attention_heads"),
        positions=positions - (_FIRST_POSITION if kind == XLM_R else 0),
        layer_norm_eps=float(config.get("layer_norm_eps", 1e-12)),
        dropout=float(config.get("hidden_dropout_prob", 0.1)),
        attention_dropout=float(config.get("attention_probs_dropout_prob", 0.1)),
    )


def _pieces(source: Path) -> tuple[list[str], bytes]:
    """The pieces in the order of the dictionary, and the SentencePiece model."""
    path = source / "sentencepiece.bpe.model"
    if path.is_file():
        return Subwords("sentencepiece", path).pieces() or [], path.read_bytes()
    path = source / "tokenizer.json"
    if not path.is_file():
        raise LassError(
            f"there is neither a sentencepiece.bpe.model nor a tokenizer.json in "
            f"{source}; give a folder that has one"
        )
    tokenizer = read_json(path)
    model = tokenizer.get("model") if isinstance(tokenizer, Mapping) else None
    found = model.get("vocab") if isinstance(model, Mapping) else None
    if not isinstance(found, list):
        raise LassError(
            f"the pieces of {path} are not of the unigram kind that SentencePiece has, "
            "so text could not be encoded for the encoder; take one with XLM-R's pieces"
        )
    _check_normalizer(tokenizer.get("normalizer"), path)
    vocabulary = [_scored(entry, path) for entry in found]
    own = [piece for piece, _ in vocabulary[:4]]
    if own != ["<s>", "<pad>", "</s>", "<unk>"] or vocabulary[-1][0] != MASK:
        raise LassError(
            f"the pieces of {path} do not begin with <s>, <pad>, </s>, <unk> or do not "
            f"end with {MASK}, as those of XLM-R; take one with these"
        )
    pieces = vocabulary[4:-1]
    return [piece for piece, _ in pieces], unigram_model(pieces)


_NORMALIZERS = ("Sequence", "Precompiled", "Strip", "Replace")
"""Kinds of which XLM-R's is made: a table of characters, and white space made one."""


def _check_normalizer(given: Any, path: Path) -> None:
    """Refuse text in another form than XLM-R's, in which the model written here reads.

    Raises:
        LassError: names the step of the normalization.
    """
    if given is None:
        return
    kind = given.get("type") if isinstance(given, Mapping) else None
    pattern = given.get("pattern") if kind == "Replace" else None
    blanks = pattern in (None, {"Regex": " {2,}"}, {"String": " "})
    if kind not in _NORMALIZERS or not blanks:
        what = kind if pattern is None else f"{kind} {json.dumps(pattern)}"
        raise LassError(
            f"the text of {path} is normalized by {what}, which XLM-R's is not, so it "
            "would be encoded otherwise here; take an encoder with XLM-R's pieces"
        )
    for step in given.get("normalizers", ()) if kind == "Sequence" else ():
        _check_normalizer(step, path)


def _scored(entry: Any, path: Path) -> tuple[str, float]:
    """A piece and its log-probability."""
    try:
        piece, score = filled(list[str | float], entry, "vocab")
        return filled(str, piece, "a piece"), filled(float, score, "a score")
    except ValueError as error:
        raise LassError(
            f"{path} has {str(entry)[:40]!r} among its pieces, which is no piece with "
            "a score; take a whole one"
        ) from error


def _renamed(weights: Mapping[str, Tensor], kind: str, path: Path) -> dict[str, Tensor]:
    """Weights by their names in fairseq, embeddings of types added to positions."""
    prefix = PREFIXES[kind]
    theirs = {name.removeprefix(prefix): each for name, each in weights.items()}
    types = theirs.pop(TYPES, None)
    tensors = {}
    for name, weight in theirs.items():
        if LEFT_OUT.match(name):
            continue
        new = fairseq_name(name)
        if new is None:
            raise LassError(
                f"{path} has the weight {name}, which an encoder of its kind has not; "
                "take another model"
            )
        tensors[new] = weight.float().contiguous()
    name = POSITIONS_WEIGHT
    if name not in tensors:
        raise LassError(f"{path} has no embedding of positions; take a whole one")
    positions = tensors[name]
    if kind == BERT:
        padding = positions.new_zeros(_FIRST_POSITION, positions.shape[1])
        positions = torch.cat([padding, positions])
    if types is not None:
        positions = positions + types[0].float()
    positions[_FIRST_POSITION - 1] = 0  # of padding
    tensors[name] = positions
    return tensors


def _fitted(tensors: dict[str, Tensor], symbols: int, path: Path) -> dict[str, Tensor]:
    """*tensors* with as many rows as symbols, and with a head if they have none.

    Rows behind the last symbol are of nothing: embeddings are often padded.
    """
    name = EMBEDDING_WEIGHT
    if name not in tensors or len(tensors[name]) < symbols:
        rows = len(tensors[name]) if name in tensors else 0
        raise LassError(
            f"{path} has embeddings of {rows} symbols, and the pieces and symbols of "
            f"their dictionary are {symbols}; take the pieces that belong to it"
        )
    tensors[name] = tensors[name][:symbols].clone()
    if HEAD_BIAS in tensors:
        tensors[HEAD_BIAS] = tensors[HEAD_BIAS][:symbols].clone()
        tensors[HEAD_WEIGHT] = tensors[name]
        return tensors
    return {**tensors, **mlm_head_of(tensors[name])}
