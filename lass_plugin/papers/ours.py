"""Our figures, wherever they come from: by system and by the code of a column."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lass_plugin.evaluation.significance import LEVEL


@dataclass(frozen=True)
class Cell:
    """One figure of ours, in the unit of the paper's column.

    Attributes:
        value: the figure.
        gain: its difference to our baseline, None where there is none.
        sure: that difference is significant in each pair (or language) of the cell, and
            has one sign; None where nothing was tested.
        facts: what stands in the record besides: pairs, p-values.
    """

    value: float
    gain: float | None = None
    sure: bool | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Ours:
    """Figures of our systems.

    Attributes:
        systems: their names, in the order of the places.
        cells: (system, code of a column) -> its figure.
        baseline: the system that gains are over.
        notes: sentences on how they were made.
    """

    systems: tuple[str, ...] = ()
    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)
    baseline: str | None = None
    notes: list[str] = field(default_factory=list)

    def add(self, other: "Ours", file: Path | None = None) -> None:
        """Take over what *other* has and this has not.

        Args:
            file: that *other* is from, to say so where it has another figure for what
                is known.
        """
        left = [
            name
            for (name, code), cell in other.cells.items()
            if self.cells.get((name, code), cell).value != cell.value
        ]
        if left and file is not None:
            self.notes.append(
                f"{file} has other figures of {', '.join(dict.fromkeys(left))} than a "
                "file before it, which counts; give the file of one run"
            )
        self.systems = tuple(dict.fromkeys((*self.systems, *other.systems)))
        self.cells = {**other.cells, **self.cells}
        self.baseline = self.baseline or other.baseline
        self.notes += [note for note in other.notes if note not in self.notes]


def is_sure(tests: Iterable[tuple[float, float]]) -> bool | None:
    """Whether each of several differences is significant, and all have one sign.

    Args:
        tests: difference and p-value of each.
    """
    found = list(tests)
    if not found:
        return None
    one_sign = all(d > 0 for d, _ in found) or all(d < 0 for d, _ in found)
    return one_sign and all(p < LEVEL for _, p in found)
