"""The options of ``lass lslo fit``."""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.methods.lowrank.planning.budget import BudgetSettings
from lass_plugin.settings import (
    Settings,
    argument,
    including,
    option,
    passed_on,
    required,
    switch,
)


@dataclass(frozen=True, kw_only=True)
class FitSettings(Settings):
    """What is fitted to which base, and the trainings between."""

    data: Path = argument("folder of binarized data", metavar="DATA")
    base: Path = required("the frozen model", metavar="FILE")
    pairs: tuple[Pair, ...] = required(
        "directions to train", metavar="SRC-TGT,…", parse=parse_pairs
    )
    out: Path = required("folder of all results", metavar="DIR")
    cost: BudgetSettings = including(BudgetSettings)
    rank: int = option(
        8, "of all modules in weight learning and estimation (default: %(default)s)"
    )
    matrices: str | None = option(None, "as --lslo-matrices", metavar="LIST")
    placement: str | None = option(
        None, "this placement instead of learning one", metavar="RULE"
    )
    ratio: float = option(0.7, "share pruned in the estimation (default: %(default)s)")
    start: int = option(2, "E, epochs (default: %(default)s)")
    length: int = option(8, "k, epochs (default: %(default)s)")
    epochs: int = option(15, "T of each training (default: %(default)s)", least=1)
    cpu: bool = switch("train on the CPU", matters=False)
    flags: tuple[str, ...] = passed_on()
    """The user's flags for fairseq-train."""
