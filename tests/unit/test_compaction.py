"""Compaction: what is cut, how layers are filled up, and that outputs stay."""

from argparse import Namespace
from pathlib import Path

import pytest
import torch
from conftest import PAIRS
from fairseq import utils
from fairseq.models.transformer import TransformerModel
from in_process import random_mask
from runs import Run

from lass_plugin.anatomy.neurons import UNITS
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError
from lass_plugin.masks import Mask, MaskSet, Provenance
from lass_plugin.masks.file import from_state
from lass_plugin.masks.neurons import neuron_mask
from lass_plugin.methods.subnetworks import compaction
from lass_plugin.methods.subnetworks.compaction import (
    LIMIT,
    activation_of,
    check_same,
    compacted_group,
    compacted_pair,
    contributing,
    plan_cut,
    random_outputs,
)
from lass_plugin.methods.subnetworks.export import baked, exported
from lass_plugin.neurons.recording import find_neurons

MADE = Provenance("taylor", None, note="seed 1")
LAYERS = tuple(f"{s}.layers.{n}" for s in ("encoder", "decoder") for n in range(2))


def made(content: dict) -> Checkpoint:
    return Checkpoint(Path("joint.pt"), content)


def units(text: str) -> torch.Tensor:
    return torch.tensor([character == "1" for character in text])


@pytest.fixture(scope="module")
def model(data):
    return Run(data).model


@pytest.fixture(scope="module")
def checkpoint(data) -> dict:
    """A checkpoint of a model whose weights are all drawn, its biases too."""
    run = Run(data)
    torch.manual_seed(7)
    for name, parameter in run.model.named_parameters():
        if "embed_tokens" not in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return {
        "cfg": {"model": run.cfg.model, "task": dict(run.cfg.task)},
        "model": run.weights(),
        "task_state": run.task.state_dict(),
    }


def draw(model, key: str, share: float, kinds=tuple(UNITS), seed: int = 1):
    """A mask that keeps about *share* of the neurons, another count in each layer."""
    generator = torch.Generator().manual_seed(seed)
    neurons = {}
    for number, (name, site) in enumerate(find_neurons(model, kinds).items()):
        kept = torch.rand(site.neurons, generator=generator) < share + number % 3 / 20
        kept[0] = True
        neurons[name] = kept
    return neuron_mask(key, neurons, MADE)


def with_hidden(key: str, hidden: dict[str, list[int]]):
    """A mask that keeps these of 64 hidden units of each layer."""
    neurons = {}
    for layer in LAYERS:
        neurons[f"{layer}.fc1"] = torch.zeros(64, dtype=torch.bool)
        neurons[f"{layer}.fc1"][hidden[layer]] = True
    return neuron_mask(key, neurons, MADE)


# -- what contributes ------------------------------------------------------------


def test_a_layer_by_hand():
    """Four units: used; no column; no row and a bias; no row and a bias that relu
    makes zero."""
    tensors = {
        "encoder.layers.0.fc1.weight": torch.tensor(
            [[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, -0.0]]
        ),
        "encoder.layers.0.fc1.bias": torch.tensor([0.0, 1.0, 1.0, -1.0]),
        "encoder.layers.0.fc2.weight": torch.tensor(
            [[0.0, 0.0, 2.0, 2.0], [3.0, -0.0, 2.0, 2.0]]
        ),
    }
    found = contributing(tensors, torch.relu)
    assert found["encoder.layers.0.fc1"].int().tolist() == [1, 0, 1, 0]
    found = contributing(tensors, torch.tanh)
    assert found["encoder.layers.0.fc1"].int().tolist() == [1, 0, 1, 1]
    tensors["encoder.layers.0.fc1.bias"] = torch.zeros(4)
    found = contributing(tensors, torch.tanh)
    assert found["encoder.layers.0.fc1"].int().tolist() == [1, 0, 0, 0]


def test_a_side_is_as_wide_as_its_widest_layer():
    used = {
        "encoder.layers.0.fc1": units("1000000000"),
        "encoder.layers.1.fc1": units("0101010000"),
        "decoder.layers.0.fc1": units("0000000011"),
    }
    cut = plan_cut([used], multiple=1)
    assert cut.before == {"encoder": 10, "decoder": 10}
    assert cut.after == {"encoder": 3, "decoder": 2}
    assert cut.kept["encoder.layers.1.fc1"].tolist() == [1, 3, 5]
    assert cut.options == {"encoder_ffn_embed_dim": 3, "decoder_ffn_embed_dim": 2}
    assert plan_cut([used], multiple=4).after == {"encoder": 4, "decoder": 4}


@pytest.mark.parametrize(
    "kept, multiple, width", [(0, 1, 1), (0, 8, 8), (8, 8, 8), (9, 8, 12), (12, 5, 12)]
)
def test_widths_are_rounded_up_but_never_grow(kept, multiple, width):
    used = {"encoder.layers.0.fc1": units("1" * kept + "0" * (12 - kept))}
    assert plan_cut([used], multiple).after == {"encoder": width}


def test_what_one_pair_uses_stays_for_all():
    site = "decoder.layers.0.fc1"
    cut = plan_cut([{site: units("10010")}, {site: units("00011")}], multiple=1)
    assert cut.kept[site].tolist() == [0, 3, 4]


def test_rows_and_columns_that_stay_keep_their_order():
    used = {
        "encoder.layers.0.fc1": units("0101"),
        "encoder.layers.1.fc1": units("1011"),
    }
    cut = plan_cut([used], multiple=1)
    first = torch.arange(1.0, 9).view(4, 2)
    name = "encoder.layers.0.fc"
    assert cut(f"{name}1.weight", first).tolist() == [[3, 4], [7, 8], [0, 0]]
    assert cut(f"{name}1.bias", torch.tensor([1, 2, 3, 4])).tolist() == [2, 4, 0]
    assert cut(f"{name}2.weight", first.t()).tolist() == [[3, 7, 0], [4, 8, 0]]
    assert cut(f"{name}1", units("0111")).tolist() == [True, True, False]
    for other in ("fc2.bias", "fc2", "final_layer_norm.weight", "self_attn.heads"):
        assert cut(f"encoder.layers.0.{other}", first) is first
    assert cut("decoder.layers.0.fc1.weight", first) is first


# -- the same outputs ------------------------------------------------------------


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_a_compacted_pair_computes_the_same(checkpoint, model, share):
    whole = exported(made(checkpoint), draw(model, "de-en", share))
    small, cut, difference = compacted_pair(made(whole))
    assert all(width < 64 for width in cut.after.values())
    assert difference < 1e-12
    outputs = [
        random_outputs(each["cfg"]["model"], each["model"], "")
        for each in (whole, small)
    ]
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-12)
    assert outputs[0].std() > 0.1
    models = [in_float(each) for each in (whole, small)]
    both = [log_probabilities(each) for each in models]
    torch.testing.assert_close(*both, rtol=0, atol=1e-5)


def in_float(state: dict) -> TransformerModel:
    dictionary = compaction.made_up_dictionary(
        len(state["model"]["encoder.embed_tokens.weight"])
    )
    task = Namespace(source_dictionary=dictionary, target_dictionary=dictionary)
    model = TransformerModel.build_model(Namespace(**state["cfg"]["model"]), task)
    model.load_state_dict(dict(state["model"]))
    return model.eval()


@torch.no_grad()
def log_probabilities(model: TransformerModel) -> torch.Tensor:
    tokens = torch.arange(4, 64).view(6, 10)  # (sentences, length)
    output = model(tokens, torch.full((6,), 10), tokens.flip(1))
    return model.get_normalized_probs(output, log_probs=True)


def test_the_matrices_are_smaller_and_the_rest_is_as_it_was(checkpoint, model):
    hidden = {
        layer: list(range(2 * number, 40, 2)) for number, layer in enumerate(LAYERS)
    }
    whole = exported(made(checkpoint), with_hidden("de-en", hidden))
    small, cut, _ = compacted_pair(made(whole), multiple=1)
    widths = {"encoder": 20, "decoder": 18}
    assert cut.after == widths
    removed = 2 * (2 * 32 + 1) * (64 - 20 + 64 - 18)
    counts = [
        sum(each.numel() for each in made(state).parameters.values())
        for state in (whole, small)
    ]
    assert counts[0] - counts[1] == removed
    for name, tensor in small["model"].items():
        if ".fc1." not in name and not name.endswith("fc2.weight"):
            assert tensor is whole["model"][name]
    for side, width in widths.items():
        assert small["cfg"]["model"][f"{side}_ffn_embed_dim"] == width
        assert whole["cfg"]["model"][f"{side}_ffn_embed_dim"] == 64
    rows, before = (
        state["model"]["encoder.layers.1.fc1.weight"] for state in (small, whole)
    )
    assert rows[:19].equal(before[hidden["encoder.layers.1"]])
    assert not rows[19:].any()


def of_weights(checkpoint: dict, key: str) -> Mask:
    """A mask of weights that leaves two units of each layer useless: of unit 3 there is
    no column of fc2, of unit 5 no row of fc1."""
    mask = random_mask(key, checkpoint["model"], ratio=0.3)
    kept = {site: mask.unpack(site) for site in mask.shapes}
    for layer in LAYERS:
        kept[f"{layer}.fc2.weight"][:, 3] = False
        kept[f"{layer}.fc1.weight"][5] = False
    return Mask.from_tensors(key, kept, mask.provenance)


@pytest.fixture
def negative(checkpoint) -> dict:
    """The checkpoint with biases of unit 5 that relu makes zero."""
    weights = {name: tensor.clone() for name, tensor in checkpoint["model"].items()}
    for layer in LAYERS:
        weights[f"{layer}.fc1.bias"][5] = -1.0
    return {**checkpoint, "model": weights}


def test_masks_of_weights_cut_units_that_they_leave_useless(negative):
    whole = exported(made(negative), of_weights(negative, "de-en"))
    _, cut, difference = compacted_pair(made(whole), multiple=1)
    assert cut.after == {"encoder": 62, "decoder": 62}
    assert all(not {3, 5} & set(kept.tolist()) for kept in cut.kept.values())
    assert difference < 1e-12


def test_masks_of_weights_are_cut_as_the_matrices_are(negative):
    masks = MaskSet(of_weights(negative, key) for key in PAIRS[:2])
    small, cut, difference = compacted_group(made(negative), masks, 1)
    assert cut.after == {"encoder": 62, "decoder": 62} and difference < 1e-12
    places = [number for number in range(64) if number not in (3, 5)]
    for key, mask in from_state(small["task_state"]["masks"]).items():
        for layer in LAYERS:
            first, second = (masks[key].unpack(f"{layer}.fc{n}.weight") for n in (1, 2))
            assert mask.unpack(f"{layer}.fc1.weight").equal(first[places])
            assert mask.unpack(f"{layer}.fc2.weight").equal(second[:, places])
        assert mask.provenance.ratio is None  # it was a share of larger matrices


def test_a_group_keeps_what_one_of_its_pairs_uses(checkpoint, model):
    masks = MaskSet(
        draw(model, key, 0.3, seed=number) for number, key in enumerate(PAIRS[:3])
    )
    small, cut, difference = compacted_group(made(checkpoint), masks, 1)
    assert difference < 1e-12
    left = from_state(small["task_state"]["masks"])
    assert list(left) == list(masks)
    shared = 0
    for site, places in cut.kept.items():
        wanted = torch.stack([mask.unpack(site) for mask in masks.values()])
        assert places.tolist() == wanted.any(dim=0).nonzero().squeeze(1).tolist()
        for key, mask in left.items():
            bits = mask.unpack(site)
            assert bits[: len(places)].equal(masks[key].unpack(site)[places])
            assert not bits[len(places) :].any()  # filled up with nothing
            shared += int(bits.sum() < len(places))
    assert shared  # units of another pair only: the masks are still needed
    for key, mask in left.items():
        assert mask.kept() == masks[key].kept()
        assert mask.provenance.note == "seed 1; compacted"
        assert mask.base.keys() == mask.shapes.keys()
        outputs = [
            random_outputs(options, baked(made(state), each), "")
            for options, state, each in (
                (vars(checkpoint["cfg"]["model"]), checkpoint, masks[key]),
                (vars(small["cfg"]["model"]), small, mask),
            )
        ]
        torch.testing.assert_close(*outputs, rtol=0, atol=1e-12)
    assert small["cfg"]["task"]["lang_pairs"] == ",".join(masks)
    assert checkpoint["cfg"]["model"].encoder_ffn_embed_dim == 64


# -- what is refused -------------------------------------------------------------


def test_a_wrong_cut_is_noticed(checkpoint, model, monkeypatch):
    whole = exported(made(checkpoint), draw(model, "de-en", 0.5))

    def without_one(*given):
        found = contributing(*given)
        for used in found.values():
            used[used.nonzero()[0]] = False
        return found

    monkeypatch.setattr(compaction, "contributing", without_one)
    with pytest.raises(LassError, match="compacted model of de-en differ by .*nothing"):
        compacted_pair(made(whole))


def test_outputs_are_compared_to_their_size():
    first = torch.tensor([100.0, -1.0])
    assert check_same(first, first + 1e-5, "de-en") == pytest.approx(1e-7, rel=0.2)
    assert check_same(torch.zeros(2), torch.zeros(2), "de-en") == 0.0
    with pytest.raises(LassError, match="de-en"):
        check_same(first, first + 200 * LIMIT, "de-en")
    with pytest.raises(LassError, match="de-en"):
        check_same(first, first * torch.nan, "de-en")


@pytest.mark.parametrize("name", utils.get_available_activation_fns())
def test_units_of_zeros_give_zeros(name):
    zeros = torch.zeros(3)
    assert activation_of({"activation_fn": name}, "joint.pt")(zeros).equal(zeros)


def test_other_activation_functions_are_named(monkeypatch):
    monkeypatch.setattr(utils, "get_activation_fn", lambda name: torch.sigmoid)
    with pytest.raises(
        LassError, match="joint.pt has .*function sigmoid, which is 0.5"
    ):
        activation_of({"activation_fn": "sigmoid"}, "joint.pt")
    monkeypatch.undo()
    for name in ("sigmoid", "swish"):  # fairseq builds no layer of these
        with pytest.raises(LassError, match=f"function {name}, which fairseq cannot"):
            activation_of({"activation_fn": name}, "joint.pt")


def test_a_checkpoint_of_a_search_is_refused(checkpoint, model):
    masks = MaskSet([draw(model, "de-en", 0.5)])
    checkpoint["cfg"]["task"]["_name"] = "translation_subnetwork_search"
    with pytest.raises(LassError, match="joint.pt was trained with --task .*_search;"):
        compacted_group(made(checkpoint), masks)
