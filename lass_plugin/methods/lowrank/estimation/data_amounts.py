"""How much data each language has, and whether those with more demand less (Cao 2024,
App. C, Tables 9 and 10)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

import numpy as np

from lass_plugin.data.amounts import parse_count, read_sizes
from lass_plugin.data.parallel_text import read_lines
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, hub_of
from lass_plugin.methods.lowrank.estimation.demand_maps import Cells
from lass_plugin.resource_types import flores_bitext

FLORES = "sentence pairs with English (FLORES-101)"


@dataclass(frozen=True)
class Amounts:
    """Sentence pairs of each language."""

    sizes: Mapping[str, float]
    described: str
    """What they count."""


def flores_amounts() -> Amounts:
    """The amounts of the paper, English left out."""
    return Amounts(flores_bitext(), FLORES)


def parse_amounts(text: str) -> Amounts:
    """Read ``de=1000,fr=2M``, a file, or a folder that 'lass prepare' made.

    A file has a line ``LANGUAGE NUMBER`` or ``PAIR NUMBER`` for each, or is a JSON of
    pairs. Where the numbers are of pairs, a language has those of its pair with the
    language that most pairs have (English in an English-centric set).

    Raises:
        LassError: none of these.
    """
    path = Path(text)
    if "=" in text and not path.exists():
        items = [item.partition("=") for item in text.split(",") if item.strip()]
        entries = [(code.strip(), size) for code, _, size in items]
        return Amounts(_sizes(entries, "--sizes"), "sentence pairs given with --sizes")
    if path.is_file() and path.suffix != ".json":
        lines = [line.replace(",", " ").split() for line in read_lines(path)]
        lines = [words for words in lines if words and not words[0].startswith("#")]
        if lines and "-" not in lines[0][0]:
            for words in lines:
                if len(words) != 2:
                    raise LassError(
                        f"{path} has the line '{' '.join(words)[:60]}'; write a "
                        "language and the number of its sentence pairs, such as de 2M"
                    )
            entries = [(words[0], words[1]) for words in lines]
            return Amounts(_sizes(entries, str(path)), f"sentence pairs in {path}")
    return _of_pairs(path)


def _of_pairs(path: Path) -> Amounts:
    known = read_sizes(path)
    pairs = [Pair.parse(pair) for pair in known.pairs]
    hub = hub_of(pairs)
    sizes = {}
    for pair in pairs:
        if hub in (pair.source, pair.target):
            other = pair.target if pair.source == hub else pair.source
            sizes[other] = float(known.of(f"{other}-{hub}"))
    return Amounts(sizes, f"sentence pairs with {hub} in {known.origin}")


def _sizes(entries: list[tuple[str, str]], where: str) -> dict[str, float]:
    sizes: dict[str, float] = {}
    for language, size in entries:
        if language in sizes:
            raise LassError(f"{where} names {language} for the second time")
        sizes[language] = float(parse_count(size))
    return sizes


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
