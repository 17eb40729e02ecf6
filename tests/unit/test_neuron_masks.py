"""Neuron masks stand for the weights of their neurons."""

import itertools

import pytest
import torch
from conftest import PAIRS
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import Run, same_bits

from lass_plugin.anatomy.neurons import DEFAULT_UNITS, UNITS, parse_units, unit_of
from lass_plugin.errors import LassError
from lass_plugin.masks import MaskSet, Provenance, load_masks, save_masks
from lass_plugin.masks.file import from_state, to_state
from lass_plugin.masks.fingerprint import fingerprint
from lass_plugin.masks.neurons import base_of, check_fit, neuron_mask, weight_masks
from lass_plugin.methods.subnetworks.joint import masked_weights
from lass_plugin.neurons.recording import find_neurons

MADE = Provenance("taylor", None)


def draw(sites, keys, share=0.4, seed=1) -> MaskSet:
    generator = torch.Generator().manual_seed(seed)
    return MaskSet(
        neuron_mask(
            key,
            {
                name: torch.rand(count, generator=generator) >= share
                for name, count in sites.items()
            },
            MADE,
        )
        for key in keys
    )


def counts_of(model, units=DEFAULT_UNITS) -> dict[str, int]:
    return {name: site.neurons for name, site in find_neurons(model, units).items()}


def test_a_layer_by_hand():
    tensors = {
        "encoder.layers.0.fc1.weight": torch.zeros(3, 2),
        "encoder.layers.0.fc1.bias": torch.zeros(3),
        "encoder.layers.0.fc2.weight": torch.zeros(2, 3),
        "encoder.layers.0.fc2.bias": torch.zeros(2),
    }
    neurons = {
        "encoder.layers.0.fc1": torch.tensor([True, False, True]),
        "encoder.layers.0.fc2": torch.tensor([True, False]),
    }
    masks = MaskSet([neuron_mask("de-en", neurons, MADE)])
    weights = weight_masks(masks, tensors)["de-en"]
    assert weights.unpack("encoder.layers.0.fc1.weight").int().tolist() == [
        *([1, 1], [0, 0], [1, 1])
    ]
    assert weights.unpack("encoder.layers.0.fc1.bias").int().tolist() == [1, 0, 1]
    # kept where both the hidden and the output unit are
    assert weights.unpack("encoder.layers.0.fc2.weight").int().tolist() == [
        *([1, 0, 1], [0, 0, 0])
    ]
    assert weights.unpack("encoder.layers.0.fc2.bias").int().tolist() == [1, 0]


def test_a_head_owns_its_rows_and_its_columns():
    place = "decoder.layers.1.encoder_attn"
    tensors = {
        f"{place}.{name}_proj.{kind}": torch.zeros(
            *(4, 4)[: 2 if kind == "weight" else 1]
        )
        for name, kind in itertools.product("qkv", ("weight", "bias"))
    }
    tensors[f"{place}.out_proj.weight"] = torch.zeros(4, 4)
    neurons = {f"{place}.heads": torch.tensor([False, True])}
    weights = weight_masks(MaskSet([neuron_mask("a-b", neurons, MADE)]), tensors)["a-b"]
    rows = [[0] * 4, [0] * 4, [1] * 4, [1] * 4]
    for name in "qkv":
        assert weights.unpack(f"{place}.{name}_proj.weight").int().tolist() == rows
        assert weights.unpack(f"{place}.{name}_proj.bias").int().tolist() == [
            0,
            0,
            1,
            1,
        ]
    columns = torch.tensor(rows).t().tolist()
    assert weights.unpack(f"{place}.out_proj.weight").int().tolist() == columns


def test_masks_of_weights_stay_as_they_are(data):
    from runs import random_masks

    run = Run(data)
    masks = random_masks(run.sites, PAIRS)
    assert weight_masks(masks, run.sites) is masks


@settings(max_examples=20)
@given(st.integers(0, 2**16), st.floats(0.0, 0.9))
def test_every_weight_is_kept_where_all_its_owners_are(seed, share):
    counts = {"encoder.layers.0.fc1": 5, "encoder.layers.0.fc2": 3}
    tensors = {
        "encoder.layers.0.fc1.weight": torch.zeros(5, 3),
        "encoder.layers.0.fc1.bias": torch.zeros(5),
        "encoder.layers.0.fc2.weight": torch.zeros(3, 5),
        "encoder.layers.0.fc2.bias": torch.zeros(3),
    }
    masks = draw(counts, ["a-b"], share, seed)
    hidden, output = (masks["a-b"].unpack(site) for site in counts)
    weights = weight_masks(masks, tensors)["a-b"]
    second = weights.unpack("encoder.layers.0.fc2.weight")
    for row, column in itertools.product(range(3), range(5)):
        assert bool(second[row, column]) == bool(output[row] and hidden[column])


@pytest.mark.parametrize("units", [DEFAULT_UNITS, ("heads",), tuple(UNITS)])
def test_removed_neurons_give_exact_zeros(data, units):
    """The model under the mask computes what it computes with the outputs of the
    removed neurons set to zero, forward and backward."""
    run = Run(data)
    run.model.eval()
    sites = find_neurons(run.model, units)
    masks = draw(counts_of(run.model, units), ["de-en"])
    batch = run.batch("de-en")
    for parameter in run.model.parameters():  # biases begin as zeros, which hides them
        torch.nn.init.normal_(parameter, std=0.3)

    def loss_of() -> torch.Tensor:
        run.model.zero_grad()
        output = run.model(**batch["net_input"])
        loss = run.model.get_normalized_probs(output, log_probs=True).logsumexp(1).sum()
        loss = loss + output[0].pow(2).mean()
        loss.backward()
        return loss.detach()

    weights = masked_weights(run.model, masks)
    with weights.applied("de-en"):
        under_mask = loss_of()
        gradients = run.gradients()

    handles = []

    def zero(site):
        keep = masks["de-en"].unpack(site.name).repeat_interleave(site.run)

        def before(module, inputs):
            assert inputs[0].shape[-1] == len(keep)
            return (inputs[0] * keep, *inputs[1:])

        def after(module, inputs, output):
            if isinstance(output, tuple):
                return (output[0] * keep, *output[1:])
            return output * keep

        if site.is_input:
            handles.append(site.module.register_forward_pre_hook(before))
        else:
            handles.append(site.module.register_forward_hook(after))

    for site in sites.values():
        zero(site)
    for module in run.model.modules():
        if hasattr(module, "skip_embed_dim_check"):
            module.skip_embed_dim_check = True
    torch.testing.assert_close(loss_of(), under_mask)
    kept = weight_masks(masks, dict(run.model.named_parameters()))["de-en"]
    for name, gradient in run.gradients().items():
        expected = gradient
        if name in kept.shapes:
            expected = gradient * kept.unpack(name)
        torch.testing.assert_close(gradients[name], expected, atol=1e-5, rtol=1e-4)


def test_outputs_of_removed_neurons_are_zero_to_the_bit(data):
    run = Run(data)
    run.model.eval()
    masks = draw(counts_of(run.model), ["de-en"])
    seen = {}
    for name, site in find_neurons(run.model, DEFAULT_UNITS).items():

        def look(module, inputs, output=None, name=name, site=site):
            value = inputs[0] if site.is_input else output
            seen[name] = value[0] if isinstance(value, tuple) else value

        if site.is_input:
            site.module.register_forward_pre_hook(look)
        else:
            site.module.register_forward_hook(look)
    with masked_weights(run.model, masks).applied("de-en"), torch.no_grad():
        run.model(**run.batch("de-en")["net_input"])
    for name, value in seen.items():
        removed = value[..., ~masks["de-en"].unpack(name)]
        assert removed.numel() and not removed.count_nonzero(), name


def test_one_bit_a_neuron_on_disk_and_in_a_checkpoint(data, tmp_path):
    masks = draw(counts_of(Run(data).model), PAIRS)
    save_masks(tmp_path, masks)
    again = load_masks(tmp_path)
    for key, mask in masks.items():
        assert again[key].shapes == mask.shapes
        assert all(same_bits(again[key].bits[s], mask.bits[s]) for s in mask.bits)
    bits = sum(
        b.numel() for m in from_state(to_state(masks)).values() for b in m.bits.values()
    )
    assert bits == len(PAIRS) * sum(-(-n // 8) for (n,) in masks.shapes.values())


def test_the_base_is_known_by_the_first_matrix_of_each_site(data):
    run = Run(data)
    parameters = dict(run.model.named_parameters())
    shapes = {name: (count,) for name, count in counts_of(run.model).items()}
    base = base_of(shapes, parameters)
    fc1 = fingerprint({"x": parameters["encoder.layers.0.fc1.weight"]})["x"]
    assert base["encoder.layers.0.fc1"] == fc1
    assert base.keys() == shapes.keys()


def test_masks_of_another_model(data):
    parameters = dict(Run(data).model.named_parameters())
    other = {"encoder.layers.0.fc1": 63}
    with pytest.raises(LassError, match="63 neurons for encoder.layers.0.fc1.*64"):
        check_fit(draw(other, ["de-en"]), parameters, "the model")
    deeper = {"encoder.layers.7.fc1": 64}
    with pytest.raises(
        LassError, match="encoder.layers.7.fc1.weight the model does not"
    ):
        check_fit(draw(deeper, ["de-en"]), parameters, "the model")


def test_units_are_read(data):
    assert parse_units("heads, ffn-hidden") == ("ffn-hidden", "heads")
    with pytest.raises(
        LassError, match="unknown unit 'fc3'; choose from attention-out"
    ):
        parse_units("fc3")
    assert unit_of("encoder.layers.0.fc1.weight") is None
    with pytest.raises(ValueError, match="no row of neurons"):
        neuron_mask("a-b", {"encoder.layers.0.fc1.weight": torch.ones(2).bool()}, MADE)
