"""The registered architectures have the shapes and sizes that the papers state."""

from argparse import Namespace
from types import SimpleNamespace

import pytest
import torch
from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY

from lass_plugin.models import transformer_architectures  # noqa: F401


def _args(name: str) -> Namespace:
    args = Namespace()
    ARCH_CONFIG_REGISTRY[name](args)
    return args


@pytest.mark.parametrize(
    ("name", "units", "ffn", "heads"),
    [
        ("transformer_small", 512, 1024, 4),
        ("lass_transformer_small", 512, 1024, 4),
        ("lass_transformer_base", 512, 2048, 8),
        ("lass_transformer_big", 1024, 4096, 16),
    ],
)
def test_shapes_are_those_of_the_papers(name, units, ffn, heads):
    args = _args(name)
    for side in ("encoder", "decoder"):
        assert getattr(args, f"{side}_layers") == 6
        assert getattr(args, f"{side}_embed_dim") == units
        assert getattr(args, f"{side}_ffn_embed_dim") == ffn
        assert getattr(args, f"{side}_attention_heads") == heads


@pytest.mark.parametrize(
    ("name", "layers", "units", "ffn", "millions"),
    [("m2m_124_615m", 12, 1024, 4096, 615), ("m2m_124_175m", 6, 512, 2048, 175)],
)
def test_m2m_124_has_the_parameters_of_its_name(name, layers, units, ffn, millions):
    """255,997 pieces, 4 symbols of fairseq and 124 languages: 256,125 types."""
    dictionary = Dictionary()
    dictionary.symbols += [str(number) for number in range(256_125 - 4)]
    task = SimpleNamespace(source_dictionary=dictionary, target_dictionary=dictionary)
    args = _args(name)
    with torch.device("meta"):
        model = ARCH_MODEL_REGISTRY[name].build_model(args, task)
    attention = 4 * (units * units + units) + 2 * units
    feed_forward = 2 * units * ffn + ffn + units + 2 * units
    layer_norms = 2 * 2 * units  # pre-norm: one more behind each stack
    by_hand = layers * (3 * attention + 2 * feed_forward) + layer_norms
    by_hand += 256_125 * units
    assert sum(parameter.numel() for parameter in model.parameters()) == by_hand
    assert round(by_hand / 1e6) == millions
    assert (args.encoder_attention_heads, args.decoder_attention_heads) == (16, 16)
    assert args.encoder_normalize_before and args.decoder_normalize_before


def test_lass_variants_use_gelu_and_learned_positions():
    lass, plain = _args("lass_transformer_small"), _args("transformer_small")
    assert (lass.activation_fn, plain.activation_fn) == ("gelu", "relu")
    assert lass.encoder_learned_pos and lass.decoder_learned_pos
    assert not plain.encoder_learned_pos


def test_an_option_given_by_the_user_wins():
    args = Namespace(encoder_layers=2)
    ARCH_CONFIG_REGISTRY["transformer_small"](args)
    assert args.encoder_layers == 2


def test_size_of_transformer_small_is_that_of_he_2023():
    """78M parameters with three embedding matrices of 30K types, 31.5M maskable."""
    matrices_encoder = 6 * (4 * 512 * 512 + 2 * 512 * 1024)
    matrices_decoder = 6 * (8 * 512 * 512 + 2 * 512 * 1024)
    maskable = matrices_encoder + matrices_decoder
    assert round(maskable / 1e6, 1) == 31.5
    assert round((maskable + 3 * 30_000 * 512) / 1e6) == 78
