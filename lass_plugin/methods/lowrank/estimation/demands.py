"""Demands of languages and matrices, from what pruning left of B (Cao 2024).

    Score(B) = #pruned(B) − P · #B                                        (Eq. 6)

The B of one group compete for what stays: those of all languages in a layer (intrinsic
subspace estimation, §4.2), or those of a language in all matrices (§7.3). A positive
score says that more of B went than the ratio P asks, so a smaller module would do; a
negative one says that the language needs more there. Within a group the scores sum to
0 but for rounding.
"""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Mapping

from lass_plugin.anatomy.matrices import Matrix, matrix_of
from lass_plugin.errors import LassError
from lass_plugin.masks.fingerprint import short_name
from lass_plugin.methods.lowrank.planning.plan import LowRankPlan, PlannedModule
from lass_plugin.methods.lowrank.pruning import LAYER, MATRIX, PruningPlan
from lass_plugin.methods.lowrank.stored import LowRankCheckpoint
from lass_plugin.records.fields import filled, whole
from lass_plugin.records.json_record import RecordFormat
from lass_plugin.resource_types import TYPES
from lass_plugin.selection import removed_units

NAME = "estimate.json"
ESTIMATE = RecordFormat(
    "lass_plugin lslo estimate",
    "an estimate of demands",
    version=2,
    sealed=2,
    advice="make it with 'lass lslo estimate'",
)


@dataclass(frozen=True)
class Demand:
    """What pruning says of the B of the module of one language beside one matrix."""

    matrix: Matrix
    index: str
    """``source`` or ``target``."""
    language: str
    rank: int
    pruned: int
    """#pruned(B), weights."""
    ratio: float
    """P that pruning has reached for the language."""

    @property
    def units(self) -> int:
        """#B, pruned or not."""
        return self.rank * self.matrix.outputs

    @property
    def score(self) -> float:
        """Score(B) (Cao 2024, Eq. 6)."""
        return self.pruned - self.ratio * self.units

    @property
    def share(self) -> float:
        """The score as a share of #B, from −P to 1 − P."""
        return self.score / self.units

    @property
    def worth(self) -> Fraction:
        """The rank that what was kept of B would fill, from 0 to that of the module."""
        return Fraction(self.units - self.pruned, self.matrix.outputs)


@dataclass(frozen=True)
class Estimate:
    """The demands of all modules of a training that pruned."""

    plan: LowRankPlan
    pruning: PruningPlan
    demands: tuple[Demand, ...]
    epoch: int
    """Of the last pruning."""
    checkpoint: str
    base: str
    """Short fingerprint."""
    types: Mapping[str, str] | None = None
    """Language -> resource type, where they are not those of the paper."""

    @property
    def languages(self) -> list[str]:
        """The languages that had modules."""
        return sorted({each.language for each in self.demands})

    @property
    def compared(self) -> bool:
        """Whether different B competed; within one, every score is about 0."""
        return self.pruning.group != MATRIX

    @property
    def ranks_languages(self) -> bool:
        """Whether the B of different languages competed."""
        return self.pruning.group == LAYER

    @property
    def unpruned(self) -> list[str]:
        """Languages with modules that took no part in the pruning."""
        ratios = {each.language: each.ratio for each in self.demands}
        return [language for language, ratio in ratios.items() if not ratio]


def group_of(demand: Demand, group: str) -> str:
    """Which group the B of *demand* competes in."""
    if group == LAYER:
        return f"{demand.matrix.side} layer {demand.matrix.layer}"
    if group == MATRIX:
        return f"{demand.matrix.name} {demand.index} {demand.language}"
    return demand.language


def estimate(checkpoint: LowRankCheckpoint, where: str) -> Estimate:
    """The demands at the epoch of a checkpoint.

    Raises:
        LassError: nothing was pruned, or not as the checkpoint says.
    """
    pruning, epoch = checkpoint.pruning, checkpoint.epoch
    if pruning is None:
        raise LassError(
            f"the modules in {where} were not pruned, so nothing tells their demands; "
            "train with --lslo-pruning layer or language"
        )
    if not any(pruning.ratio(language, epoch) for language in pruning.ratios):
        raise LassError(
            f"{where} is of epoch {epoch}, but pruning begins after epoch "
            f"{pruning.start}; take a later checkpoint"
        )
    demands = tuple(
        Demand(
            module.matrix,
            module.index,
            module.language,
            module.rank,
            module.pruned["B"],
            pruning.ratio(module.language, epoch),
        )
        for module in checkpoint.modules
    )
    _check_counts(demands, pruning.group, where)
    entry = checkpoint.entry
    base = short_name(entry.fingerprint)
    return Estimate(entry.plan, pruning, demands, epoch, where, base)


def _check_counts(demands: Sequence[Demand], group: str, where: str) -> None:
    """Refuse numbers that exact selection in each group does not give."""
    groups: dict[tuple[str, float], list[Demand]] = defaultdict(list)
    for demand in demands:  # a language without a ratio is in no group
        groups[group_of(demand, group), demand.ratio].append(demand)
    for (name, ratio), members in groups.items():
        count = sum(each.pruned for each in members)
        expected = removed_units(sum(each.units for each in members), ratio)
        if count != expected:
            raise LassError(
                f"{count} weights of B of {name} are pruned in {where}, where a ratio "
                f"of {ratio:g} gives {expected}; the checkpoint is damaged, take "
                "another one"
            )


def write_estimate(
    path: Path, found: Estimate, correlation: Mapping[str, Any] | None, notes: Any = ()
) -> None:
    """Write *found* to *path* atomically, exactly.

    Args:
        correlation: see :func:`.data_amounts.correlate`.
    """
    record = {
        "checkpoint": found.checkpoint,
        "base": found.base,
        "epoch": found.epoch,
        "pruning": found.pruning.to_dict(),
        "plan": found.plan.to_dict(),
        "types": None if found.types is None else dict(found.types),
        "shapes": {
            each.matrix.name: [each.matrix.outputs, each.matrix.inputs]
            for each in found.demands
        },
        "columns": ["matrix", "index", "language", "rank", "pruned"],
        "modules": [
            [each.matrix.name, each.index, each.language, each.rank, each.pruned]
            for each in found.demands
        ],
        "correlation": correlation,
        "notes": list(notes),
    }
    ESTIMATE.write(path, record, rows=True)


def read_estimate(path: str | os.PathLike) -> Estimate:
    """What :func:`write_estimate` wrote.

    Args:
        path: the file or its folder.

    Raises:
        LassError: missing, damaged or of something else.
    """
    path = Path(path)
    path = path / NAME if path.is_dir() else path
    with ESTIMATE.reading(path) as record:
        return _of_record(record, str(path))


def _of_record(record: Mapping[str, Any], where: str) -> Estimate:
    plan = LowRankPlan.from_dict(record["plan"])
    planned = set(plan.modules())
    pruning = PruningPlan.from_dict(record["pruning"])
    epoch, demands = whole(record["epoch"], "epoch"), []
    shapes = filled(dict[str, list[int]], record["shapes"], "shapes")
    for name, index, language, rank, pruned in record["modules"]:
        matrix = matrix_of(name, *shapes[name])
        if PlannedModule(name, index, language, rank) not in planned:
            raise ValueError(f"{name} of {language} is not as in the plan")
        ratio = pruning.ratio(language, epoch)
        demand = Demand(matrix, index, language, rank, pruned, ratio)
        if type(pruned) is not int or not 0 <= pruned <= demand.units:
            raise ValueError(f"{pruned!r} weights of {name} are pruned")
        demands.append(demand)
    if not demands:
        raise ValueError("it has no modules")
    _check_counts(demands, pruning.group, where)
    checkpoint, base = (filled(str, record[n], n) for n in ("checkpoint", "base"))
    types = filled(dict[str, str] | None, record["types"], "types")
    if types is not None and not set(types.values()) <= set(TYPES):
        raise ValueError(f"its resource types are {types}")
    return Estimate(plan, pruning, tuple(demands), epoch, checkpoint, base, types)
