"""Demands as files and heat maps: languages or layers by matrices (Cao 2024, Fig. 2, 4,
5, 6)."""

import os
import re
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence

import numpy as np

from lass_plugin.anatomy.matrices import KINDS
from lass_plugin.anatomy.places import SIDES
from lass_plugin.data.progress import Progress
from lass_plugin.methods.lowrank.estimation.demands import (
    NAME,
    Demand,
    Estimate,
    read_estimate,
    write_estimate,
)
from lass_plugin.methods.lowrank.pruning import LAYER
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.heat_map import heat_panels
from lass_plugin.resource_types import TYPES, flores_types


@dataclass(frozen=True)
class DemandMap:
    """Mean scores, the encoder's and the decoder's beside each other."""

    name: str
    """Part of its picture's name: empty, ``layer-0``, ``layers.de``."""
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
        self.layers = sorted({each.matrix.layer for each in pruned})
        self.columns: dict[str, Sequence[str]] = {}
        self.values: dict[str, np.ndarray] = {}
        """Side -> ``(layers, languages, kinds)``, NaN where there is no module."""
        for side in SIDES:
            own = [each for each in pruned if each.matrix.side == side]
            present_kinds = {each.matrix.kind for each in own}
            kinds = [kind for kind in KINDS if kind in present_kinds]
            if not kinds:
                continue
            shape = len(self.layers), len(self.languages), len(kinds)
            scores, units = np.zeros(shape), np.zeros(shape)
            for each in own:
                place = (
                    self.layers.index(each.matrix.layer),
                    self.languages.index(each.language),
                    kinds.index(each.matrix.kind),
                )
                scores[place] += each.score
                units[place] += each.units
            nothing = np.full(shape, np.nan)
            divisor = units if share else np.ones(shape)
            self.columns[side] = kinds
            self.values[side] = np.divide(scores, divisor, nothing, where=units > 0)

    def maps(self) -> list[list[DemandMap]]:
        """All maps, in groups that have one scale of colours."""
        return [
            [self.by_language()],
            [self.by_language(layer) for layer in self.layers],
            [self.by_layer()],
            [self.by_layer(language) for language in self.languages],
        ]

    def by_language(self, layer: int | None = None) -> DemandMap:
        """Languages by kinds, of one *layer* (Cao 2024, Fig. 5) or averaged over the
        layers (Fig. 2)."""
        name = "" if layer is None else f"layer-{layer}"
        which = "mean of the layers" if layer is None else f"layer {layer}"
        title, rows = f"Demand of each language, {which}", self.languages
        values = self._values(0, self.layers, layer)
        return DemandMap(
            name, title, "language", rows, self.columns, values, self.breaks
        )

    def by_layer(self, language: str | None = None) -> DemandMap:
        """Layers by kinds, of one *language* (Cao 2024, Fig. 6) or averaged over the
        languages (Fig. 4)."""
        name = f"layers.{language}" if language else "layers"
        title = f"Demand of {language}" if language else "Demand, mean of the languages"
        rows, values = map(str, self.layers), self._values(1, self.languages, language)
        return DemandMap(name, title, "layer", [*rows], self.columns, values)

    def _values(self, axis: int, names: list, chosen: Any) -> dict[str, np.ndarray]:
        """Side -> the cells of *chosen* among the *names* of an axis; None for their
        mean."""
        if chosen is None:
            return {side: mean(cells, axis) for side, cells in self.values.items()}
        place = names.index(chosen)
        return {side: cells.take(place, axis) for side, cells in self.values.items()}


def order_languages(
    languages: set[str], given: Mapping[str, str] | None = None
) -> tuple[list[str], list[int]]:
    """Order *languages* by resource type where each has one, else by name.

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
    """The mean over *axis* of the values that are there, NaN where none is."""
    there = ~np.isnan(values)
    counts = there.sum(axis)
    sums = np.where(there, values, 0.0).sum(axis)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)


def write_demands(
    folder: Path,
    found: Estimate,
    correlation: Mapping[str, Any] | None,
    notes: Iterable[str],
    share: bool = False,
) -> list[Path]:
    """Write ``estimate.json``, ``estimate.csv`` and the pictures to *folder*.

    Args:
        correlation: of :func:`.data_amounts.correlate`, or None.
        share: draw scores as shares of #B.

    Returns:
        The files written; no pictures where no two B competed.
    """
    data = folder / NAME
    write_estimate(data, found, correlation, notes)
    table = write_csv(data.with_suffix(".csv"), map(_line, found.demands))
    return [data, table, *(draw_demands(data, share) if found.compared else ())]


def _line(demand: Demand) -> dict[str, Any]:
    """What the CSV says of one B."""
    matrix = {name: getattr(demand.matrix, name) for name in ("side", "layer", "kind")}
    columns = "index language rank units pruned ratio score share".split()
    of_module = {name: getattr(demand, name) for name in columns}
    return {"matrix": demand.matrix.name, **matrix, **of_module}


def draw_demands(data: str | os.PathLike, share: bool = False) -> list[Path]:
    """Draw what is in an ``estimate.json``, beside that file.

    ``score.png`` (Fig. 2), ``score.layer-N.png`` (Fig. 5), ``score.layers.png`` (Fig.
    4), ``score.layers.LANGUAGE.png`` (Fig. 6), and ``.svg``; ``share…`` with *share*.
    All layers have one scale of colours, and so have all languages.

    Raises:
        LassError: *data* is not such a file.
    """
    data = Path(data)
    found = read_estimate(data)
    groups = Cells(found, share).maps()
    caption, kind = describe(found, share), "share" if share else "score"
    progress = Progress("drawing", sum(map(len, groups)))
    written: list[Path] = []
    for maps in groups:
        values = chain.from_iterable(each.values.values() for each in maps)
        limit = max(float(np.nanmax(np.abs(each), initial=0.0)) for each in values)
        for each in maps:
            name = ".".join(filter(None, [kind, each.name]))
            written += heat_panels(
                {
                    side: (each.columns[side], each.values[side])
                    for side in each.columns
                },
                each.rows,
                # without what some file systems refuse
                data.with_name(re.sub(r"[^\w.@-]", "_", name) + ".png"),
                each.title,
                limit=limit,
                breaks=each.breaks,
                row_label="language" if each.by == "language" else "layer (from 0)",
                caption=caption,
            )
            progress.advance(1, name)
    progress.finish()
    return written


def describe(found: Estimate, share: bool) -> str:
    """What the numbers of a table or picture are, in words."""
    ratios = sorted({each.ratio for each in found.demands if each.ratio})
    ratio = f"{ratios[0]:g}" if len(ratios) == 1 else f"{ratios[0]:g}–{ratios[-1]:g}"
    group = "each layer" if found.pruning.group == LAYER else "each language"
    of = "score / #B" if share else "#pruned(B) − P·#B"
    return f"{of}, P = {ratio} of {group}; red, below 0: demands more"
