"""Every kind of training in two real processes: begun from a base, killed, resumed."""

from signal import SIGKILL

import pytest
import torch
from conftest import LSLO_FLAGS, NEW, PAIRS, load
from forked import ForkedCommands
from runs import Run, differences, train_by_two

from lass_plugin.anatomy.neurons import UNITS
from lass_plugin.masks import MaskSet, Provenance, save_masks
from lass_plugin.masks.neurons import neuron_mask
from lass_plugin.neurons.recording import find_neurons

LENGTH = ("--max-update", 8, "--save-interval-updates", 4, "--no-epoch-checkpoints")
LENGTH += ("--keep-interval-updates", 1, "--disable-validation")
BACKENDS = ("legacy_ddp", "pytorch_ddp")
SEARCH = (
    *("--task", "translation_subnetwork_search", "--lang-pairs", "de-en,en-nl"),
    *("--pruning-criterion", "gradient", "--pruning-schedule", "gradual"),
    *("--pruning-ratio", 0.5, "--pruning-start", 1, "--pruning-ramp", 2),
    *("--pruning-interval", 2),
)


@pytest.fixture
def neurons(data, tmp_path):
    """A folder of random masks of neurons for each pair."""
    generator = torch.Generator().manual_seed(4)
    units = find_neurons(Run(data).model, UNITS)
    drawn = {
        key: {
            name: torch.rand(unit.neurons, generator=generator) < 0.7
            for name, unit in units.items()
        }
        for key in PAIRS
    }
    folder = tmp_path / "neurons"
    origin = Provenance("random", 0.3)
    save_masks(
        folder,
        MaskSet(neuron_mask(key, kept, origin) for key, kept in drawn.items()),
    )
    return folder


@pytest.fixture
def kinds(base, masks, neurons, grown):
    """Kind of training -> its flags."""
    tuned = ("--finetune-from-model", base)
    return {
        "base": (),
        "fine-tuned": tuned,
        "joint": (*tuned, "--masks", masks),
        "neurons": (*tuned, "--masks", neurons),
        "search": (*SEARCH, *tuned),
        "low-rank": (*LSLO_FLAGS, "--base", base),
        "extension": (
            *("--lang-pairs", ",".join(NEW), "--finetune-from-model"),
            *(grown / "extended.pt", "--extend", grown / "extended.pt"),
            *("--masks", grown / "masks"),
        ),
    }


KINDS = ("base", "fine-tuned", "joint", "neurons", "search", "low-rank", "extension")
QUICK = [("joint", "legacy_ddp")]


@pytest.mark.parametrize(
    ("kind", "backend"),
    [
        pytest.param(
            *(kind, backend),
            marks=() if (kind, backend) in QUICK else pytest.mark.slow,
        )
        for kind in KINDS
        for backend in BACKENDS
    ],
)
def test_a_killed_training_goes_on(forked, kinds, grown, tmp_path, kind, backend):
    if kind == "extension":
        forked = ForkedCommands(grown / "data", tmp_path)
    flags = (*kinds[kind], *LENGTH)
    if (kind, backend) == ("low-rank", "pytorch_ddp"):
        flags += ("--find-unused-parameters",)
    train_by_two(forked, tmp_path / "whole", *flags, backend=backend)
    dead = train_by_two(
        *(forked, tmp_path / "killed", *flags),
        **{"backend": backend, "prepare": ("die_at_update", 6), "check": False},
    )
    assert {each.returncode for each in dead} == {-SIGKILL}, dead[0].stderr[-3000:]
    train_by_two(forked, tmp_path / "killed", *flags, backend=backend)
    whole, killed = (
        load(tmp_path / name / "checkpoint_last.pt") for name in ("whole", "killed")
    )
    assert differences(whole, killed) == []
