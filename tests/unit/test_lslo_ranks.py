"""Ranks under a budget, from demands."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lass_plugin.anatomy.matrices import Matrix
from lass_plugin.errors import LassError
from lass_plugin.methods.lowrank.estimation.demands import Demand, Estimate
from lass_plugin.methods.lowrank.planning.placement import Placement
from lass_plugin.methods.lowrank.planning.plan import (
    LowRankPlan,
    count_parameters,
    read_plan,
    write_plan,
)
from lass_plugin.methods.lowrank.planning.planned_ranks import (
    Claim,
    chosen_matrices,
    placed_otherwise,
    plan_ranks,
    share_ranks,
    uniform_cost,
)
from lass_plugin.methods.lowrank.pruning import LANGUAGE, LAYER, MATRIX, PruningPlan


def claim(demand, cost=10, least=0, most=100) -> Claim:
    return Claim(Fraction(demand), cost, least, most)


# -- sharing a budget -----------------------------------------------------------------


@pytest.mark.parametrize(
    "claims, budget, ranks",
    [
        # as many as the budget gives, in proportion
        ([claim(1), claim(3)], 80, [2, 6]),
        # s = 1.5: 1.5 and 4.5; the first of equal remainders gets the last rank
        ([claim(1), claim(3)], 60, [2, 4]),
        # s = 2.1: 2.1, 4.2, 2.1 and a rank left, which the second gets
        ([claim(1), claim(2), claim(1)], 84, [2, 4, 2]),
        ([claim(1), claim(2), claim(1)], 90, [2, 5, 2]),
        # what a rank costs does not change the proportion
        ([claim(1, cost=10), claim(1, cost=30)], 120, [3, 3]),
        # 3.375 each, 15 left: too little for the second
        ([claim(1, cost=10), claim(1, cost=30)], 135, [4, 3]),
        # the largest remainder does not fit, the next does
        ([claim(Fraction(19, 10), 30), claim(Fraction(15, 10), 10)], 69, [1, 2]),
        # bounds: what the first cannot take goes to the others
        ([claim(8, most=2), claim(1), claim(1)], 100, [2, 4, 4]),
        ([claim(0, least=1), claim(1, least=1), claim(9, least=1)], 120, [1, 1, 10]),
        # more than all can take
        ([claim(1, most=2), claim(0)], 10**9, [2, 0]),
        ([claim(0), claim(0)], 100, [0, 0]),
    ],
)
def test_budgets_shared_by_hand(claims, budget, ranks):
    assert share_ranks(claims, budget) == ranks


CLAIMS = st.lists(
    st.builds(
        lambda demand, cost, least, more: Claim(demand, cost, least, least + more),
        st.fractions(0, 64, max_denominator=4096),
        st.integers(1, 6000),
        st.integers(0, 3),
        st.integers(0, 40),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=150)
@given(claims=CLAIMS, more=st.integers(0, 10**6))
def test_never_above_the_budget_and_within_the_bounds(claims, more):
    budget = sum(c.cost * c.least for c in claims) + more
    ranks = share_ranks(claims, budget)
    spent = sum(c.cost * rank for c, rank in zip(claims, ranks, strict=True))
    assert spent <= budget
    for each, rank in zip(claims, ranks, strict=True):
        assert type(rank) is int and each.least <= rank <= each.most
        if not each.demand:
            assert rank == each.least
    assert share_ranks(claims, budget) == ranks
    # all could have what they can, or less is left than what was rounded down costs
    full = [c.most if c.demand else c.least for c in claims]
    if ranks != full:
        assert budget - spent < max(c.cost for c in claims)


@settings(max_examples=150)
@given(
    demands=st.lists(
        st.fractions(0, 64, max_denominator=4096), min_size=2, max_size=30
    ),
    budget=st.integers(0, 5000),
    most=st.integers(1, 30),
)
def test_who_demands_more_never_gets_less(demands, budget, most):
    claims = [Claim(demand, 7, 0, most) for demand in demands]
    # others of another cost compete for the same budget
    claims += [Claim(demand, 19, 0, most) for demand in demands[::2]]
    ranks = share_ranks(claims, budget)
    for group in (range(len(demands)), range(len(demands), len(claims))):
        ordered = sorted(group, key=lambda n: (claims[n].demand, ranks[n]))
        of_group = [ranks[n] for n in ordered]
        assert of_group == sorted(of_group)


@settings(max_examples=100)
@given(claims=CLAIMS, rank=st.integers(1, 8))
def test_equal_demands_of_a_whole_rank_get_it(claims, rank):
    """As many parameters as a uniform rank, and nobody demands more: that rank."""
    equal = [Claim(Fraction(5, 3), c.cost, 0, 50) for c in claims]
    budget = rank * sum(c.cost for c in equal)
    assert share_ranks(equal, budget) == [rank] * len(equal)


@settings(max_examples=100)
@given(
    claims=CLAIMS, factor=st.fractions(Fraction(1, 50), 50), more=st.integers(0, 10**5)
)
def test_only_the_proportions_of_demands_matter(claims, factor, more):
    budget = sum(c.cost * c.least for c in claims) + more
    scaled = [Claim(c.demand * factor, c.cost, c.least, c.most) for c in claims]
    assert share_ranks(claims, budget) == share_ranks(scaled, budget)


def test_least_ranks_above_the_budget_are_refused():
    with pytest.raises(LassError, match="cost 20 parameters, more than .* of 19"):
        share_ranks([claim(1, least=1), claim(2, least=1)], 19)


# -- plans ----------------------------------------------------------------------------

PLACEMENT = Placement(("source",), ("target",))
SHAPES = {
    "encoder.layers.0.self_attn.q_proj": (8, 8),
    "encoder.layers.0.fc1": (32, 8),
    "decoder.layers.0.fc2": (8, 32),
}
KINDS = {"q_proj": "q", "fc1": "fc1", "fc2": "fc2"}


def made(shares, group=LAYER, placement=PLACEMENT, rank=4) -> Estimate:
    """An estimate in which this share of B was kept: (matrix, language) -> share."""
    matrices = {
        name: Matrix(name, name[:7], 0, KINDS[name.rpartition(".")[2]], *shape)
        for name, shape in SHAPES.items()
    }
    languages = sorted({language for _, language in shares})
    ranks = {name: {**dict.fromkeys(languages, rank), "zz": 0} for name in SHAPES}
    demands = []
    for (name, language), share in shares.items():
        matrix = matrices[name]
        for number, index in enumerate(placement.indices(matrix.side, matrix.layer)):
            units = matrix.outputs * rank
            kept = round(units * share * (1 + number))  # of a second index, twice it
            demands.append(Demand(matrix, index, language, rank, units - kept, 0.7))
    pruning = PruningPlan(group, dict.fromkeys(languages, 0.7), 0, 1)
    plan = LowRankPlan(placement, ranks, alpha=8.0, dropout=0.1, seed=5)
    return Estimate(plan, pruning, tuple(demands), 1, "made.pt", "00000000")


def equal(share=0.25, **more) -> Estimate:
    return made({(n, each): share for n in SHAPES for each in ("de", "wo")}, **more)


def test_the_same_share_kept_is_worth_the_same_rank_everywhere(tmp_path):
    """fc1 kept four times the weights of q, and gets the same rank."""
    found = equal()
    matrices = chosen_matrices(found)
    budget = uniform_cost(found, matrices, 3)
    assert budget == 3 * (16 + 40 + 40) * 2
    plan = plan_ranks(found, matrices, budget)
    assert {r for ranks in plan.ranks.values() for r in ranks.values()} == {3, 0}
    assert all(ranks["zz"] == 0 for ranks in plan.ranks.values())  # it had no module
    assert count_parameters(plan, matrices) == budget
    assert (plan.alpha, plan.dropout, plan.seed) == (8.0, 0.1, 5)
    assert plan.placement == PLACEMENT
    write_plan(tmp_path / "plan.json", plan)
    assert read_plan(tmp_path / "plan.json") == plan


def test_ranks_in_proportion_to_what_was_kept():
    names = list(SHAPES)
    found = made(
        {
            (names[0], "de"): 0.25,
            (names[0], "wo"): 0.75,
            (names[1], "de"): 0.5,
            (names[1], "wo"): 0.5,
            (names[2], "de"): 0.0,
            (names[2], "wo"): 1.0,
        }
    )
    # ranks' worth 1, 3 | 2, 2 | 0, 4: at s = 1 they cost 4·16 + 4·40 + 4·40
    plan = plan_ranks(found, chosen_matrices(found), 384)
    assert plan.ranks == {
        names[0]: {"de": 1, "wo": 3, "zz": 0},
        names[1]: {"de": 2, "wo": 2, "zz": 0},
        names[2]: {"de": 0, "wo": 4, "zz": 0},
    }
    # means 1 and 3, a rank costs 96
    by_language = plan_ranks(found, chosen_matrices(found), 385, by="language")
    assert all(r == {"de": 1, "wo": 3, "zz": 0} for r in by_language.ranks.values())
    few = chosen_matrices(found, ["fc1", "fc2"])
    assert list(few) == names[1:]
    plan = plan_ranks(found, few, 320, least=1, most=3)
    assert plan.ranks[names[2]] == {"de": 1, "wo": 3, "zz": 0}


@settings(max_examples=60)
@given(
    shares=st.lists(st.floats(0, 0.5), min_size=6, max_size=6),
    budget=st.integers(200, 3000),
    by=st.sampled_from(["module", "language"]),
)
def test_plans_stay_under_their_budget(shares, budget, by):
    places = [(name, language) for name in SHAPES for language in ("de", "wo")]
    found = made(dict(zip(places, shares, strict=True)))
    if not any(each.worth for each in found.demands):
        return
    matrices = chosen_matrices(found)
    plan = plan_ranks(found, matrices, budget, by=by)
    assert count_parameters(plan, matrices) <= budget
    assert plan_ranks(found, matrices, budget, by=by) == plan
    plan.check_model(matrices)
    for name in SHAPES if by == "module" else ():
        worth = {
            each.language: each.worth
            for each in found.demands
            if each.matrix.name == name
        }
        if worth["de"] > worth["wo"]:
            assert plan.ranks[name]["de"] >= plan.ranks[name]["wo"]


def test_no_rank_is_above_what_a_matrix_has():
    found = equal()
    plan = plan_ranks(found, chosen_matrices(found), 10**9)
    assert {r for ranks in plan.ranks.values() for r in ranks.values()} == {8, 0}


def test_of_two_tried_indices_the_one_of_the_placement_counts():
    found = equal(placement=Placement(("both",), ("both",)))
    matrices = chosen_matrices(found)
    with pytest.raises(LassError, match="decide it with 'lass lslo placement'"):
        plan_ranks(found, matrices, 1000)
    # by target twice as much was kept: in the decoder that is worth twice the rank
    plan = plan_ranks(found, matrices, 2 * (16 + 40 + 2 * 40), PLACEMENT)
    assert [ranks["de"] for ranks in plan.ranks.values()] == [1, 1, 2]
    assert placed_otherwise(found, PLACEMENT) == []


def test_layers_that_were_estimated_under_another_index_are_known():
    other = Placement(("target",), ("target",))
    assert placed_otherwise(equal(), other) == ["encoder layer 0"]
    found = equal()
    plan = plan_ranks(found, chosen_matrices(found), 1000, other)
    assert plan.placement == other


@pytest.mark.parametrize(
    "more, said",
    [
        ({"budget": 10}, "a budget of 10 parameters gives nobody a rank"),
        ({"budget": 10, "least": 1}, "the least ranks cost 192 parameters"),
        ({"least": 3, "most": 2}, "ranks cannot be from 3 to 2"),
        ({"least": -1}, "ranks cannot be from -1 to None"),
        ({"most": 0}, "ranks cannot be from 0 to 0"),
        ({"least": 9}, "--least 9 is above 8, the size of encoder.layers.0.self_attn"),
    ],
)
def test_what_cannot_be_planned(more, said):
    found = equal()
    with pytest.raises(LassError, match=said):
        plan_ranks(found, chosen_matrices(found), **{"budget": 1000, **more})


def test_a_pruning_within_each_matrix_tells_no_ranks():
    found = equal(group=MATRIX)
    with pytest.raises(LassError, match="tells no demands; estimate with"):
        plan_ranks(found, chosen_matrices(found), 1000)


def test_a_pruning_within_each_language_ranks_no_languages():
    found = equal(group=LANGUAGE)
    with pytest.raises(LassError, match="ranks no languages; plan --by module"):
        plan_ranks(found, chosen_matrices(found), 1000, by="language")
    assert plan_ranks(found, chosen_matrices(found), 1000).languages


def test_a_matrix_that_was_not_estimated_is_named():
    with pytest.raises(LassError, match="has no matrix 'c-q' \\(it has q, fc1, fc2"):
        chosen_matrices(equal(), ["fc1", "c-q"])
