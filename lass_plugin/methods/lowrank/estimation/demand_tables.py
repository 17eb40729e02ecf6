"""Demands as tables: languages or layers by matrices (Cao 2024, Fig. 2, 4, 5, 6)."""

from dataclasses import dataclass
from typing import Iterator, Mapping, Sequence

import numpy as np

from lass_plugin.anatomy.matrices import KINDS, SIDES
from lass_plugin.methods.lowrank.estimation.demands import Estimate
from lass_plugin.resource_types import TYPES, flores_types


@dataclass(frozen=True)
class Table:
    """Mean scores, the encoder's and the decoder's beside each other."""

    name: str
    """Of its picture, behind that of the whole: empty, ``layer-0``, ``layers.de``."""
    title: str
    by: str
    """What the rows are, ``language`` or ``layer``."""
    rows: Sequence[str]
    columns: dict[str, Sequence[str]]
    """Side -> kinds of matrices."""
    values: dict[str, np.ndarray]
    """Side -> ``(rows, kinds)``; NaN where there is no module."""
    breaks: Sequence[int] = ()
    """Rows that another resource type begins with."""

    def average(self, side: str) -> np.ndarray:
        """``(rows,)`` mean over the kinds of *side*; NaN where there is none."""
        return mean(self.values[side], 1)


class Cells:
    """Score of every side, layer, kind and language.

    Where both indices were tried the score of a cell is that of both modules together.

    Args:
        share: scores as shares of #B.
    """

    def __init__(self, estimate: Estimate, share: bool = False):
        self.share = share
        pruned = [each for each in estimate.demands if each.ratio]
        present = {each.language for each in pruned}
        self.languages, self.breaks = order_languages(present, estimate.types)
        kinds = {(each.matrix.side, each.matrix.kind) for each in pruned}
        self.columns: dict[str, Sequence[str]] = {
            side: [kind for kind in KINDS if (side, kind) in kinds] for side in SIDES
        }
        self.columns = {side: kinds for side, kinds in self.columns.items() if kinds}
        self.layers = sorted({each.matrix.layer for each in pruned})
        shape = len(self.layers), len(self.languages)
        sizes = {side: (*shape, len(kinds)) for side, kinds in self.columns.items()}
        scores = {side: np.zeros(size) for side, size in sizes.items()}
        units = {side: np.zeros(size) for side, size in sizes.items()}
        for each in pruned:
            matrix = each.matrix
            place = (
                self.layers.index(matrix.layer),
                self.languages.index(each.language),
                self.columns[matrix.side].index(matrix.kind),
            )
            scores[matrix.side][place] += each.score
            units[matrix.side][place] += each.units
        self.values: dict[str, np.ndarray] = {}
        """Side -> ``(layers, languages, kinds)``, NaN where there is no module."""
        for side, count in units.items():
            count[count == 0] = np.nan
            self.values[side] = scores[side] / count if share else scores[side]
            self.values[side][np.isnan(count)] = np.nan

    def by_language(self) -> Table:
        """Languages by kinds, averaged over the layers (Fig. 2)."""
        values = {side: mean(cells, 0) for side, cells in self.values.items()}
        title = "Demand of each language, mean of the layers"
        return self._of_languages("", title, values)

    def by_language_in_layers(self) -> Iterator[Table]:
        """The same of each layer (Fig. 5)."""
        for number, layer in enumerate(self.layers):
            values = {side: cells[number] for side, cells in self.values.items()}
            title = f"Demand of each language, layer {layer}"
            yield self._of_languages(f"layer-{layer}", title, values)

    def by_layer(self) -> Table:
        """Layers by kinds, averaged over the languages (Fig. 4)."""
        values = {side: mean(cells, 1) for side, cells in self.values.items()}
        return self._of_layers("layers", "Demand, mean of the languages", values)

    def by_layer_of_languages(self) -> Iterator[Table]:
        """The same of each language (Fig. 6)."""
        for number, language in enumerate(self.languages):
            values = {side: cells[:, number] for side, cells in self.values.items()}
            title = f"Demand of {language}"
            yield self._of_layers(f"layers.{language}", title, values)

    def _of_languages(
        self, name: str, title: str, values: dict[str, np.ndarray]
    ) -> Table:
        rows = self.languages
        return Table(name, title, "language", rows, self.columns, values, self.breaks)

    def _of_layers(self, name: str, title: str, values: dict[str, np.ndarray]) -> Table:
        rows = list(map(str, self.layers))
        return Table(name, title, "layer", rows, self.columns, values)


def order_languages(
    languages: set[str], given: Mapping[str, str] | None = None
) -> tuple[list[str], list[int]]:
    """By resource type where each has one, else by name.

    Args:
        given: language -> resource type; those of the paper where it is None.

    Returns:
        The languages, and where another type begins.
    """
    types = flores_types() if given is None else given
    if not languages <= types.keys():
        return sorted(languages), []
    listed = [language for language in types if language in languages]
    listed.sort(key=lambda language: TYPES.index(types[language]))
    breaks = [
        number
        for number in range(1, len(listed))
        if types[listed[number]] != types[listed[number - 1]]
    ]
    return listed, breaks


def mean(values: np.ndarray, axis: int) -> np.ndarray:
    """The mean of those that are there, NaN where none is."""
    there = ~np.isnan(values)
    counts = there.sum(axis)
    sums = np.where(there, values, 0.0).sum(axis)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
