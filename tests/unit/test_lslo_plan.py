"""Plans of low-rank modules: matrices, placement, ranks, and what is refused."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lass_plugin.anatomy.matrices import (
    DEFAULT_KINDS,
    KINDS,
    find_matrices,
    parse_kinds,
)
from lass_plugin.anatomy.places import count_layers
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.methods.lowrank import options
from lass_plugin.methods.lowrank.options import TranslationLsloConfig
from lass_plugin.methods.lowrank.planning.placement import (
    Placement,
    parse_placement,
    read_placement,
    write_placement,
)
from lass_plugin.methods.lowrank.planning.plan import (
    LowRankPlan,
    count_parameters,
    read_plan,
    uniform,
    write_plan,
)
from lass_plugin.resource_types import parse_types, spread


def tensors(layers=2, width=8, hidden=12):
    """Names and shapes of the matrices of a small transformer."""
    found = {"encoder.embed_tokens.weight": torch.empty(20, width)}
    for side in ("decoder", "encoder"):
        for layer in range(layers):
            for name in KINDS.values():
                if side == "encoder" and name.startswith("encoder_attn"):
                    continue
                shape = {"fc1": (hidden, width), "fc2": (width, hidden)}
                place = f"{side}.layers.{layer}.{name}"
                found[f"{place}.weight"] = torch.empty(*shape.get(name, (width, width)))
                found[f"{place}.bias"] = torch.empty(width)
    return found


def test_matrices_are_found_in_order_with_their_shapes():
    found = find_matrices(tensors())
    assert list(found)[:6] == [
        *(f"encoder.layers.0.self_attn.{kind}_proj" for kind in "qkv"),
        *("encoder.layers.0.fc1", "encoder.layers.0.fc2"),
        "encoder.layers.1.self_attn.q_proj",
    ]
    assert len(found) == 2 * 5 + 2 * 8
    fc1 = found["decoder.layers.1.fc1"]
    assert (fc1.side, fc1.layer, fc1.kind) == ("decoder", 1, "fc1")
    assert (fc1.outputs, fc1.inputs, fc1.units) == (12, 8, 20)
    assert count_layers(tensors(3)) == {"encoder": 3, "decoder": 3}
    assert len(find_matrices(tensors(), KINDS)) == 2 * 6 + 2 * 10


def test_names_of_matrices():
    assert parse_kinds("fc2, q") == ("q", "fc2")
    assert parse_kinds(DEFAULT_KINDS) == DEFAULT_KINDS
    with pytest.raises(LassError, match="unknown matrix 'fc3'; choose from q, k, v"):
        parse_kinds("q,fc3")
    with pytest.raises(LassError, match="unknown matrix ''"):
        parse_kinds(",")
    only = {name: t for name, t in tensors().items() if "encoder_attn" not in name}
    with pytest.raises(LassError, match="no matrix 'c-k' .encoder_attn.k_proj."):
        find_matrices(only, ["q", "c-k"])


LAYERS = {"encoder": 12, "decoder": 12}


@pytest.mark.parametrize(
    ("text", "by_source"),
    [("source", 12), ("target", 0), ("first:9", 9), ("first:75%", 9), ("first:0", 0)],
)
def test_rules_of_placement(text, by_source):
    placement = parse_placement(text, LAYERS)
    assert placement.encoder == ("source",) * by_source + ("target",) * (12 - by_source)
    assert placement.decoder == ("target",) * 12
    assert not placement.learns


def test_both_indices_are_tried_where_the_placement_is_learned():
    placement = parse_placement("learn", LAYERS)
    assert placement.learns and set(placement.encoder + placement.decoder) == {"both"}


@pytest.mark.parametrize("text", ["first:13", "first:-1", "first:x", "first:120%"])
def test_rules_that_are_refused(text):
    with pytest.raises(LassError, match=f"--lslo-placement {text}: write first:N"):
        parse_placement(text, LAYERS)


def test_files_of_placement(tmp_path):
    placement = parse_placement("first:1", {"encoder": 2, "decoder": 2})
    path = tmp_path / "placement.json"
    write_placement(path, placement, {"note": "by hand"})
    assert read_placement(path) == placement
    assert parse_placement(str(path), {"encoder": 2, "decoder": 2}) == placement
    with pytest.raises(
        LassError, match="has 2 layers of the encoder, the model has 12"
    ):
        parse_placement(str(path), LAYERS)
    with pytest.raises(LassError, match="'nothing' is neither a rule of placement"):
        parse_placement("nothing", LAYERS)
    for broken in ("", "[]", "{}", '{"encoder": ["up"], "decoder": []}'):
        path.write_text(broken)
        with pytest.raises(LassError, match="placement|indexed by 'up'"):
            read_placement(path)
    path.write_text(json.dumps({**placement.to_dict(), "version": 9}))
    with pytest.raises(LassError, match="of version 9"):
        read_placement(path)


TYPES = {"en": "H", "fr": "H", "nl": "M", "oc": "V"}


def test_numbers_by_type_by_name_or_for_all():
    assert spread("2;2;8", TYPES, TYPES, "--x") == {"en": 2, "fr": 2, "nl": 2, "oc": 8}
    assert spread("4", TYPES, None, "--x") == dict.fromkeys(TYPES, 4)
    named = spread("en=1,fr=0,nl=2,oc=.5", TYPES, None, "--x")
    assert named == {"en": 1, "fr": 0, "nl": 2, "oc": 0.5}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2;8", "2 numbers, but the languages are of 3 resource types .H, M, V."),
        ("en=1,fr=1,nl=1", "--x says nothing of oc"),
        ("en=1,fr=1,nl=1,oc=1,ja=1", "--x names ja"),
        ("many", "'many' is not a number"),
        ("en=one", "'one' is not a number"),
        ("inf", "'inf' is not a number"),
        ("en=1,fr=1,nl=1,oc=8,oc=2", "--x names oc twice"),
    ],
)
def test_numbers_that_are_refused(text, words):
    with pytest.raises(LassError, match=words):
        spread(text, TYPES, TYPES, "--x")


def test_resource_types(tmp_path):
    assert parse_types(None, ["en", "oc", "zu"]) == {"en": "H", "oc": "V", "zu": "L"}
    assert parse_types("H=a,b;V=c", "abc") == {"a": "H", "b": "H", "c": "V"}
    path = tmp_path / "types.txt"
    path.write_text("a H 1000\nb M\n\n")
    assert parse_types(str(path), "ab") == {"a": "H", "b": "M"}
    for text, words in (
        (None, "xx has no resource type in the table of FLORES-101"),
        ("H=a;X=xx", "resource type 'X' of xx is none of H, M, L, V"),
        ("H=xx;M=xx", "xx has two resource types, H and M"),
        ("nowhere.txt", "neither a file nor a list"),
    ):
        with pytest.raises(LassError, match=words):
            parse_types(text, ["xx"])
    path.write_text("a\n")
    with pytest.raises(LassError, match="each line of .* a language and its type"):
        parse_types(str(path), ["a"])


def plan(ranks, **more) -> LowRankPlan:
    placement = parse_placement("first:1", {"encoder": 2, "decoder": 2})
    return uniform(find_matrices(tensors()), ranks, placement, **more)


codes = st.text("abcdefgh_@.", min_size=1, max_size=5)


@given(
    ranks=st.dictionaries(codes, st.integers(0, 8), min_size=1, max_size=5),
    alpha=st.sampled_from([0.0, 1.0, 16.0]),
    seed=st.integers(0, 9),
)
def test_a_plan_goes_through_its_file_unchanged(tmp_path_factory, ranks, alpha, seed):
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    made = plan(ranks, alpha=alpha, seed=seed, dropout=0.1)
    write_plan(path, made, "a note")
    assert read_plan(path) == made
    different = LowRankPlan(
        made.placement,
        {
            name: {code: rank + number % 3 for code, rank in ranks.items()}
            for number, name in enumerate(made.ranks)
        },
    )
    write_plan(path, different)
    assert read_plan(path) == different


def test_factor_dropout_and_seed_beside_a_plan_are_its_own(tmp_path):
    """'lass lslo fit' passes on for the last training what it did for the first."""
    path, fields = tmp_path / "plan.json", vars(TranslationLsloConfig())
    write_plan(path, plan({"de": 2}, alpha=16.0, dropout=0.1, seed=3))
    given = {"lslo_plan": str(path), "lslo_alpha": 16.0}
    options._check_planned(SimpleNamespace(**{**fields, **given}))
    given |= {"lslo_dropout": 0.1, "lslo_seed": 3}
    options._check_planned(SimpleNamespace(**{**fields, **given}))
    for name, value in (("alpha", 8.0), ("dropout", 0.2), ("seed", 2), ("ranks", "8")):
        other = SimpleNamespace(**{**fields, **given, f"lslo_{name}": value})
        with pytest.raises(LassError, match=f"--lslo-{name} has no effect with"):
            options._check_planned(other)


def test_parameters_of_a_plan():
    made = plan({"de": 2, "or": 3, "fr": 0})
    matrices = find_matrices(tensors())
    # attention 8 × 8: 16 a rank; fc1 and fc2: 20 a rank
    attention, feed_forward = 2 * 3 + 2 * 6, 2 * 2 + 2 * 2
    a_rank = attention * 16 + feed_forward * 20
    assert count_parameters(made, matrices) == 5 * a_rank
    square = (attention + feed_forward) * 16
    assert count_parameters(made, matrices, square=True) == 5 * square
    learned = parse_placement("learn", {"encoder": 2, "decoder": 2})
    both = replace(made, placement=learned)
    assert count_parameters(both, matrices) == 10 * a_rank


def test_what_a_plan_refuses():
    matrices = find_matrices(tensors())
    with pytest.raises(LassError, match="rank 9 of de is above 8, the size of encoder"):
        plan({"de": 9}).check_model(matrices)
    with pytest.raises(LassError, match="the rank of de is 2.5, not a whole number"):
        plan({"de": 2.5})
    with pytest.raises(LassError, match="the rank of de beside encoder.* is -1"):
        plan({"de": -1})
    with pytest.raises(LassError, match="--lslo-dropout 1.0 is outside"):
        plan({"de": 1}, dropout=1.0)
    with pytest.raises(LassError, match="--lslo-alpha -1 is below 0"):
        plan({"de": 1}, alpha=-1)
    with pytest.raises(LassError, match="no rank for nl .they have de, en."):
        plan({"de": 1, "en": 1}).check_pairs([Pair("de", "nl")])
    with pytest.raises(LassError, match="names encoder.*, which is no matrix"):
        plan({"de": 1}).check_model({})


def test_a_pair_without_any_module_is_not_trained():
    """Its batches have no gradient, at which torch fails."""
    made = plan({"de": 0, "en": 0, "nl": 1})
    made.check_trained([Pair("de", "nl"), Pair("nl", "en")])
    with pytest.raises(LassError, match="no low-rank module of de-en has a rank"):
        made.check_trained([Pair("nl", "en"), Pair("de", "en")])


@pytest.mark.parametrize("content", ["", "[]", '{"format": "x"}', "null"])
def test_files_that_are_no_plan(tmp_path, content):
    path = tmp_path / "plan.json"
    path.write_text(content)
    with pytest.raises(LassError, match="plan.json is not a plan of low-rank modules"):
        read_plan(path)
    with pytest.raises(LassError, match="is not a plan of.*No such file"):
        read_plan(tmp_path / "missing.json")


def test_a_plan_whose_placement_lacks_a_layer_is_refused(tmp_path):
    record = plan({"de": 2}).to_dict()
    record["placement"]["decoder"] = record["placement"]["decoder"][:-1]
    with pytest.raises(ValueError, match="no layer of decoder.layers.1"):
        LowRankPlan.from_dict(record)


def test_scales():
    assert plan({"de": 4}, alpha=8.0).scale(4) == 2.0
    assert plan({"de": 4}).scale(4) == 1.0
    assert Placement.from_dict({"encoder": ["both"], "decoder": []}).learns
