"""A plan with individual ranks, from an estimate of demands (beyond Cao 2024).

A module demands the rank that what was kept of its B would fill, kept / outputs: the B
of fc1 has four times the rows of others, but a module of which the same share was kept
is worth the same rank there. What a rank costs counts against the budget only:

    rank_i = clip(s · demand_i, least_i, most_i),   Σ_i cost_i · rank_i = budget

The common factor s is found exactly; the whole ranks below these come first, and what
is left of the budget goes, a rank each, to the largest remainders that still fit.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Mapping, Sequence

from lass_plugin.anatomy.matrices import Matrix
from lass_plugin.errors import LassError
from lass_plugin.methods.lowrank.estimation.demands import Estimate
from lass_plugin.methods.lowrank.planning.budget import LANGUAGE, MODULE
from lass_plugin.methods.lowrank.planning.placement import BOTH, Placement
from lass_plugin.methods.lowrank.planning.plan import LowRankPlan
from lass_plugin.methods.lowrank.pruning import LANGUAGE as BY_LANGUAGE


@dataclass(frozen=True)
class Claim:
    """What one module, or all of one language, asks of the budget."""

    demand: Fraction
    """In ranks, 0 or more."""
    cost: int
    """Parameters that a rank takes."""
    least: int
    most: int


def share_ranks(claims: Sequence[Claim], budget: int) -> list[int]:
    """The rank of each of *claims*.

    Together they never cost more than *budget*. Of claims of the same cost and bounds
    the one that demands more never gets less; equal ones are served in their order.
    What remains of the budget is less than any rank costs that was rounded down.

    Raises:
        LassError: even the least ranks cost more.
    """
    lowest = sum(claim.cost * claim.least for claim in claims)
    if lowest > budget:
        raise LassError(
            f"the least ranks cost {lowest:,} parameters, more than the budget of "
            f"{budget:,}; lower --least, or raise the budget"
        )
    exact = _exact(claims, budget)
    ranks = [rank.numerator // rank.denominator for rank in exact]
    rest = budget - sum(c.cost * rank for c, rank in zip(claims, ranks, strict=True))
    remainders = [value - rank for value, rank in zip(exact, ranks, strict=True)]
    for number in sorted(range(len(claims)), key=lambda n: (-remainders[n], n)):
        if remainders[number] and claims[number].cost <= rest:
            ranks[number] += 1
            rest -= claims[number].cost
    return ranks


def _exact(claims: Sequence[Claim], budget: int) -> list[Fraction]:
    """The ranks at the factor s that spends the budget, not yet whole."""

    def at(factor: Fraction) -> list[Fraction]:
        bounds = ((Fraction(c.least), Fraction(c.most)) for c in claims)
        asked = (factor * c.demand for c in claims)
        return [min(max(r, a), b) for r, (a, b) in zip(asked, bounds, strict=True)]

    def cost(factor: Fraction) -> Fraction:
        pairs = zip(claims, at(factor), strict=True)
        return sum((claim.cost * rank for claim, rank in pairs), Fraction(0))

    asking = [claim for claim in claims if claim.demand]
    bends = {bound / c.demand for c in asking for bound in (c.least, c.most)}
    factors = sorted({Fraction(0), *bends})
    if cost(factors[-1]) <= budget:
        return at(factors[-1])
    low, high = 0, len(factors) - 1  # cost(low) <= budget < cost(high)
    while high - low > 1:
        middle = (low + high) // 2
        if cost(factors[middle]) <= budget:
            low = middle
        else:
            high = middle
    below, above = cost(factors[low]), cost(factors[high])
    part = (budget - below) / (above - below)  # the cost is linear in between
    return at(factors[low] + part * (factors[high] - factors[low]))


def chosen_matrices(
    estimate: Estimate, kinds: Sequence[str] | None = None
) -> dict[str, Matrix]:
    """The estimated matrices of *kinds*, of all kinds by default.

    Raises:
        LassError: a kind was not estimated.
    """
    found = {each.matrix.name: each.matrix for each in estimate.demands}
    for kind in kinds or ():
        if all(matrix.kind != kind for matrix in found.values()):
            there = dict.fromkeys(matrix.kind for matrix in found.values())
            raise LassError(
                f"the estimate has no matrix '{kind}' (it has {', '.join(there)}); "
                "leave it out, or estimate with it"
            )
    return {
        name: matrix
        for name, matrix in found.items()
        if kinds is None or matrix.kind in kinds
    }


def uniform_cost(estimate: Estimate, matrices: Mapping[str, Matrix], rank: int) -> int:
    """The parameters of modules of one *rank* for all languages beside *matrices*."""
    units = sum(matrix.units for matrix in matrices.values())
    return rank * units * len(estimate.languages)


def plan_ranks(
    estimate: Estimate,
    matrices: Mapping[str, Matrix],
    budget: int,
    placement: Placement | None = None,
    *,
    by: str = MODULE,
    least: int = 0,
    most: int | None = None,
) -> LowRankPlan:
    """Ranks in proportion to the demands, under *budget* parameters.

    Args:
        matrices: those that modules are to stand beside.
        placement: None for that of the estimate.
        by: see :data:`.budget.BY`.
        least, most: bounds of every rank; the smaller side of a matrix bounds it too.

    Raises:
        LassError: what is to be told apart did not compete, the placement is not
            decided, or the bounds and the budget contradict each other.
    """
    if not estimate.compared:
        raise LassError(
            "the estimate is of a pruning within each matrix, which takes the same "
            "share of all, so it tells no demands; estimate with --lslo-pruning layer "
            "or language"
        )
    if by == LANGUAGE and estimate.pruning.group == BY_LANGUAGE:
        raise LassError(
            "the estimate is of a pruning within each language, which takes the same "
            "share of all, so it ranks no languages; plan --by module, or estimate "
            "with --lslo-pruning layer"
        )
    placement = placement or estimate.plan.placement
    if placement.learns:
        raise LassError(
            "the placement still tries source and target in a layer; decide it with "
            "'lass lslo placement' and give --placement"
        )
    if least < 0 or (most is not None and most < max(1, least)):
        raise LassError(
            f"ranks cannot be from {least} to {most}; --least is 0 or more, --most at "
            "least 1 and not below it"
        )
    worth = _worth(estimate, matrices, placement)
    sharing = [[name] for name in matrices] if by == MODULE else [list(matrices)]
    claims: dict[tuple[str, str], Claim] = {}
    for language in estimate.languages:
        for names in sharing:
            demands = [worth.get((name, language), Fraction(0)) for name in names]
            claims[names[0], language] = Claim(
                sum(demands, Fraction(0)) / len(names),
                sum(matrices[name].units for name in names),
                least,
                min(_top(matrices[name], least, most) for name in names),
            )
    ranks = dict(zip(claims, share_ranks(list(claims.values()), budget), strict=True))
    if not any(ranks.values()):
        raise LassError(
            f"a budget of {budget:,} parameters gives nobody a rank; raise it"
        )
    plan = estimate.plan
    return replace(
        plan,
        placement=placement,
        ranks={
            name: {each: ranks.get((names[0], each), 0) for each in plan.languages}
            for names in sharing
            for name in names
        },
    )


def _top(matrix: Matrix, least: int, most: int | None) -> int:
    """The highest rank beside *matrix*."""
    side = matrix.highest_rank
    if least > side:
        raise LassError(
            f"--least {least} is above {side}, the size of {matrix.name}; lower it"
        )
    return side if most is None else min(most, side)


def _worth(
    estimate: Estimate, matrices: Mapping[str, Matrix], placement: Placement
) -> dict[tuple[str, str], Fraction]:
    """Matrix and language -> rank's worth; of two tried indices that of *placement*."""
    found = {}
    for each in estimate.demands:
        matrix = each.matrix
        tried = estimate.plan.placement.of(matrix.side, matrix.layer) == BOTH
        index = placement.of(matrix.side, matrix.layer)
        if matrix.name in matrices and (not tried or each.index == index):
            found[matrix.name, each.language] = each.worth
    return found


def placed_otherwise(estimate: Estimate, placement: Placement) -> list[str]:
    """The layers whose demands were measured under another index."""
    places = {(each.matrix.side, each.matrix.layer) for each in estimate.demands}
    return [
        f"{side} layer {layer}"
        for side, layer in sorted(places)
        if estimate.plan.placement.of(side, layer)
        not in (BOTH, placement.of(side, layer))
    ]
