"""The equations of Li 2022 against hand-worked values, slow loops and simulation."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lass_plugin.errors import LassError
from lass_plugin.language_families import LI_2022, MISSING_FAMILY
from lass_plugin.methods.gates import dynamic, penalties
from lass_plugin.methods.gates.beginning import prior_of
from lass_plugin.methods.gates.components import Components
from lass_plugin.methods.gates.hard_concrete import PRINTED, HardConcrete
from lass_plugin.methods.gates.ranking import (
    activation_sizes,
    keep_most_important,
    ranked,
)

SIDE = "encoder.sentence_encoder"
HEADS, FC1 = f"{SIDE}.layers.0.self_attn.heads", f"{SIDE}.layers.0.fc1"
RANKS = f"{SIDE}.embed_tokens"
SMALL = Components({HEADS: 2, FC1: 4, RANKS: 3}, {HEADS: 2})
"""Two heads that weigh 8 each, four units of 2, three ranks of 1."""


def test_components_weigh_what_appendix_b_says():
    assert SMALL.weights().tolist() == [8, 8, 2, 2, 2, 2, 1, 1, 1]
    of_xlmr = Components({HEADS: 12}, {HEADS: 64})
    assert of_xlmr.weight(HEADS) == 64 * 4
    assert SMALL.counted().tolist() == [True] * 6 + [False] * 3


def test_the_sparsity_of_the_encoder_by_hand_with_and_without_ranks():
    gates = {
        HEADS: torch.tensor([0.0, 1.0]),
        FC1: torch.tensor([1.0, 0.0, 0.25, 0.0]),  # a fraction keeps its unit
        RANKS: torch.tensor([0.0, 0.0, 1.0]),
    }
    assert SMALL.sparsity(gates) == pytest.approx((8 + 4) / 24)
    assert SMALL.sparsity(gates, embeddings=True) == pytest.approx((8 + 4 + 2) / 27)


def test_split_undoes_joined():
    values = torch.randn(5, SMALL.total)
    assert torch.equal(SMALL.joined(SMALL.split(values)), values)
    assert dict(SMALL.slices())[FC1] == slice(2, 6)


@pytest.mark.parametrize("alpha", [-2.0, 0.0, 1.0])
def test_the_probability_of_an_open_gate_is_that_of_a_simulation(alpha):
    gate = HardConcrete()
    drawn = gate.sample(
        torch.full((400_000,), alpha),
        torch.rand(400_000, generator=torch.Generator().manual_seed(3)),
    )
    simulated = float((drawn > 0).float().mean())
    exact = float(gate.open_probability(torch.tensor(alpha)))
    assert exact == pytest.approx(simulated, abs=3e-3)


def test_equation_9_as_printed_is_right_at_a_temperature_of_one_only():
    zero = torch.tensor(0.0)
    assert float(HardConcrete().open_probability(zero)) == pytest.approx(
        0.832, abs=1e-3
    )
    printed = float(HardConcrete().open_probability(zero, PRINTED))
    assert printed == pytest.approx(11 / 12)
    one = HardConcrete(beta=1.0)
    assert torch.equal(one.open_probability(zero), one.open_probability(zero, PRINTED))


def test_a_gate_by_hand():
    gate = HardConcrete()
    u, alpha = 0.3, 0.4
    s = 1 / (1 + math.exp(-(math.log(u / (1 - u)) + alpha) / (2 / 3)))
    by_hand = min(1.0, max(0.0, s * 1.2 - 0.1))
    sampled = gate.sample(torch.tensor(alpha), torch.tensor(u))
    assert float(sampled) == pytest.approx(by_hand, abs=1e-6)
    s = 1 / (1 + math.exp(-alpha))  # no noise and no temperature at inference
    assert float(gate.value(torch.tensor(alpha))) == pytest.approx(s * 1.2 - 0.1)


def test_gates_at_inference_close_and_open_where_the_inverse_says():
    gate = HardConcrete()
    assert gate.closes_at == pytest.approx(math.log((0.1 / 1.2) / (1 - 0.1 / 1.2)))
    ends = torch.tensor([gate.closes_at, gate.opens_at], dtype=torch.float64)
    assert gate.value(ends).tolist() == pytest.approx([0.0, 1.0], abs=1e-12)
    inside = gate.value(ends + torch.tensor([1e-3, -1e-3]))
    assert 0.0 < inside[0] < 0.01 and 0.99 < inside[1] < 1.0


def test_extreme_draws_give_numbers():
    gate = HardConcrete()
    alpha = torch.tensor([3.0, -3.0], requires_grad=True)
    drawn = gate.sample(alpha, torch.tensor([0.0, 1.0]))
    drawn.sum().backward()
    assert torch.isfinite(drawn).all() and torch.isfinite(alpha.grad).all()


def test_a_temperature_or_a_stretch_that_is_none_is_refused():
    for wrong in ({"left": 0.0}, {"right": 1.0}, {"beta": 0.0}):
        with pytest.raises(ValueError):
            HardConcrete(**wrong)


def probabilities(languages: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(languages)
    return torch.rand(languages, SMALL.total, generator=generator, dtype=torch.float64)


def test_the_penalties_of_size_against_a_slow_loop():
    p, w = probabilities(3), SMALL.weights() * SMALL.counted()
    shares = []
    for row in p.tolist():
        products = [a * b for a, b in zip(row, w.tolist(), strict=True)]
        shares.append(sum(products) / 24)
    assert float(penalties.native(p, w)) == pytest.approx(sum(shares))
    loop = sum(abs(share - 0.5) for share in shares)
    assert float(penalties.constraint(p, w, 0.5)) == pytest.approx(loop)


def test_a_size_is_a_share():
    w = SMALL.weights()
    assert float(penalties.size(torch.ones(1, 9, dtype=torch.float64), w)) == 1.0


def test_diversity_against_a_slow_loop():
    gates = probabilities(4)
    prior = torch.tensor(
        [[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]], dtype=torch.float64
    )
    loop, plain, weighted = 0.0, 0.0, 0.0
    w = SMALL.weights()
    for i in range(4):
        for j in range(4):
            if i != j:
                common = sum(float(gates[i, c] * gates[j, c]) for c in range(9))
                plain += common
                loop += common * float(prior[i, j])
                weighted += float((gates[i] * gates[j] * w).sum() / w.sum())
    assert float(penalties.diversity(gates)) == pytest.approx(plain)
    assert float(penalties.diversity(gates, prior)) == pytest.approx(loop)
    assert float(penalties.diversity(gates, None, w)) == pytest.approx(weighted / 3)


@pytest.mark.parametrize("languages", [2, 12, 100])
def test_unrelated_languages_cannot_be_pulled_off_their_size(languages):
    """With the paper's factors (8 and 1) the constraint is the stronger pull."""
    gates = torch.ones(languages, SMALL.total, dtype=torch.float64, requires_grad=True)
    weights = SMALL.weights().double()
    penalties.diversity(gates, None, weights).backward()
    pull = gates.grad.max(dim=0).values
    gates.grad = None
    penalties.constraint(gates, weights, 0.5).backward()
    assert (pull <= 2 * gates.grad.min(dim=0).values + 1e-12).all()


def test_the_families_are_those_of_table_4_and_missing_is_none():
    assert len(LI_2022) == 100
    assert len(set(LI_2022.values()) - {MISSING_FAMILY}) == 15
    prior = penalties.family_prior(["de", "en", "fi", "fa", "lv"], LI_2022)
    assert prior.tolist() == [
        [0, 0, 1, 1, 1],
        [0, 0, 1, 1, 1],
        [1, 1, 0, 1, 1],
        [1, 1, 1, 0, 1],  # no family is known of Persian or Latvian
        [1, 1, 1, 1, 0],
    ]
    with pytest.raises(LassError, match="tlh"):
        penalties.family_prior(["de", "tlh"], LI_2022)


def test_keys_are_languages_or_pairs_by_their_families():
    # a bare zh is in no row of Table 4, but both of its forms are of one family
    prior = prior_of("li2022", ["en", "de", "zh", "tr"])
    assert prior.tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0]]
    assert prior_of("li2022", ["zh-Hans", "zh-Hant"]).tolist() == [[0, 0], [0, 0]]
    pairs = prior_of("li2022", ["de-en", "fr-en", "en-zh", "en-zh_TW", "en-tr"])
    related = [[0, 0, 1, 1, 1], [0, 0, 1, 1, 1], [1, 1, 0, 0, 1], [1, 1, 0, 0, 1]]
    assert pairs.tolist() == [*related, [1, 1, 1, 1, 0]]
    for keys in (["en", "tlh"], ["en-tlh", "en-de"]):
        with pytest.raises(LassError, match="no family of the language tlh is known"):
            prior_of("li2022", keys)


IMPORTANCE = {
    HEADS: torch.tensor([5.0, 1.0]),
    FC1: torch.tensor([0.5, 4.0, 2.0, 0.1]),
    RANKS: torch.tensor([0.3, 3.0, 9.0]),
}


def test_the_least_important_go_by_hand():
    # by importance: unit 3, rank 0, unit 0, head 1, unit 2, rank 1, unit 1, head 0
    gates = keep_most_important(SMALL, IMPORTANCE, 0.5)  # 2 + 2 + 8 of 24
    assert gates[HEADS].tolist() == [1, 0]
    assert gates[FC1].tolist() == [0, 1, 1, 0]
    assert gates[RANKS].tolist() == [0, 1, 1]
    assert SMALL.sparsity(gates) == 0.5
    for sparsity in (0.0, 0.04):
        assert all(
            bool(g.all())
            for g in keep_most_important(SMALL, IMPORTANCE, sparsity).values()
        )
    # 2 + 2 is nearer to .3 · 24 = 7.2 than 12 is
    assert SMALL.sparsity(keep_most_important(SMALL, IMPORTANCE, 0.3)) == pytest.approx(
        4 / 24
    )


def test_of_equal_ones_the_first_go():
    even = {site: torch.ones(n) for site, n in SMALL.counts.items()}
    gates = keep_most_important(SMALL, even, 1 / 3)
    assert gates[HEADS].tolist() == [0, 1] and bool(gates[FC1].all())


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 5), min_size=9, max_size=9),
    st.floats(0.0, 0.99),
)
def test_selection_is_a_prefix_of_the_ranking_and_nearest(values, sparsity):
    importance = SMALL.split(torch.tensor(values, dtype=torch.float64))
    gates = SMALL.joined(keep_most_important(SMALL, importance, sparsity))
    order = ranked(SMALL, importance)
    assert sorted(order.tolist(), key=lambda i: (values[i], i)) == order.tolist()
    closed = gates.numpy()[order] == 0
    assert not np.any(closed[1:] & ~closed[:-1])  # a prefix
    weights = (SMALL.weights() * SMALL.counted()).numpy()[order]
    distances = np.abs(np.concatenate([[0], np.cumsum(weights)]) - sparsity * 24)
    mine = abs(weights[closed].sum() - sparsity * 24)
    assert mine == pytest.approx(distances.min())


def test_a_sparsity_that_is_none_and_importance_that_is_none_are_refused():
    for wrong in (-0.1, 1.0, float("nan")):
        with pytest.raises(LassError, match="sparsity"):
            keep_most_important(SMALL, IMPORTANCE, wrong)
    broken = {**IMPORTANCE, FC1: torch.tensor([0.5, float("nan"), 2.0, 0.1])}
    with pytest.raises(LassError, match="not finite"):
        keep_most_important(SMALL, broken, 0.5)


def test_sizes_at_which_components_come_by_hand():
    sizes = activation_sizes(SMALL, IMPORTANCE)
    assert sizes[HEADS].tolist() == pytest.approx([8 / 24, 20 / 24])
    assert sizes[FC1].tolist() == pytest.approx([22 / 24, 10 / 24, 12 / 24, 1.0])
    assert sizes[RANKS].tolist() == pytest.approx([22 / 24, 10 / 24, 0.0])


def test_equation_16_solves_equation_15():
    gate = HardConcrete()
    size = torch.tensor([0.2, 0.5, 1.0], dtype=torch.float64)
    share = torch.tensor([0.1, 0.01, 0.2], dtype=torch.float64)
    alpha, theta = dynamic.solve(size, share, gate)
    assert gate.value(alpha + size * theta).tolist() == pytest.approx([1.0] * 3)
    closed = gate.value(alpha + (size - share) * theta)
    assert closed.tolist() == pytest.approx([0.0] * 3, abs=1e-12)


def test_the_stable_form_is_equation_16_at_rounded_sizes():
    gate = HardConcrete()
    slopes = dynamic.slopes_of(SMALL, IMPORTANCE, dynamic.TENTHS, gate)
    share = (SMALL.weights() / SMALL.weights().sum()).clamp(max=0.1)
    alpha, theta = dynamic.solve(slopes.sizes.double(), share, gate)
    assert torch.allclose(slopes.slopes.double(), theta, rtol=1e-4)
    for size in dynamic.TENTHS:
        mine = slopes.arguments(size).double()
        assert torch.allclose(mine, alpha + size * theta, rtol=1e-4, atol=1e-3)


def test_a_size_is_rounded_up_to_the_range_that_it_is_in():
    sizes = torch.tensor([0.0, 0.05, 0.1, 0.1001, 0.95, 1.0], dtype=torch.float64)
    rounded = dynamic.rounded_up(sizes, dynamic.TENTHS).tolist()
    assert rounded == pytest.approx([0.0, 0.1, 0.1, 0.2, 1.0, 1.0])
    with pytest.raises(ValueError):
        dynamic.rounded_up(sizes, (0.0, 0.5))


def test_gates_of_a_size_are_zero_or_one_nested_and_no_larger_than_it():
    gate = HardConcrete()
    slopes = dynamic.slopes_of(SMALL, IMPORTANCE, dynamic.TENTHS, gate)
    before = torch.zeros(SMALL.total)
    for size in dynamic.TENTHS:
        gates = gate.value(slopes.arguments(size))
        assert torch.all((gates == 1) | (gates == 0))
        assert torch.all((gates != 0) >= (before != 0))
        assert SMALL.sparsity(SMALL.split(gates)) >= 1 - size - 1e-9
        before = gates
    assert torch.all(before != 0)


def test_a_sparsity_has_to_be_one_of_those_that_gates_were_made_for():
    assert dynamic.size_of(0.7, dynamic.TENTHS, "--sparsity") == pytest.approx(0.3)
    assert dynamic.size_of(0.0, dynamic.TENTHS, "--sparsity") == 1.0
    with pytest.raises(LassError, match="--sparsity 0.55 .* 0.5, 0.6"):
        dynamic.size_of(0.55, dynamic.TENTHS, "--sparsity")


def test_every_size_is_drawn():
    torch.manual_seed(0)
    drawn = {dynamic.draw_size(dynamic.TENTHS) for _ in range(300)}
    assert drawn == set(dynamic.TENTHS[1:])
