"""Our correlations of demand and amount of data, from ``lass lslo estimate``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lass_plugin.methods.lowrank.estimation.demands import ESTIMATE
from lass_plugin.papers.ours import Cell, Ours
from lass_plugin.records.fields import filled


def correlations_of(files: Sequence[Path], side: str) -> Ours:
    """Pearson's r and p of each kind of matrix, which stands where a system would.

    Args:
        side: ``encoder`` or ``decoder``.

    Raises:
        LassError: a file is damaged.
    """
    ours = Ours()
    for file in files:
        found = Ours()
        with ESTIMATE.reading(file) as record:
            correlation = record["correlation"]
            if correlation is None:
                ours.notes.append(
                    f"{file} has no correlation; it says why in its notes"
                )
                continue
            kinds = filled(dict[str, Any], correlation["sides"], "sides").get(side, {})
            found.systems = tuple(kinds)
            for kind, numbers in kinds.items():
                for code in ("r", "p"):
                    if numbers[code] is not None:
                        value = filled(float, numbers[code], f"{code} of {kind}")
                        found.cells[kind, code] = Cell(value)
        ours.add(found, file)
    return ours
