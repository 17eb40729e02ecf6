"""The parts of a model are named once, for an encoder-decoder and an encoder alone."""

import ast
import re
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest
from fairseq.data import Dictionary
from fairseq.models import roberta, transformer

import lass_plugin
from lass_plugin.anatomy.components import parts_of
from lass_plugin.anatomy.matrices import KINDS, find_matrices
from lass_plugin.anatomy.neurons import UNITS, owned_parameters
from lass_plugin.anatomy.places import (
    FEED_FORWARD,
    PROJECTIONS,
    count_layers,
    find_place,
    is_buffer,
    is_computed,
    layer_name,
)
from lass_plugin.anatomy.targets import (
    TARGETS,
    find_sites,
    parse_targets,
    select_sites,
)
from lass_plugin.anatomy.vocabulary import embedding_of, shared_names, vocabulary_of
from lass_plugin.errors import LassError

SIZES = {"embed_dim": 8, "ffn_embed_dim": 16, "attention_heads": 2, "layers": 2}


def task() -> SimpleNamespace:
    dictionary = Dictionary()
    for number in range(20):
        dictionary.add_symbol(str(number))
    return SimpleNamespace(source_dictionary=dictionary, target_dictionary=dictionary)


def encoder_decoder(**options):
    given = {f"{s}_{n}": v for s in ("encoder", "decoder") for n, v in SIZES.items()}
    options = Namespace(**given, **options)
    transformer.base_architecture(options)
    return transformer.TransformerModel.build_model(options, task()), vars(options)


def encoder_alone(**options):
    given = {f"encoder_{name}": value for name, value in SIZES.items()}
    options = Namespace(**given, max_positions=10, tokens_per_sample=10, **options)
    roberta.model.base_architecture(options)
    model = roberta.RobertaModel.build_model(options, task())
    model.register_classification_head("topic", 3)
    return model, vars(options)


PRE_NORM = {f"{side}_normalize_before": True for side in ("encoder", "decoder")}
LEARNED = {f"{side}_learned_pos": True for side in ("encoder", "decoder")}
SCALED = {"scale_attn": True, "scale_fc": True, "scale_heads": True}
MODELS = {
    "plain": lambda: encoder_decoder(),
    "every-norm": lambda: encoder_decoder(
        **PRE_NORM, **LEARNED, **SCALED, scale_resids=True, layernorm_embedding=True
    ),
    "adaptive": lambda: encoder_decoder(adaptive_softmax_cutoff="10,15"),
    "narrow-output": lambda: encoder_decoder(decoder_output_dim=4),
    "encoder-alone": lambda: encoder_alone(),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_has_its_part(name):
    model, _ = MODELS[name]()
    for parameter in dict(model.named_parameters(remove_duplicate=False)):
        place = find_place(parameter)
        assert place, parameter
        assert parameter.startswith(place.owner)
        if place.layer is not None:
            assert model.get_submodule(place.owner.removesuffix(f".{place.part}"))
            assert f".layers.{place.layer}." in parameter
        assert place.tensor in ("weight", "bias", "") or "." in place.tensor
    for buffer in dict(model.named_buffers()):
        assert is_buffer(buffer) or is_computed(buffer), buffer
    assert count_layers(model.state_dict())["encoder"] == 2


def test_the_name_of_a_layer_is_that_of_its_module():
    model, _ = encoder_decoder()
    assert model.get_submodule(layer_name("decoder", 1)) is model.decoder.layers[1]
    assert find_place("decoder.layers.1.fc1.bias").owner == "decoder.layers.1.fc1"


@pytest.mark.parametrize(
    "name",
    [
        "encoder.layers.0.fc3.weight",
        "encoder.layers.0.self_attn.weight",
        "encoder.layers.x.fc1.weight",
        "encoder.layers.0.self_attnxq_proj.weight",
        "model.encoder.layers.0.fc1.weight",
        "decoder.sentence_encoder.layers.0.fc1.weight",
        "encoder.version",
        "encoder",
        "",
    ],
)
def test_other_names_have_no_place(name):
    assert not find_place(name)


def test_keys_and_values_of_cross_attention_read_the_source():
    reads = {
        name: find_place(name).reads_source
        for name in (
            "encoder.layers.0.fc1.weight",
            "decoder.layers.0.fc1.weight",
            "decoder.layers.0.self_attn.k_proj.weight",
            "decoder.layers.0.encoder_attn.q_proj.weight",
            "decoder.layers.0.encoder_attn.k_proj.weight",
            "decoder.layers.0.encoder_attn.v_proj.weight",
            "decoder.layers.0.encoder_attn.out_proj.weight",
        )
    }
    assert list(reads.values()) == [True, False, False, False, True, True, False]


def test_an_encoder_alone_has_targets_matrices_and_neurons():
    model, _ = encoder_alone()
    tensors = dict(model.named_parameters())
    assert len(find_sites(model, ["attention"])) == 2 * 4
    assert len(find_sites(model, ["feed-forward"])) == 2 * 2
    assert list(find_sites(model, ["embeddings"])) == [
        "encoder.sentence_encoder.embed_tokens.weight"
    ]
    assert len(find_matrices(tensors, ["q", "fc1"])) == 2 * 2
    rows = [f"encoder.sentence_encoder.layers.{n}.fc1" for n in range(2)]
    assert UNITS["ffn-hidden"].sites(dict(model.named_modules())) == rows
    for unit in UNITS.values():
        for part in unit.parts:
            place = f"encoder.sentence_encoder.layers.0.{part}"
            if "encoder_attn" not in part:
                assert all(name in tensors for name, _ in owned_parameters(place))
    parts = parts_of(select_sites(tensors, TARGETS), "every")
    assert len(parts["encoder self-attention"]) == 2 * 4
    assert len(parts["encoder layer 1"]) == 4 + 2
    assert parts["encoder layer 1 fc1"] == [f"{rows[1]}.weight"]


def test_targets_matrices_and_components_are_the_same_parts():
    model, _ = encoder_decoder()
    sites = find_sites(model, ["attention", "feed-forward"])
    matrices = find_matrices(dict(model.named_parameters()), KINDS)
    assert {f"{name}.weight" for name in matrices} == set(sites)
    parts = parts_of(sites, "component")
    by_matrix = [site for n in (*PROJECTIONS, *FEED_FORWARD) for site in parts[n]]
    assert sorted(by_matrix) == sorted(sites)


@pytest.mark.parametrize(
    "build, expected",
    [
        (lambda: encoder_decoder(), [0, 1, 2]),
        (lambda: encoder_decoder(share_decoder_input_output_embed=True), [0, 1, 1]),
        (lambda: encoder_decoder(share_all_embeddings=True), [0, 0, 0]),
        (lambda: encoder_alone(), [0, 0]),
        (lambda: encoder_alone(untie_weights_roberta=True), [0, 1]),
    ],
)
def test_the_options_say_which_vocabulary_matrices_are_one_tensor(build, expected):
    model, options = build()
    weights = dict(model.named_parameters(remove_duplicate=False))
    names = vocabulary_of(weights)
    shared = shared_names(options, weights)
    assert [names.index(shared.get(name, name)) for name in names] == expected
    for name in names:  # and they are
        assert weights[name] is weights[shared.get(name, name)]
    assert len({id(weights[name]) for name in names}) == len(set(expected))
    assert embedding_of(weights, "encoder") is weights[names[0]]


# -- nobody else knows a name ----------------------------------------------------------

PARTS = re.compile(
    r"self_attn|encoder_attn|[qkv]_proj|out_proj|\bfc[12]\b|embed_(tokens|positions)"
    r"|output_projection|lm_head|adaptive_softmax|layer_norm|sentence_encoder"
    r"|^\.layers\\?\.|(encoder|decoder)\\?\.layers|^(encoder|decoder)\\?\."
)


OPTIONS = {"layer_norm_eps", "adapter_layer_norm", "adapter_reuse_layer_norm"}
"""Options of fairseq's models that are called as parts are."""


def strings_of(path: Path) -> list[tuple[int, str]]:
    """Line and text of the strings of a file that are no prose."""
    tree = ast.parse(path.read_text())
    prose = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if id(node) not in prose and not re.search(r"\s", node.value)
    ]


def test_no_name_of_a_parameter_stands_outside_of_anatomy():
    package = Path(lass_plugin.__file__).parent
    found = [
        f"{path.relative_to(package)}:{line} {text!r}"
        for path in sorted(package.rglob("*.py"))
        if path.relative_to(package).parts[0] != "anatomy"
        for line, text in strings_of(path)
        if PARTS.search(text) and text not in OPTIONS
    ]
    assert not found, "\n".join(found)


def test_a_name_listed_twice_is_refused():
    with pytest.raises(LassError, match="mask target 'attention' is listed more than"):
        parse_targets("attention,feed-forward,attention")
    assert parse_targets(["attention", "attention"]) == ("attention",)
