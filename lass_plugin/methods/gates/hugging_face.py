"""Hugging Face's layout of XLM-RoBERTa: config.json and model.safetensors.

Its layers have one width and heads × units of a head = units of the model, as stock
fairseq's have, and its symbols are numbered as fairseq's dictionary of XLM-R is. So
what stock fairseq loads can be written, and nothing else.
"""

import os
from pathlib import Path
from typing import Any, Mapping

import torch
from torch import Tensor

from lass_plugin.anatomy.encoders import HEAD_WEIGHT, LM_HEAD
from lass_plugin.anatomy.hugging_face import (
    CLASSIFIER,
    CLASSIFIER_OUTPUTS,
    POSITIONS,
    PREFIXES,
    TYPES,
    WORDS,
    XLM_R,
    hugging_face_name,
)
from lass_plugin.anatomy.places import is_buffer
from lass_plugin.corpora.xtreme.tasks import PAIRS, TASKS
from lass_plugin.errors import LassError
from lass_plugin.files import write_json
from lass_plugin.methods.gates.export import Export
from lass_plugin.models.xtreme_heads import head_name
from lass_plugin.tensor_files import write_plain

_BASE = PREFIXES[XLM_R]

_ACTIVATIONS = {"gelu": "gelu", "relu": "relu", "gelu_accurate": "gelu_new"}
"""fairseq's names -> those of Hugging Face's library."""

WEIGHTS, CONFIG = "model.safetensors", "config.json"


def write_hugging_face(folder: str | os.PathLike, made: Export) -> list[Path]:
    """Write *made* to *folder* in Hugging Face's layout, the configuration last.

    With a classification head it is an XLMRobertaForSequenceClassification, else an
    XLMRobertaForMaskedLM. The weights are those of the checkpoint, in its precision.

    Raises:
        LassError: the layout has no place for this model; says for what of it.
    """
    config, tensors = hugging_face_model(made)
    weights = Path(folder) / WEIGHTS
    write_plain(weights, tensors)
    write_json(Path(folder) / CONFIG, config)
    return [weights, Path(folder) / CONFIG]


def hugging_face_model(made: Export) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The configuration and the weights that :func:`write_hugging_face` writes."""
    options = made.options
    if not made.alone:
        _refuse("translates; it is for encoders alone")
    if not made.plain:
        _refuse(f"has {_unequal(made)}; --fill fills it up with zeros")
    for name, wanted in (
        ("encoder_normalize_before", False),
        ("layernorm_embedding", True),
        ("no_scale_embedding", True),
    ):
        if bool(options[name]) is not wanted:
            _refuse(f"has --{name.replace('_', '-')} {options[name]}")
    if options["activation_fn"] not in _ACTIVATIONS:
        _refuse(f"has the activation function {options['activation_fn']}")
    weights = made.content["model"]
    heads = {found[1] for name in weights if (found := CLASSIFIER.match(name))}
    if len(heads) > 1:
        _refuse(f"has several classification heads ({', '.join(sorted(heads))})")
    if heads and options["pooler_activation_fn"] != "tanh":  # as all heads have there
        _refuse(f"has --pooler-activation-fn {options['pooler_activation_fn']}")
    for task in TASKS.values():
        if task.trains and task.kind != PAIRS and head_name(task) in heads:
            _refuse(f"answers for each token ({head_name(task)})")
    tied = not options["untie_weights_roberta"]
    tensors: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if is_buffer(name) or (name == HEAD_WEIGHT and tied):
            continue
        if heads and name.startswith(LM_HEAD):
            continue
        there = hugging_face_name(name)
        if there is None:
            _refuse(f"has a weight {name}")
        else:
            tensors[there] = tensor
    embedding = tensors[f"{_BASE}{WORDS}"]
    types = f"{_BASE}{TYPES}"
    tensors[types] = embedding.new_zeros(1, embedding.shape[1])
    return _config(options, tensors, bool(heads), tied), tensors


def _unequal(made: Export) -> str:
    """What of a narrow model stock fairseq has no place for."""
    for site, width in made.narrow.widths.items():
        whole = made.components.counts[site]
        if site in made.components.widths and width != whole:
            return f"{width} of {whole} heads in {site}"
    if made.narrow.rank is not None:
        return f"an embedding of rank {made.narrow.rank}"
    return "layers of several widths"


def _refuse(what: str) -> None:
    raise LassError(f"Hugging Face's layout has no place for a model that {what}")


def _config(
    options: Mapping[str, Any], tensors: Mapping[str, Tensor], heads: bool, tied: bool
) -> dict[str, Any]:
    """The configuration of the library's XLM-RoBERTa."""
    kind = "SequenceClassification" if heads else "MaskedLM"
    symbols = len(tensors[f"{_BASE}{WORDS}"])
    precision = tensors[f"{_BASE}{WORDS}"].dtype
    config = {
        "architectures": [f"XLMRobertaFor{kind}"],
        "model_type": "xlm-roberta",
        "vocab_size": symbols,
        "hidden_size": options["encoder_embed_dim"],
        "num_hidden_layers": options["encoder_layers"],
        "num_attention_heads": options["encoder_attention_heads"],
        "intermediate_size": options["encoder_ffn_embed_dim"],
        "hidden_act": _ACTIVATIONS[options["activation_fn"]],
        "hidden_dropout_prob": options["dropout"],
        "attention_probs_dropout_prob": options["attention_dropout"],
        "max_position_embeddings": len(tensors[f"{_BASE}{POSITIONS}"]),
        "type_vocab_size": 1,
        "layer_norm_eps": options.get("layer_norm_eps") or 1e-5,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": tied,
        "torch_dtype": "float16" if precision is torch.half else "float32",
    }
    if heads:
        labels = len(tensors[CLASSIFIER_OUTPUTS])
        config["id2label"] = {str(n): f"LABEL_{n}" for n in range(labels)}
        config["label2id"] = {f"LABEL_{n}": n for n in range(labels)}
    return config
