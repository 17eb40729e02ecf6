"""Demands of languages and matrices, from what pruning left of B (Cao 2024).

    Score(B) = #pruned(B) − P · #B                                        (Eq. 6)

The B of one group compete for what stays: those of all languages in a layer (intrinsic
subspace estimation, §4.2), or those of a language in all matrices (§7.3). A positive
score says that more of B went than the ratio P asks, so a smaller module would do; a
negative one says that the language needs more there. Within a group the scores sum to
0 but for rounding.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Mapping

import torch

from lass_plugin import files
from lass_plugin.errors import LassError
from lass_plugin.masks.fingerprint import short_name
from lass_plugin.methods.lowrank.attaching import all_matrices
from lass_plugin.methods.lowrank.contents import Contents, Module
from lass_plugin.methods.lowrank.planning.plan import Plan
from lass_plugin.methods.lowrank.pruning import LAYER, MATRIX, PruningPlan
from lass_plugin.resource_types import TYPES
from lass_plugin.selection import removed_units

NAME, FORMAT, VERSION = "estimate.json", "lass_plugin lslo estimate", 1


@dataclass(frozen=True)
class Demand:
    """What pruning says of the B of one module."""

    module: Module
    ratio: float
    """P that pruning has reached for its language."""

    @property
    def units(self) -> int:
        """#B."""
        return self.module.units("B")

    @property
    def pruned(self) -> int:
        return self.module.pruned["B"]

    @property
    def score(self) -> float:
        """Eq. 6."""
        return self.pruned - self.ratio * self.units

    @property
    def share(self) -> float:
        """The score as a share of #B, from −P to 1 − P."""
        return self.score / self.units

    @property
    def worth(self) -> Fraction:
        """The rank that what was kept of B would fill, from 0 to that of the module."""
        return Fraction(self.units - self.pruned, self.module.matrix.outputs)


@dataclass(frozen=True)
class Estimate:
    """The demands of all modules of a training that pruned."""

    plan: Plan
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
    def compared(self) -> bool:
        """Whether different B competed; within one, every score is about 0."""
        return self.pruning.group != MATRIX

    @property
    def unpruned(self) -> list[str]:
        """Languages with modules that took no part in the pruning."""
        ratios = {each.module.language: each.ratio for each in self.demands}
        return [language for language, ratio in ratios.items() if not ratio]


def group_of(module: Module, group: str) -> str:
    """Which group the B of *module* competes in."""
    if group == LAYER:
        return f"{module.matrix.side} layer {module.matrix.layer}"
    if group == MATRIX:
        return f"{module.matrix.name} {module.index} {module.language}"
    return module.language


def estimate(contents: Contents, where: str) -> Estimate:
    """The demands at the epoch of a checkpoint.

    Raises:
        LassError: nothing was pruned, or not as the checkpoint says.
    """
    pruning = contents.pruning
    if pruning is None:
        raise LassError(
            f"the modules in {where} were not pruned, so nothing tells their demands; "
            "train with --lslo-pruning layer or language"
        )
    ratios = {each: pruning.ratio(each, contents.epoch) for each in pruning.ratios}
    if not any(ratios.values()):
        raise LassError(
            f"{where} is of epoch {contents.epoch}, but pruning begins after epoch "
            f"{pruning.start}; take a later checkpoint"
        )
    demands = tuple(
        Demand(module, ratios.get(module.language, 0.0)) for module in contents.modules
    )
    _check_counts(demands, pruning.group, where)
    entry = contents.carried
    base = short_name(entry.fingerprint)
    return Estimate(entry.plan, pruning, demands, contents.epoch, where, base)


def _check_counts(demands: Sequence[Demand], group: str, where: str) -> None:
    """Refuse numbers that exact selection in each group does not give."""
    units: dict[str, int] = {}
    pruned: dict[str, int] = {}
    ratios: dict[str, float] = {}
    for demand in demands:
        name = group_of(demand.module, group)
        units[name] = units.get(name, 0) + demand.units
        pruned[name] = pruned.get(name, 0) + demand.pruned
        ratios[name] = demand.ratio
    for name, count in pruned.items():
        expected = removed_units(units[name], ratios[name])
        if count != expected:
            raise LassError(
                f"{count} weights of B of {name} are pruned in {where}, where a ratio "
                f"of {ratios[name]:g} gives {expected}; the checkpoint is damaged, "
                "take another one"
            )


def write(
    path: Path, found: Estimate, correlation: Mapping[str, Any] | None, notes: Any = ()
) -> None:
    """Write *found* to *path* atomically, exactly.

    Args:
        correlation: see :func:`.data_correlation.correlate`.
    """
    plan = found.plan.to_dict()
    modules = [
        [
            each.module.matrix.name,
            each.module.index,
            each.module.language,
            each.module.rank,
            each.pruned,
        ]
        for each in found.demands
    ]
    record = {
        "format": FORMAT,
        "version": VERSION,
        "checkpoint": found.checkpoint,
        "base": found.base,
        "epoch": found.epoch,
        "pruning": found.pruning.to_dict(),
        "plan": plan,
        "types": None if found.types is None else dict(found.types),
        "shapes": {
            each.module.matrix.name: [
                each.module.matrix.outputs,
                each.module.matrix.inputs,
            ]
            for each in found.demands
        },
        "columns": ["matrix", "index", "language", "rank", "pruned"],
        "modules": modules,
        "correlation": correlation,
        "notes": list(notes),
    }
    files.write_json(path, record, rows=True)


def read(path: str | os.PathLike) -> tuple[Estimate, dict[str, Any]]:
    """Read what :func:`write` wrote: the estimate, and all that the file says.

    Args:
        path: the file or its folder.

    Raises:
        LassError: missing, damaged or of something else.
    """
    path = Path(path)
    path = path / NAME if path.is_dir() else path
    if not path.is_file():
        raise LassError(
            f"there is no estimate {path}; make it with 'lass lslo estimate'"
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != FORMAT or record["version"] != VERSION:
            raise ValueError(f"it is {record['format']} {record['version']}")
        return _of_record(record, str(path)), record
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise LassError(
            f"{path} is not an estimate of demands ({type(error).__name__}: {error}); "
            "make it with 'lass lslo estimate'"
        ) from error


def _of_record(record: Mapping[str, Any], where: str) -> Estimate:
    plan = Plan.from_dict(record["plan"])
    pruning = PruningPlan.from_dict(record["pruning"])
    epoch = record["epoch"]
    shapes = {
        f"{name}.weight": torch.empty(*shape, device="meta")
        for name, shape in record["shapes"].items()
    }
    matrices = all_matrices(shapes)
    demands = []
    for name, index, language, rank, pruned in record["modules"]:
        matrix = matrices[name]
        if rank != plan.ranks[name][language] or index not in plan.index(matrix):
            raise ValueError(f"{name} of {language} is not as in the plan")
        module = Module(matrix, index, language, rank, {"B": pruned})
        if type(pruned) is not int or not 0 <= pruned <= module.units("B"):
            raise ValueError(f"{pruned!r} weights of {name} are pruned")
        known = language in pruning.ratios
        demands.append(Demand(module, pruning.ratio(language, epoch) if known else 0.0))
    if not demands:
        raise ValueError("it has no modules")
    _check_counts(demands, pruning.group, where)
    checkpoint, base, types = (record[n] for n in ("checkpoint", "base", "types"))
    if types is not None and not set(types.values()) <= set(TYPES):
        raise ValueError(f"its resource types are {types}")
    return Estimate(plan, pruning, tuple(demands), epoch, checkpoint, base, types)
