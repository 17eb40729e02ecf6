"""Law 5 for neurons. What belongs to neurons outside an update's masks does not move:
rows, biases, and columns of the matrix that reads them; nor do the moments of these."""

import pytest
import torch
from conftest import PAIRS
from runs import same_bits

from lass_plugin.anatomy.neurons import UNITS
from lass_plugin.masks import MaskSet, Provenance, load_masks, save_masks
from lass_plugin.masks.neurons import neuron_mask, weight_masks
from lass_plugin.masks.packing import unpack
from lass_plugin.neurons.recording import find_neurons
from lass_plugin.training.stretches import find_stretches, torch_optimizer


@pytest.fixture
def neurons(start, tmp_path):
    """Write random neuron masks of every kind of unit; their folder."""
    generator = torch.Generator().manual_seed(4)
    sites = find_neurons(start().model, UNITS)
    save_masks(
        tmp_path / "masks",
        MaskSet(
            neuron_mask(
                key,
                {
                    name: torch.rand(site.neurons, generator=generator) < 0.7
                    for name, site in sites.items()
                },
                Provenance("taylor", None),
            )
            for key in PAIRS
        ),
    )
    return tmp_path / "masks"


def snapshot(run, names) -> dict[str, dict[str, torch.Tensor]]:
    parameters = {n: p for n, p in run.model.named_parameters() if n in names}
    stretches = find_stretches(run.optimizer, parameters)
    inner = torch_optimizer(run.optimizer)
    return {
        name: {
            "model": parameters[name].detach().view(-1).clone(),
            "optimizer": stretch.value.clone(),
            **{key: state.clone() for key, state in stretch.state(inner).items()},
        }
        for name, stretch in stretches.items()
    }


def check(run, folder) -> None:
    masks = weight_masks(load_masks(folder), dict(run.model.named_parameters()))
    for key in ("de-en", "en-nl") * 2:
        run.update(key)
    for keys in (("de-en",), ("en-nl",), ("en-nl", "de-en")):
        before = snapshot(run, masks.shapes)
        assert before["encoder.layers.0.fc1.bias"].keys() > {"model", "optimizer"}
        run.update(*keys)
        after, union = snapshot(run, masks.shapes), masks.union(keys)
        moved = 0
        for name, old in before.items():
            keep = unpack(union[name], (old["model"].numel(),))
            for kind, value in after[name].items():
                assert same_bits(value[~keep], old[kind][~keep]), (name, kind)
                moved += int((value[keep] != old[kind][keep]).sum())
        held = sum(
            int((~unpack(bits, masks.shapes[n])).sum()) for n, bits in union.items()
        )
        assert moved > 10_000 and held > 5_000


@pytest.mark.parametrize("optimizer", ["strict_adam", "adam", "adagrad"])
def test_neurons_of_other_pairs_stand_still(start, neurons, optimizer):
    flags = ("--optimizer", optimizer, "--weight-decay", 0.01)
    check(start("--masks", neurons, *flags), neurons)


PRECISIONS = {
    "flat fp16": ("--fp16",),
    "fp16 by matrix": ("--fp16", "--fp16-no-flatten-grads"),
    "bf16 autocast": ("--bf16-autocast",),
}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_in_reduced_precision(start, neurons, half_precision_on_cpu, precision):
    flags = ("--weight-decay", 0.01, *PRECISIONS[precision])
    check(start("--masks", neurons, *flags), neurons)
