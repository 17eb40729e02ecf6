"""The plan of low-rank modules: which matrices, which ranks, which language chooses."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping

from lass_plugin.anatomy.matrices import Matrix, place_of
from lass_plugin.errors import LassError
from lass_plugin.languages import SOURCE, Pair
from lass_plugin.methods.lowrank.planning.placement import Placement
from lass_plugin.records.fields import filled
from lass_plugin.records.json_record import RecordFormat

PLAN = RecordFormat(
    "lass_plugin lslo plan",
    "a plan of low-rank modules",
    advice="make it with 'lass lslo ranks'",
)

Ranks = Mapping[str, int]
"""Language -> rank of its module, 0 for none."""


@dataclass(frozen=True)
class PlannedModule:
    """The module of one language beside one matrix."""

    matrix: str
    index: str
    """``source`` or ``target``."""
    language: str
    rank: int


@dataclass(frozen=True)
class LowRankPlan:
    """What stands beside which matrix; a checkpoint carries it."""

    placement: Placement
    ranks: Mapping[str, Ranks]
    """Name of each matrix -> ranks."""
    alpha: float = 0.0
    """Outputs of a module are multiplied by alpha / rank; 0 for no such factor."""
    dropout: float = 0.0
    """Of the input of every module, in training."""
    seed: int = 1
    """Decides the A of every language and matrix, each by itself."""
    languages: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        found = {language for ranks in self.ranks.values() for language in ranks}
        object.__setattr__(self, "languages", tuple(sorted(found)))
        for name, ranks in self.ranks.items():
            for language, rank in ranks.items():
                if type(rank) is not int or rank < 0:
                    raise LassError(
                        f"the rank of {language} beside {name} is {rank}; it is a "
                        "whole number, 0 for no module"
                    )
        if not (0.0 <= self.dropout < 1.0):
            raise LassError(f"--lslo-dropout {self.dropout} is outside [0, 1)")
        if not (self.alpha >= 0.0 and math.isfinite(self.alpha)):
            raise LassError(f"--lslo-alpha {self.alpha} is below 0")

    def scale(self, rank: int) -> float:
        """What the output of a module of *rank* is multiplied by."""
        return self.alpha / rank if self.alpha else 1.0

    def check_pairs(self, pairs: Iterable[Pair]) -> None:
        """Refuse pairs of languages that the plan says nothing of."""
        for pair in pairs:
            for language in (pair.source, pair.target):
                if language not in self.languages:
                    raise LassError(
                        f"the low-rank modules have no rank for {language} (they have "
                        f"{', '.join(self.languages)}); give it one, 0 for none"
                    )

    def check_trained(self, pairs: Iterable[Pair]) -> None:
        """Refuse pairs of which a training beside a frozen base would train nothing."""
        owned = {(module.index, module.language) for module in self.modules()}
        for pair in pairs:
            if all(self.language_of(index, pair) != of for index, of in owned):
                raise LassError(
                    f"no low-rank module of {pair} has a rank above 0, so there is "
                    "nothing to train for it; give one of its languages a rank (raise "
                    "the budget), or leave the pair out"
                )

    def check_model(self, matrices: Mapping[str, Matrix]) -> None:
        """Refuse a plan of another model, or ranks above what a matrix has.

        Args:
            matrices: all matrices of the model.
        """
        for name, ranks in self.ranks.items():
            if name not in matrices:
                raise LassError(
                    f"the plan names {name}, which is no matrix of this model; make "
                    "the plan for this model"
                )
            most = matrices[name].highest_rank
            for language, rank in ranks.items():
                if rank > most:
                    raise LassError(
                        f"rank {rank} of {language} is above {most}, the size of "
                        f"{name}; lower it"
                    )

    def modules(self) -> Iterator[PlannedModule]:
        """Every module, matrix by matrix; those of rank 0 are none."""
        for name, ranks in self.ranks.items():
            for index in self.placement.indices(*place_of(name)):
                for language, rank in ranks.items():
                    if rank:
                        yield PlannedModule(name, index, language, rank)

    def language_of(self, index: str, pair: Pair) -> str:
        return pair.source if index == SOURCE else pair.target

    def to_dict(self) -> dict[str, Any]:
        """JSON values; ranks that all matrices share are written once."""
        ranks: dict[str, Any] = {name: dict(each) for name, each in self.ranks.items()}
        first = next(iter(ranks.values()))
        if all(each == first for each in ranks.values()):
            ranks = first
        return {
            "placement": self.placement.to_dict(),
            "matrices": list(self.ranks),
            "ranks": ranks,
            "alpha": self.alpha,
            "dropout": self.dropout,
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "LowRankPlan":
        """What :meth:`to_dict` gave.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it is not of a plan.
        """
        names = filled(list[str], values["matrices"], "matrices")
        ranks = filled(dict[str, Any], values["ranks"], "ranks")
        if not names or not ranks:
            raise ValueError("it has no matrices or no ranks")
        per_matrix = isinstance(next(iter(ranks.values())), dict)
        shared = {} if per_matrix else filled(dict[str, int], ranks, "ranks")
        placement = Placement.from_dict(values["placement"])
        found = {}
        for name in names:
            side, layer = place_of(name)
            if layer >= placement.layers[side]:
                raise ValueError(f"its placement has no layer of {name}")
            own = filled(dict[str, int], ranks[name], name) if per_matrix else shared
            found[name] = dict(own)
        return cls(
            placement=placement,
            ranks=found,
            alpha=filled(float, values["alpha"], "alpha"),
            dropout=filled(float, values["dropout"], "dropout"),
            seed=filled(int, values["seed"], "seed"),
        )


def uniform(
    matrices: Mapping[str, Matrix],
    ranks: Mapping[str, float],
    placement: Placement,
    **more: Any,
) -> LowRankPlan:
    """The same *ranks* beside every one of *matrices*.

    Raises:
        LassError: a rank is not a whole number.
    """
    for language, rank in ranks.items():
        if rank != int(rank):
            raise LassError(f"the rank of {language} is {rank}, not a whole number")
    whole = {language: int(rank) for language, rank in ranks.items()}
    return LowRankPlan(placement, dict.fromkeys(matrices, whole), **more)


def write_plan(path: str | Path, plan: LowRankPlan, note: str = "") -> None:
    """Write *plan* to *path* atomically, for ``--lslo-plan``."""
    PLAN.write(path, {**plan.to_dict(), "note": note})


def read_plan(path: str | Path) -> LowRankPlan:
    """What :func:`write_plan` wrote.

    Raises:
        LassError: missing, damaged or of something else.
    """
    with PLAN.reading(path) as record:
        return LowRankPlan.from_dict(record)


def count_parameters(
    plan: LowRankPlan, matrices: Mapping[str, Matrix], square: bool = False
) -> int:
    """Parameters of all modules of *plan*.

    Args:
        square: count every matrix as square, by its smaller side, as the table captions
            of Cao 2024 do: fc1 and fc2 are then as small as those of attention.
    """
    total = 0
    for module in plan.modules():
        matrix = matrices[module.matrix]
        total += module.rank * (matrix.square_units if square else matrix.units)
    return total
