"""Whether languages with more data demand less (Cao 2024, App. C, Tables 9 and 10)."""

from typing import Any

import numpy as np

from lass_plugin.errors import LassError
from lass_plugin.methods.lowrank.estimation.data_amounts import Amounts
from lass_plugin.methods.lowrank.estimation.demand_maps import Cells

AVERAGE = "AVG"
LEAST = 3
"""Two points always lie on a line."""


def common(cells: Cells, amounts: Amounts) -> list[str]:
    """The languages with both a score and an amount of data."""
    return [language for language in cells.languages if language in amounts.sizes]


def correlate(cells: Cells, amounts: Amounts) -> dict[str, Any]:
    """Pearson's r between the amount of data and the score, and its p-value.

    The score of a language is the mean over the layers; ``AVG`` is that of the mean
    over the kinds of matrices.

    Returns:
        ``sizes``: language -> amount; ``of``: what these are; ``sides``: side -> kind
        or ``AVG`` -> ``r`` and ``p``, null where one of the two does not vary.

    Raises:
        LassError: fewer than three languages have an amount.
    """
    languages = common(cells, amounts)
    if len(languages) < LEAST:
        raise LassError(
            f"a correlation needs {LEAST} languages with {amounts.described}, but "
            f"{len(languages)} of {', '.join(cells.languages)} have any; give --sizes"
        )
    rows = [cells.languages.index(language) for language in languages]
    sizes = np.array([amounts.sizes[language] for language in languages])
    table = cells.by_language()
    sides: dict[str, dict[str, Any]] = {}
    for side, kinds in table.columns.items():
        columns = dict(zip(kinds, table.values[side].T, strict=True))
        columns[AVERAGE] = table.average(side)
        sides[side] = {kind: pearson(sizes, v[rows]) for kind, v in columns.items()}
    return {
        "of": amounts.described,
        "score": "share of #B" if cells.share else "Eq. 6",
        "sizes": dict(zip(languages, sizes.tolist(), strict=True)),
        "sides": sides,
    }


def pearson(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """``n``, ``r`` and the two-sided ``p``, where both are known.

    Null where there are fewer than three, or where one of the two is always the same.
    """
    from scipy.stats import pearsonr

    there = ~(np.isnan(x) | np.isnan(y))
    x, y = x[there], y[there]
    if len(x) < LEAST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return {"n": len(x), "r": None, "p": None}
    found = pearsonr(x, y)
    return {"n": len(x), "r": float(found.statistic), "p": float(found.pvalue)}
