"""Hugging Face's layout: names, sizes, refusals, and outputs where it is installed."""

import json
from pathlib import Path

import pytest
import torch
from narrow_models import FRACTIONAL, RANKS, SYMBOLS, UNEQUAL, made

from lass_plugin.anatomy.hugging_face import hugging_face_name
from lass_plugin.errors import LassError
from lass_plugin.methods.gates.export import build, export
from lass_plugin.methods.gates.hugging_face import (
    hugging_face_model,
    write_hugging_face,
)
from lass_plugin.tensor_files import read_plain

GIVEN = {**FRACTIONAL, **RANKS}


@pytest.fixture(scope="module")
def filled():
    """A model without classification heads."""
    dense = made()
    for name in [n for n in dense.weights if n.startswith("classification_heads")]:
        del dense.content["model"][name]
        del dense.weights[name]
    return export(dense, "de", GIVEN, fill=True)


@pytest.mark.parametrize(
    "name, there",
    [
        (
            "encoder.sentence_encoder.layers.11.self_attn.out_proj.bias",
            "roberta.encoder.layer.11.attention.output.dense.bias",
        ),
        (
            "encoder.sentence_encoder.layers.0.self_attn_layer_norm.weight",
            "roberta.encoder.layer.0.attention.output.LayerNorm.weight",
        ),
        (
            "encoder.sentence_encoder.embed_tokens.weight",
            "roberta.embeddings.word_embeddings.weight",
        ),
        ("encoder.lm_head.weight", "lm_head.decoder.weight"),
        ("encoder.lm_head.bias", "lm_head.bias"),
        ("encoder.lm_head.dense.weight", "lm_head.dense.weight"),
        ("classification_heads.nli.dense.bias", "classifier.dense.bias"),
        ("encoder.sentence_encoder.layers.0.attn_ln.weight", None),
    ],
)
def test_names(name, there):
    assert hugging_face_name(name) == there


def test_files_are_what_the_library_reads(filled, tmp_path):
    write_hugging_face(tmp_path, filled)
    config = json.loads((tmp_path / "config.json").read_text())
    tensors = read_plain(tmp_path / "model.safetensors")
    assert config["intermediate_size"] == 8 and config["vocab_size"] == SYMBOLS
    assert tensors["roberta.encoder.layer.1.intermediate.dense.weight"].shape == (8, 12)
    assert config["architectures"] == ["XLMRobertaForMaskedLM"]
    assert "lm_head.decoder.weight" not in tensors  # it is that of the embedding
    count = len(filled.content["model"]) - 2  # that, and a mark of fairseq's
    assert len(tensors) == count + 1  # types of sentences


def test_what_it_has_no_place_for_is_named():
    with pytest.raises(LassError, match="2 of 3 heads in .*layers.0.*--fill"):
        hugging_face_model(export(made(), "de", UNEQUAL))
    with pytest.raises(LassError, match="an embedding of rank 4"):
        hugging_face_model(export(made(), "de", RANKS))
    small = export(made(), "de", GIVEN, fill=True)
    small.options["pooler_activation_fn"] = "relu"
    with pytest.raises(LassError, match="--pooler-activation-fn relu"):
        hugging_face_model(small)


def theirs_of(kind: str, folder: Path):
    """The model of *folder* in their library, if that can be imported."""
    transformers = pytest.importorskip("transformers")
    try:
        found = getattr(transformers, kind)
    except (ImportError, OSError, RuntimeError) as error:  # of a part that it loads
        pytest.skip(f"transformers cannot be used here: {error}")
    return found.from_pretrained(folder).eval()


@torch.no_grad()
def test_outputs_are_those_of_transformers(filled, tmp_path):
    write_hugging_face(tmp_path, filled)
    theirs = theirs_of("AutoModelForMaskedLM", tmp_path)
    ours = build(filled.options, filled.content["model"], "")
    tokens = torch.randint(4, SYMBOLS, (3, 9))
    tokens[:, 0] = 0
    tokens[1:, 6:] = 1
    there = tokens.ne(1)
    found = theirs(tokens, attention_mask=there.long()).logits
    wanted, _ = ours(tokens)
    torch.testing.assert_close(found[there], wanted[there], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_classifier_gives_what_transformers_gives(tmp_path):
    small = export(made(), "de", GIVEN, fill=True)
    write_hugging_face(tmp_path, small)
    theirs = theirs_of("AutoModelForSequenceClassification", tmp_path)
    ours = build(small.options, small.content["model"], "")
    tokens = torch.randint(4, SYMBOLS, (2, 6))
    found = theirs(tokens, attention_mask=torch.ones_like(tokens)).logits
    wanted, _ = ours(tokens, classification_head_name="topic")
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
