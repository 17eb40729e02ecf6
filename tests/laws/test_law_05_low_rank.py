"""Law 5 for low-rank modules: the base, other languages and what is pruned stand still.

In every precision and optimizer, weight decay and momentum included.
"""

import pytest
import torch
from runs import same_bits

from lass_plugin.masks.packing import unpack
from lass_plugin.methods.frozen_linear import as_given
from lass_plugin.methods.lowrank.attaching import low_rank_modules

PRUNED = ("--lslo-pruning", "matrix", "--lslo-pruning-ratio", "de=0.5,en=0.5,nl=0")
PRUNED += ("--lslo-pruning-start", 0, "--lslo-pruning-length", 1)


@pytest.fixture
def lslo(start, base):
    """Start a run of low-rank modules from the base, on one pair each way."""

    def build(*flags):
        task = ("--task", "translation_lslo", "--base", base, "--lslo-ranks", "3")
        return start(*task, "--weight-decay", 0.01, *flags)

    return build


def base_weights(run) -> dict[str, torch.Tensor]:
    as_given(run.model)
    return {
        name: parameter.detach().clone()
        for name, parameter in run.model.named_parameters()
        if "lslo" not in name
    }


def check(run) -> None:
    """Warm all moments; then update single pairs and both."""
    weights = base_weights(run)
    for number in range(2):
        run.update(run.batch("de-en", number))
        run.update(run.batch("en-nl", number))
    plan = run.task.method.plan
    assert plan.placement.encoder == ("source", "source")
    for number, keys in enumerate([("de-en",), ("en-nl",), ("de-en", "en-nl")]):
        before = run.of_keys()
        run.update(*(run.batch(key, 3 + number) for key in keys))
        after = run.of_keys()
        taking = {("source", key.split("-")[0]) for key in keys} | {
            ("target", key.split("-")[1]) for key in keys
        }
        moved = still = 0
        for matrix, module in low_rank_modules(run.model):
            for language in module.languages:
                for factor in "AB":
                    name = f"{matrix}.lslo_{module.index}.{factor}.{language}"
                    old, new = before[name], after[name]
                    if (module.index, language) in taking:
                        moved += int((old["model"] != new["model"]).sum())
                        continue
                    for kind, value in new.items():
                        was = old.get(kind, torch.zeros_like(value))
                        assert same_bits(value, was), (name, kind, keys)
                    still += 1
        assert moved > 500 and still > 10
    for name, value in base_weights(run).items():
        assert same_bits(value, weights[name]), name


OPTIMIZERS = {
    "strict_adam": (),
    "adam": (),
    "sgd": ("--momentum", 0.9),
    "adagrad": (),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_modules_of_other_languages_stand_still(lslo, optimizer):
    flags = ("--optimizer", optimizer, *OPTIMIZERS[optimizer])
    check(lslo("--lslo-placement", "source", *flags))


PRECISIONS = {
    "flat fp16": ("--fp16",),
    "fp16 by matrix": ("--fp16", "--fp16-no-flatten-grads"),
    "bf16 autocast": ("--bf16-autocast",),
}


@pytest.mark.parametrize("optimizer", ["strict_adam", "adam"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_in_reduced_precision(lslo, half_precision_on_cpu, precision, optimizer):
    flags = ("--optimizer", optimizer, *PRECISIONS[precision])
    check(lslo("--lslo-placement", "source", *flags))


@pytest.mark.parametrize("precision", [None, *PRECISIONS])
def test_what_is_pruned_is_zero_and_stays_so(lslo, half_precision_on_cpu, precision):
    run = lslo(*PRUNED, *PRECISIONS.get(precision, ()))
    run.update(run.batch("de-en"))
    run.update(run.batch("nl-en"))
    states = []
    for number in range(3):
        run.update(run.batch("de-en", 1 + number), run.batch("en-nl", 1 + number))
        states.append(run.of_keys())
    pruned = 0
    for site in run.task.method._pruner.sites:
        removed = ~unpack(site.kept, (site.units,))
        assert int(removed.sum()) == round(0.5 * site.units)
        for state in states:
            for kind in ("model", "optimizer"):
                assert (state[site.name][kind][removed] == 0).all(), (site.name, kind)
        for kind, first in states[0][site.name].items():
            last = states[-1][site.name][kind]
            assert same_bits(first[removed], last[removed]), (site.name, kind)
        pruned += int(removed.sum())
    assert pruned > 1000
    assert not [site for site in run.task.method._pruner.sites if site.language == "nl"]


def test_gradients_of_what_is_pruned_do_not_count(lslo):
    """Else they would make clipping hold the others back."""
    run = lslo(*PRUNED)
    run.update(run.batch("de-en"))
    run.backward(run.batch("de-en", 1))
    for site in run.task.method._pruner.sites:
        if site.parameter.grad is not None:
            removed = ~unpack(site.kept, site.parameter.shape)
            assert (site.parameter.grad[removed] == 0).all()
