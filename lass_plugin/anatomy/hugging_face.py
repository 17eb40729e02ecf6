"""Names of an encoder's weights in Hugging Face's layouts: XLM-R's, and BERT's."""

import re

from lass_plugin.anatomy.encoders import (
    CLASSIFICATION_HEADS,
    ENCODER,
    HEAD_BIAS,
    HEAD_DENSE,
    HEAD_NORM,
    HEAD_WEIGHT,
    in_layer,
)

XLM_R, BERT = "xlm-roberta", "bert"
PREFIXES = {XLM_R: "roberta.", BERT: "bert."}
"""Kind -> what the names of its encoder begin with."""

_OUTSIDE = {
    "embeddings.word_embeddings": f"{ENCODER}.embed_tokens",
    "embeddings.position_embeddings": f"{ENCODER}.embed_positions",
    "embeddings.LayerNorm": f"{ENCODER}.layernorm_embedding",
}
_INSIDE = {
    "attention.self.query": "self_attn.q_proj",
    "attention.self.key": "self_attn.k_proj",
    "attention.self.value": "self_attn.v_proj",
    "attention.output.dense": "self_attn.out_proj",
    "attention.output.LayerNorm": "self_attn_layer_norm",
    "intermediate.dense": "fc1",
    "output.dense": "fc2",
    "output.LayerNorm": "final_layer_norm",
}
"""Module of theirs -> of fairseq's, within a layer."""
_HEAD = {"lm_head.dense": HEAD_DENSE, "lm_head.layer_norm": HEAD_NORM}
_HEAD_OF_BERT = {
    "cls.predictions.transform.dense": HEAD_DENSE,
    "cls.predictions.transform.LayerNorm": HEAD_NORM,
}
_HEAD_BIASES = ("lm_head.bias", "cls.predictions.bias")

TYPES = "embeddings.token_type_embeddings.weight"
WORDS = "embeddings.word_embeddings.weight"
POSITIONS = "embeddings.position_embeddings.weight"

LEFT_OUT = re.compile(
    r"pooler\.|(lm_head|cls\.predictions)\.decoder\.|cls\.seq_relationship\."
    r"|embeddings\.position_ids"
)
"""What an encoder has no use for: the pooler, and the projection, which is tied."""

_THEIR_LAYER = re.compile(r"encoder\.layer\.(\d+)\.(.+)")
_OUR_LAYER = re.compile(rf"{re.escape(ENCODER)}\.layers\.(\d+)\.(.+)")
CLASSIFIER_OUTPUTS = "classifier.out_proj.weight"
CLASSIFIER = re.compile(rf"{CLASSIFICATION_HEADS}\.([^.]+)\.(.+)")
"""A weight of a classification head of fairseq: its name, and the tensor."""


def fairseq_name(name: str) -> str | None:
    """What a weight of theirs is called in fairseq, None where it is unknown.

    Args:
        name: without the prefix of its kind.
    """
    if name in _HEAD_BIASES:
        return HEAD_BIAS
    module, _, tensor = name.rpartition(".")
    if found := _THEIR_LAYER.fullmatch(module):
        part = _INSIDE.get(found[2])
        return part and f"{in_layer(found[1], part)}.{tensor}"
    ours = (_OUTSIDE | _HEAD | _HEAD_OF_BERT).get(module)
    return ours and f"{ours}.{tensor}"


def hugging_face_name(name: str) -> str | None:
    """What a weight of fairseq's RoBERTa is called there; None where it is unknown."""
    if name == HEAD_WEIGHT:
        return "lm_head.decoder.weight"
    if name == HEAD_BIAS:
        return "lm_head.bias"
    module, _, tensor = name.rpartition(".")
    for theirs, ours in _HEAD.items():
        if module == ours:
            return f"{theirs}.{tensor}"
    if found := CLASSIFIER.fullmatch(module):
        return f"classifier.{found[2]}.{tensor}"
    prefix = PREFIXES[XLM_R]
    if found := _OUR_LAYER.fullmatch(module):
        for theirs, ours in _INSIDE.items():
            if found[2] == ours:
                return f"{prefix}encoder.layer.{found[1]}.{theirs}.{tensor}"
        return None
    for theirs, ours in _OUTSIDE.items():
        if module == ours:
            return f"{prefix}{theirs}.{tensor}"
    return None
