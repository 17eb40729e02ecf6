"""The options of ``lass lslo fit``."""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.methods.lowrank.planning.budget import BudgetSettings
from lass_plugin.methods.lowrank.planning.placement import LEARN
from lass_plugin.schedules import check_ratio
from lass_plugin.settings import (
    Settings,
    argument,
    count,
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
    rank: int = count(
        8, "of all modules in weight learning and estimation (default: %(default)s)"
    )
    matrices: str | None = option(None, "as --lslo-matrices", metavar="LIST")
    placement: str | None = option(
        None, "this placement instead of learning one", metavar="RULE"
    )
    ratio: float = option(
        0.7, "share pruned in the estimation (default: %(default)s)", check=check_ratio
    )
    start: int = option(2, "E, epochs (default: %(default)s)", least=0)
    length: int = option(8, "k, epochs (default: %(default)s)", least=1)
    epochs: int = option(15, "T of each training (default: %(default)s)", least=1)
    cpu: bool = switch("train on the CPU", matters=False)
    flags: tuple[str, ...] = passed_on()
    """The user's flags for fairseq-train."""

    def check(self) -> None:
        super().check()
        if self.ratio == 0:
            raise LassError(
                "--ratio 0 prunes nothing, so nothing would tell the demands; give a "
                "share such as 0.7"
            )
        if self.placement == LEARN:
            raise LassError(
                f"--placement {LEARN} leaves undecided what the ranks are planned for; "
                "leave it out, which learns the placement first"
            )
        if self.epochs < self.start + self.length:
            raise LassError(
                f"--epochs {self.epochs} ends before the estimation has pruned, which "
                f"takes --start {self.start} + --length {self.length} epochs; raise "
                "--epochs, or lower --start or --length"
            )
