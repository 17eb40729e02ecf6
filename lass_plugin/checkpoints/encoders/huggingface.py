"""Encoders in Hugging Face's layouts: XLM-R's, and BERT's with XLM-R's pieces.

``config.json``, ``model.safetensors``, and ``sentencepiece.bpe.model`` or a
``tokenizer.json`` of unigram pieces.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from lass_plugin.checkpoints.encoders.folder import MASK, mlm_head_of
from lass_plugin.checkpoints.encoders.shape import EncoderShape
from lass_plugin.data.piece_files import unigram_model
from lass_plugin.data.subwords import Subwords
from lass_plugin.errors import LassError
from lass_plugin.files import read_json
from lass_plugin.records.fields import filled, whole

KINDS = ("xlm-roberta", "bert")
_PREFIXES = {"xlm-roberta": "roberta", "bert": "bert"}
_FIRST_POSITION = 2
"""Row of the first position in fairseq, behind that of padding; XLM-R is as fairseq."""

_ENCODER = "encoder.sentence_encoder"
_HEAD = "encoder.lm_head"
PARTS = {
    "embeddings.word_embeddings": f"{_ENCODER}.embed_tokens",
    "embeddings.position_embeddings": f"{_ENCODER}.embed_positions",
    "embeddings.LayerNorm": f"{_ENCODER}.layernorm_embedding",
    "attention.self.query": "self_attn.q_proj",
    "attention.self.key": "self_attn.k_proj",
    "attention.self.value": "self_attn.v_proj",
    "attention.output.dense": "self_attn.out_proj",
    "attention.output.LayerNorm": "self_attn_layer_norm",
    "intermediate.dense": "fc1",
    "output.dense": "fc2",
    "output.LayerNorm": "final_layer_norm",
}
"""Module of theirs -> of fairseq's; below a layer for those behind the third."""
HEAD_PARTS = {
    "lm_head.dense": f"{_HEAD}.dense",
    "lm_head.layer_norm": f"{_HEAD}.layer_norm",
    "cls.predictions.transform.dense": f"{_HEAD}.dense",
    "cls.predictions.transform.LayerNorm": f"{_HEAD}.layer_norm",
}
_HEAD_BIAS = ("lm_head.bias", "cls.predictions.bias")
_TYPES = "embeddings.token_type_embeddings.weight"
_LEFT_OUT = re.compile(
    r"pooler\.|(lm_head|cls\.predictions)\.decoder\.|cls\.seq_relationship\."
    r"|embeddings\.position_ids"
)
"""What an encoder has no use for: the pooler, and the projection, which is tied."""
_LAYER = re.compile(r"encoder\.layer\.(\d+)\.(.+)\.(weight|bias)")


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
        positions=positions - (_FIRST_POSITION if kind == "xlm-roberta" else 0),
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
    vocabulary = [_scored(entry, path) for entry in found]
    own = [piece for piece, _ in vocabulary[:4]]
    if own != ["<s>", "<pad>", "</s>", "<unk>"] or vocabulary[-1][0] != MASK:
        raise LassError(
            f"the pieces of {path} do not begin with <s>, <pad>, </s>, <unk> or do not "
            f"end with {MASK}, as those of XLM-R; take one with these"
        )
    pieces = vocabulary[4:-1]
    return [piece for piece, _ in pieces], unigram_model(pieces)


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
    prefix = f"{_PREFIXES[kind]}."
    theirs = {name.removeprefix(prefix): each for name, each in weights.items()}
    types = theirs.pop(_TYPES, None)
    tensors = {}
    for name, weight in theirs.items():
        if _LEFT_OUT.match(name):
            continue
        tensors[_new_name(name, path)] = weight.float().contiguous()
    name = f"{_ENCODER}.embed_positions.weight"
    if name not in tensors:
        raise LassError(f"{path} has no embedding of positions; take a whole one")
    positions = tensors[name]
    if kind == "bert":
        padding = positions.new_zeros(_FIRST_POSITION, positions.shape[1])
        positions = torch.cat([padding, positions])
    if types is not None:
        positions = positions + types[0].float()
    positions[_FIRST_POSITION - 1] = 0  # of padding
    tensors[name] = positions
    return tensors


def _new_name(name: str, path: Path) -> str:
    module, _, tensor = name.rpartition(".")
    if name in _HEAD_BIAS:
        return f"{_HEAD}.bias"
    if found := _LAYER.fullmatch(name):
        layer, part, tensor = found.groups()
        if part in PARTS:
            return f"{_ENCODER}.layers.{layer}.{PARTS[part]}.{tensor}"
    elif new := {**PARTS, **HEAD_PARTS}.get(module):
        return f"{new}.{tensor}"
    raise LassError(
        f"{path} has the weight {name}, which an encoder of its kind has not; take "
        "another model"
    )


def _fitted(tensors: dict[str, Tensor], symbols: int, path: Path) -> dict[str, Tensor]:
    """*tensors* with as many rows as symbols, and with a head if they have none.

    Rows behind the last symbol are of nothing: embeddings are often padded.
    """
    name = f"{_ENCODER}.embed_tokens.weight"
    if name not in tensors or len(tensors[name]) < symbols:
        rows = len(tensors[name]) if name in tensors else 0
        raise LassError(
            f"{path} has embeddings of {rows} symbols, and the pieces and symbols of "
            f"their dictionary are {symbols}; take the pieces that belong to it"
        )
    tensors[name] = tensors[name][:symbols].clone()
    bias = f"{_HEAD}.bias"
    if bias in tensors:
        tensors[bias] = tensors[bias][:symbols].clone()
        tensors[f"{_HEAD}.weight"] = tensors[name]
        return tensors
    return {**tensors, **mlm_head_of(tensors[name])}
