"""Sizes of the models of configs/xie2021 against Table 1 and 2 of Xie 2021."""

from argparse import Namespace
from functools import cache
from types import SimpleNamespace

import pytest
import torch
import yaml
from conftest import ROOT
from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY

CONFIGS = ROOT / "configs" / "xie2021"
SYSTEMS = ("base", "expansion", "finetune", "individual")


def read(name: str) -> dict:
    return yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))


@cache
def parameters(name: str) -> tuple[int, int]:
    """Parameters without the embeddings, and those of a type of the dictionary."""
    options = Namespace(**read(name)["model"])
    arch = options._name
    ARCH_CONFIG_REGISTRY[arch](options)
    dictionary = Dictionary()
    task = SimpleNamespace(source_dictionary=dictionary, target_dictionary=dictionary)
    with torch.device("meta"):
        model = ARCH_MODEL_REGISTRY[arch].build_model(options, task)
    table = model.encoder.embed_tokens.weight
    total = sum(parameter.numel() for parameter in model.parameters())
    return total - table.numel(), table.shape[1]


def types(name: str, millions: float) -> float:
    """Types of the dictionary with which the model has so many parameters."""
    body, width = parameters(name)
    return (millions * 1e6 - body) / width


def test_transformer_base_by_hand():
    d, f = 512, 2048
    attention = 4 * (d * d + d) + 2 * d
    feed_forward = d * f + f + f * d + d + 2 * d
    encoder, decoder = attention + feed_forward, 2 * attention + feed_forward
    for name in ("base", "finetune", "individual"):
        assert parameters(name) == (6 * (encoder + decoder), 512)


def test_one_embedding_matrix_for_everything_gives_the_parameters_of_the_tables():
    """40K merges and 90K merges, joint; each pair's own part of the 40K and 90K."""
    assert 40_000 < types("base", 64.69) < 40_300  # Table 1, Multilingual
    assert 90_000 < types("base", 90.42) < 90_600  # Table 2, Multilingual
    assert 27_000 < types("individual", 466.4 / 8) < 28_000  # Table 1
    assert 35_000 < types("individual", 746.76 / 12) < 36_000  # Table 2


def test_what_the_expansion_adds():
    """12 layers of 952 more units, each a row, a bias and a column: 11.7096M. Table 2
    has 102.14M − 90.42M = 11.72M, both rounded, so .01M is all that it can tell."""
    added = parameters("expansion")[0] - parameters("base")[0]
    assert added == 12 * (3000 - 2048) * (512 + 1 + 512) == 11_709_600
    assert added / 1e6 == pytest.approx(102.14 - 90.42, abs=0.011)
    assert types("expansion", 102.14) == pytest.approx(types("base", 90.42), abs=21)


def test_values_of_section_4_3():
    for name in SYSTEMS:
        config = read(name)
        assert config["optimizer"]["adam_betas"] == "(0.9, 0.98)"
        assert config["optimizer"]["adam_eps"] == 1e-9
        assert config["optimization"]["update_freq"] == [4]
        pairs = config["task"]["lang_pairs"].split(",")
        tokens = 2048 if len(pairs) == 8 or pairs == ["???"] else 4096
        assert config["dataset"]["max_tokens"] == tokens


def test_the_pairs_are_those_of_section_4_1():
    assert set(read("base")["task"]["lang_pairs"].split(",")) == {
        *("it-en", "en-it", "ro-en", "en-ro", "nl-en", "en-nl", "it-ro", "ro-it")
    }
    one_to_many = read("expansion")["task"]["lang_pairs"].split(",")
    assert len(set(one_to_many)) == 12
    assert {pair.split("-")[0] for pair in one_to_many} == {"en"}


def test_the_fine_tuning_is_of_the_model_of_the_base():
    base, finetune = read("base"), read("finetune")
    assert base["model"] == finetune["model"]
    for name in ("lang_pairs", "encoder_langtok", "decoder_langtok", "sampling_method"):
        assert base["task"][name] == finetune["task"][name]
