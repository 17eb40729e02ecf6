"""Gradual pruning of low-rank modules (Cao 2024, §3.2, Eq. 4) on hand-made models."""

import logging
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from low_rank_models import HIDDEN, RANKS, WIDTH, equipped, stretches
from torch import nn
from torch.nn.utils import prune

from lass_plugin.errors import LassError
from lass_plugin.masks.packing import unpack
from lass_plugin.methods.lowrank.modules import LowRankLinear
from lass_plugin.methods.lowrank.planning.placement import Placement
from lass_plugin.methods.lowrank.pruning import (
    LANGUAGE,
    LAYER,
    MATRIX,
    Pruner,
    PruningPlan,
)
from lass_plugin.methods.routing import Chosen
from lass_plugin.training.stretches import Stretch


def pruner(model: nn.Module, group: str, ratio: float | dict = 0.7, **more) -> Pruner:
    ratios = dict.fromkeys(RANKS, ratio) if isinstance(ratio, float) else ratio
    return Pruner(model, PruningPlan(group, ratios, **more))


def once(group: str, ratio: float | dict, model: nn.Module) -> Pruner:
    """Pruned in one step: E = 0, k = 1."""
    found = pruner(model, group, ratio, start=0, length=1)
    found.prune(1, stretches(model))
    return found


def kept(site) -> torch.Tensor:
    return unpack(site.kept, tuple(site.parameter.shape))


# -- groups ---------------------------------------------------------------------------


def test_each_matrix_is_a_group_of_its_own_and_has_A_too():
    model, _ = equipped()
    groups = pruner(model, MATRIX).groups()
    assert len(groups) == 6 * len(RANKS) * 2
    assert all(
        [site.name for site in sites] == [name] for name, sites in groups.items()
    )
    assert {site.factor for sites in groups.values() for site in sites} == {"A", "B"}


def test_the_B_of_all_languages_in_a_layer_are_a_group():
    model, _ = equipped()
    groups = pruner(model, LAYER).groups()
    assert set(groups) == {"encoder.layers.0", "encoder.layers.1", "decoder.layers.0"}
    assert sorted(site.name for site in groups["encoder.layers.1"]) == sorted(
        f"encoder.layers.1.{matrix}.lslo_target.B.{language}"
        for matrix in ("fc1", "fc2")
        for language in RANKS
    )


def test_the_B_of_a_language_in_all_matrices_are_a_group():
    model, _ = equipped()
    groups = pruner(model, LANGUAGE).groups()
    assert set(groups) == set(RANKS)
    assert sorted(site.name for site in groups["nl"]) == sorted(
        f"{layer}.{matrix}.lslo_{index}.B.nl"
        for layer, index in (
            ("encoder.layers.0", "source"),
            ("encoder.layers.1", "target"),
            ("decoder.layers.0", "target"),
        )
        for matrix in ("fc1", "fc2")
    )


def test_both_indices_of_a_layer_compete_in_weight_learning():
    model, _ = equipped(Placement(("both", "both"), ("both",)))
    sites = pruner(model, LAYER).groups()["encoder.layers.0"]
    assert {site.module.index for site in sites} == {"source", "target"}
    assert len(sites) == 2 * 2 * len(RANKS)


def test_a_language_of_ratio_0_is_in_no_group_and_keeps_all():
    model, _ = equipped()
    found = once(LANGUAGE, {"de": 0.5, "en": 0.0, "nl": 0.5}, model)
    assert set(found.groups()) == {"de", "nl"}
    buffers = dict(model.named_buffers())
    assert not any(name.endswith("_en") for name in buffers) and buffers


# -- the schedule ---------------------------------------------------------------------


@pytest.mark.parametrize("target", [0.7, 0.9, 0.1])
def test_the_ratio_of_every_epoch_is_that_of_equation_4(target):
    plan = PruningPlan(LAYER, {"de": target})
    assert (plan.start, plan.length) == (2, 8)  # Table 7
    for epoch in range(1, 16):
        if epoch <= 2:
            expected = Fraction(0)
        elif epoch <= 10:
            expected = Fraction(1) - (1 - Fraction(epoch - 2, 8)) ** 3
        else:
            expected = Fraction(1)
        assert plan.ratio("de", epoch) == pytest.approx(target * float(expected))
    assert plan.ratio("de", 6) == target * 7 / 8
    assert [plan.ratio("de", epoch) for epoch in (1, 2)] == [0.0, 0.0]
    assert {plan.ratio("de", epoch) for epoch in (10, 11, 15, 99)} == {target}


def test_every_epoch_prunes_exactly_to_its_ratio_and_what_is_pruned_stays():
    model, _ = equipped()
    found, places = pruner(model, LAYER), stretches(model)
    before = {site.name: kept(site) for site in found.sites}
    for epoch in range(1, 13):
        for site in found.sites:  # training moves what stays, some of it close to 0
            with torch.no_grad():
                moved = torch.randn_like(site.parameter) * kept(site)
                site.parameter.copy_(moved)
        found.prune(epoch, places)
        for name, sites in found.groups().items():
            units = sum(site.units for site in sites)
            ratio = found.plan.ratio("de", epoch)
            assert sum(site.pruned for site in sites) == round(ratio * units), name
        for site in found.sites:
            now = kept(site)
            assert not (now & ~before[site.name]).any()
            assert (site.parameter[~now] == 0).all()
            assert (site.parameter[now] != 0).all()
            before[site.name] = now
    assert sum(site.pruned for site in found.groups()["encoder.layers.0"]) == round(
        0.7 * 6 * 16
    )


def test_pruning_twice_in_an_epoch_changes_nothing():
    model, _ = equipped()
    found = once(LANGUAGE, 0.6, model)
    before = [site.kept.clone() for site in found.sites]
    found.prune(1, stretches(model))
    assert all(
        torch.equal(site.kept, old)
        for site, old in zip(found.sites, before, strict=True)
    )


# -- what is selected -----------------------------------------------------------------


@settings(max_examples=40)
@given(
    ratio=st.floats(0.01, 0.99),
    group=st.sampled_from([MATRIX, LAYER, LANGUAGE]),
    seed=st.integers(0, 1000),
)
def test_exact_counts_and_the_lowest_index_of_ties(ratio, group, seed):
    model, _ = equipped()
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if ".lslo_" in name:
            values = torch.randint(-2, 3, parameter.shape, generator=generator)
            parameter.data.copy_(values)
    found = pruner(model, group, ratio, start=0, length=1)
    magnitudes = {s.name: s.parameter.detach().abs().reshape(-1) for s in found.sites}
    found.prune(1, stretches(model))
    for sites in found.groups().values():
        scores = [score for site in sites for score in magnitudes[site.name].tolist()]
        order = sorted(range(len(scores)), key=lambda place: (scores[place], place))
        gone = set(order[: round(ratio * len(scores))])
        stays = torch.cat([kept(site).reshape(-1) for site in sites]).tolist()
        assert stays == [place not in gone for place in range(len(scores))]


def test_one_step_agrees_with_l1_unstructured_of_pytorch():
    model, _ = equipped()
    originals = {n: p.detach().clone() for n, p in model.named_parameters()}
    found = once(MATRIX, 0.45, model)
    for site in found.sites:
        reference = nn.Module()
        reference.weight = nn.Parameter(originals[site.name])
        prune.l1_unstructured(reference, "weight", amount=round(0.45 * site.units))
        assert torch.equal(kept(site), reference.weight_mask.bool()), site.name
        assert torch.equal(site.parameter, reference.weight)


@pytest.mark.parametrize("group", [LAYER, LANGUAGE])
def test_one_step_agrees_with_global_unstructured_of_pytorch(group):
    model, _ = equipped()
    originals = {n: p.detach().clone() for n, p in model.named_parameters()}
    found = once(group, 0.7, model)
    for sites in found.groups().values():
        references = []
        for site in sites:
            references.append(nn.Module())
            references[-1].weight = nn.Parameter(originals[site.name])
        prune.global_unstructured(
            [(reference, "weight") for reference in references],
            pruning_method=prune.L1Unstructured,
            amount=0.7,
        )
        for site, reference in zip(sites, references, strict=True):
            assert torch.equal(kept(site), reference.weight_mask.bool()), site.name


def test_other_groups_and_factors_are_left_alone():
    model, _ = equipped()
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    once(LANGUAGE, {"de": 0.5, "en": 0.0, "nl": 0.0}, model)
    for name, parameter in model.named_parameters():
        if not name.endswith(".B.de"):
            assert torch.equal(parameter, before[name]), name


# -- afterwards -----------------------------------------------------------------------


def test_what_is_pruned_has_no_gradient():
    model, _ = equipped()
    found = once(LAYER, 0.5, model)
    languages = Chosen.of(["de"])
    model.routing.choose(languages, languages)
    model.encoder.layers[0].fc1(torch.randn(3, 2, WIDTH)).square().sum().backward()
    site = next(s for s in found.sites if s.name.endswith("0.fc1.lslo_source.B.de"))
    gradient = site.parameter.grad
    assert (gradient[~kept(site)] == 0).all() and (gradient[kept(site)] != 0).all()


def test_what_may_move_is_what_was_kept_of_the_sites_asked_for():
    model, _ = equipped()
    found = once(LANGUAGE, 0.5, model)
    site = found.sites[3]
    movable = found.movable({site.name, "something else"})
    assert list(movable) == [site.name] and torch.equal(movable[site.name], site.kept)


def test_a_module_pruned_altogether_is_told_and_leaves_the_base(caplog):
    model, _ = equipped()
    linear = model.encoder.layers[0].fc1
    assert isinstance(linear, LowRankLinear)
    with torch.no_grad():
        linear.lslo_source.B["nl"].mul_(1e-4)
    languages = Chosen.of(["nl"])
    model.routing.choose(languages, languages)
    x = torch.randn(3, 2, WIDTH)
    base = nn.functional.linear(x, linear.weight, linear.bias)
    assert not torch.equal(linear(x), base)
    found = pruner(model, LAYER, 0.5, start=0, length=1)
    with caplog.at_level(logging.WARNING):
        found.prune(1, stretches(model))
        found.prune(2, stretches(model))
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "encoder.layers.0.fc1.lslo_source.B.nl is pruned altogether: beside "
        "encoder.layers.0.fc1 nl has the base alone from now on"
    ]
    assert torch.equal(linear(x), base)
    assert torch.equal(linear.lslo_source.delta("nl"), torch.zeros(HIDDEN, WIDTH))


def test_the_copy_that_an_optimizer_steps_on_is_pruned_too():
    model, _ = equipped()
    found = pruner(model, MATRIX, 0.5, start=0, length=1)
    copies = {
        site.name: Stretch(site.parameter.detach().double().reshape(-1), 0, site.units)
        for site in found.sites
    }
    found.prune(1, copies)
    for site in found.sites:
        assert (copies[site.name].value == 0).sum() == site.pruned > 0
        assert torch.equal(copies[site.name].value != 0, kept(site).reshape(-1))


# -- mistakes -------------------------------------------------------------------------


def test_nan_is_an_error_that_names_the_group():
    model, _ = equipped()
    with torch.no_grad():
        model.encoder.layers[1].fc2.lslo_target.B["de"][0, 0] = float("nan")
    with pytest.raises(
        LassError, match="module of encoder.layers.1 is NaN.*lower --lr"
    ):
        once(LAYER, 0.5, model)


@pytest.mark.parametrize(
    "group, ratios, more, said",
    [
        (
            "head",
            {"de": 0.5},
            {},
            "unknown group of pruning 'head'; choose from matrix",
        ),
        (LAYER, {"de": 1.0}, {}, "the pruning ratio of de 1.0 is outside"),
        (LAYER, {"de": 0.5, "en": 0.6}, {}, "compete, so all have one ratio"),
        (MATRIX, {"de": 0.5}, {"length": 0}, "after 2 epochs and last 0"),
        (MATRIX, {"de": 0.5}, {"start": -1}, "after -1 epochs"),
    ],
)
def test_impossible_plans_are_refused(group, ratios, more, said):
    with pytest.raises(LassError, match=said):
        PruningPlan(group, ratios, **more)


def test_a_training_that_ends_too_early_is_refused():
    plan = PruningPlan(LAYER, {"de": 0.5})
    plan.check_length(10)
    plan.check_length(0)  # open
    with pytest.raises(LassError, match="its ratio in epoch 10, but.*ends after 9"):
        plan.check_length(9)


def test_nothing_to_prune_is_refused():
    model, _ = equipped()
    with pytest.raises(LassError, match="no low-rank module has a pruning ratio above"):
        pruner(model, LANGUAGE, {"de": 0.0, "fr": 0.5})


def test_a_plan_survives_its_dictionary():
    plan = PruningPlan(LANGUAGE, {"de": 0.5, "en": 0.25}, 3, 4)
    assert PruningPlan.from_dict(plan.to_dict()) == plan
