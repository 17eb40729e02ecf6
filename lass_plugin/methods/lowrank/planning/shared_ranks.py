"""Ranks by demand under a budget of parameters (beyond Cao 2024).

    rank_i = clip(s · demand_i, least_i, most_i),   Σ_i cost_i · rank_i = budget

The common factor s is found exactly; the whole ranks below these come first, and what
is left of the budget goes, a rank each, to the largest remainders that still fit.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Sequence

from lass_plugin.errors import LassError


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
        return [_clip(claim, factor * claim.demand) for claim in claims]

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


def _clip(claim: Claim, rank: Fraction) -> Fraction:
    return min(max(rank, Fraction(claim.least)), Fraction(claim.most))
