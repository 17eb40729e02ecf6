"""What a language has of its own, and how many parameters: the totals of papers."""

from argparse import Namespace
from types import SimpleNamespace

import pytest
import torch
import yaml
from conftest import ROOT
from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY

import lass_plugin.models.transformer_architectures  # noqa: F401  (registered)
from lass_plugin.anatomy.own_parts import PARTS, own_parameters, parse_parts
from lass_plugin.errors import LassError
from lass_plugin.languages import parse_pairs
from lass_plugin.methods.decoders.own_parameters import attach, beside
from lass_plugin.methods.decoders.whose import Whose

HE, XIE = (ROOT / "configs" / name for name in ("he2023", "xie2021"))


def read(path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def model_of(config: dict, types: int) -> torch.nn.Module:
    """The model of a configuration with a dictionary of *types*, without memory."""
    options = Namespace(**config["model"])
    ARCH_CONFIG_REGISTRY[options._name](options)
    dictionary = Dictionary()
    dictionary.pad_to_multiple_(types)
    assert len(dictionary) == types
    task = SimpleNamespace(source_dictionary=dictionary, target_dictionary=dictionary)
    with torch.device("meta"):
        return ARCH_MODEL_REGISTRY[options._name].build_model(options, task)


def count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def whose_of(config: dict) -> Whose:
    task = config["task"]
    pairs = parse_pairs(task["lang_pairs"])
    return Whose.of_pairs(parse_parts(task["own"]), task["own_by"], pairs)


def sizes(config: dict, types: int) -> tuple[int, int]:
    """Parameters of a pair and in all."""
    model, whose = model_of(config, types), whose_of(config)
    of_a_pair = count(model)
    attach(model, own_parameters(model, whose.parts), whose.keys, begins=True)
    return of_a_pair, count(model)


def test_sepadec_of_he_table_12():
    """78M, 298 MiB, for a pair and 478M, 1.8 GiB, in all give one dictionary."""
    config = read(HE / "separate_decoders.yaml")
    assert len(whose_of(config).keys) == 9
    of_a_pair, total = sizes(config, 30_320)
    d, ffn = 512, 1024
    attention, feed_forward = 4 * (d * d + d), 2 * d * ffn + ffn + d
    encoder = 6 * (attention + feed_forward + 2 * 2 * d)
    decoder = 6 * (2 * attention + feed_forward + 3 * 2 * d)
    table = 30_320 * d
    assert of_a_pair == encoder + decoder + 3 * table
    assert total == encoder + table + 9 * (decoder + 2 * table)
    assert round(of_a_pair / 1e6) == 78 and round(4 * of_a_pair / 2**20) == 298
    assert round(total / 1e6) == 478 and round(4 * total / 2**30, 1) == 1.8


def test_target_specific_attention_of_xie_table_1():
    config = read(XIE / "target_attention.yaml")
    whose = whose_of(config)
    assert whose.keys == ("en", "it", "nl", "ro") and whose.parts == ("attention",)
    of_a_pair, total = sizes(config, 40_139)
    assert total - of_a_pair == 3 * 18 * 4 * (512 * 512 + 512)
    assert of_a_pair / 1e6 == pytest.approx(64.69, abs=0.005)
    assert total / 1e6 == pytest.approx(121.42, abs=0.005)


def test_table_2_of_xie_does_not_follow_from_table_1():
    """Twelve targets are eleven further copies; 273.77M is no number of copies."""
    config = read(XIE / "target_attention.yaml")
    config["task"]["lang_pairs"] = read(XIE / "expansion.yaml")["task"]["lang_pairs"]
    of_a_pair, total = sizes(config, 90_396)
    assert of_a_pair / 1e6 == pytest.approx(90.42, abs=0.005)
    assert total / 1e6 == pytest.approx(298.44, abs=0.005)
    one = 4 * (512 * 512 + 512)
    attentions = (273.77 - 90.42) * 1e6 / one
    assert attentions == pytest.approx(174.5, abs=0.1)  # of 198
    assert attentions / 18 == pytest.approx(9.7, abs=0.01)
    # beside eleven copies there would be room for the model of Table 1, nearly
    assert (273.77e6 - 11 * 18 * one) / 1e6 == pytest.approx(65.75, abs=0.005)


@pytest.mark.parametrize(
    ("part", "copies"),
    [
        ("encoder-self-attention", 6),
        ("decoder-self-attention", 6),
        ("cross-attention", 6),
        ("decoder-self-attention,cross-attention", 12),
        ("attention", 18),
        ("attention,cross-attention", 18),
    ],
)
def test_parts_of_attention_can_be_chosen(part, copies):
    model = model_of(read(XIE / "base.yaml"), 1000)
    names = own_parameters(model, parse_parts(part))
    parameters = dict(model.named_parameters())
    units = sum(parameters[name].numel() for name in names)
    assert units == copies * 4 * (512 * 512 + 512)
    assert not [name for name in names if "norm" in name or "fc" in name]


def test_a_table_that_the_encoder_uses_too_is_no_decoders_own():
    shared = model_of(read(XIE / "base.yaml"), 1000)
    own = own_parameters(shared, ["decoder"])
    assert {name.split(".")[1] for name in own} == {"layers"}
    both = own_parameters(shared, ["encoder", "decoder"])
    assert len(both["encoder.embed_tokens.weight"]) == 3
    assert len(both) == len(list(shared.parameters()))
    config = read(XIE / "base.yaml")
    config["model"] |= {
        "share_all_embeddings": False,
        "share_decoder_input_output_embed": True,
    }
    own = own_parameters(model_of(config, 1000), ["decoder"])
    assert own["decoder.embed_tokens.weight"] == (
        *("decoder.embed_tokens.weight", "decoder.output_projection.weight"),
    )


def test_a_part_that_the_model_lacks_is_named():
    model = torch.nn.Module()
    model.add_module("encoder", torch.nn.Linear(2, 2))
    for part in ("decoder", "attention", "cross-attention"):
        with pytest.raises(LassError, match=f"has no {part}; leave it out of --own"):
            own_parameters(model, [part])
    assert [*PARTS][:2] == ["decoder", "encoder"]


def test_whose_parts_a_pair_has():
    pairs = parse_pairs("en-de,de-en,en-nl")
    by = {
        kind: Whose.of_pairs(["decoder"], kind, pairs)
        for kind in ("target", "source", "pair")
    }
    assert by["target"].keys == ("de", "en", "nl")
    assert by["source"].keys == ("de", "en")
    assert by["pair"].keys == ("de-en", "en-de", "en-nl")
    for kind, key in (("target", "de"), ("source", "en"), ("pair", "en-de")):
        assert by[kind].key_of(pairs[0]) == key
        assert Whose.from_state(by[kind].to_state(), "x") == by[kind]
    (zero_shot,) = parse_pairs("de-nl")
    assert by["target"].key_of(zero_shot) == "nl"
    with pytest.raises(LassError, match="no decoder for de-nl"):
        by["pair"].key_of(zero_shot)


def test_a_language_may_be_called_as_what_a_module_can_do():
    model = torch.nn.Linear(2, 2)  # "to" is Tongan
    attach(model, {"weight": ("weight",)}, ("en", "to"), begins=True)
    before = model.to(torch.float64).weight
    with beside(model).using(model, "to"):
        assert model.weight is dict(model.named_parameters())["weight"] is not before
        assert model.weight.dtype == torch.float64
    assert model.weight is before and "own.to.weight" in model.state_dict()
