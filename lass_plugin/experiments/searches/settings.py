"""What searches are wanted: the plan of every pair, where, and on what."""

import os
from dataclasses import dataclass
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.masks import DEFAULT_TARGETS
from lass_plugin.methods.search.plan import SearchPlan, check_together

OPTIONS = {
    "criterion": "--criterion",
    "schedule": "--schedule",
    "ratio": "--ratio",
    "start": "--start",
    "ramp": "--ramp",
    "interval": "--interval",
    "targets": "--targets",
    "move_pruned": "--move-pruned",
    "stop_settled": "--stop-when-settled",
    "stop_growth": "--stop-when-growth-below",
}
"""Field of a plan -> the option of ``lass search`` that sets it."""

TOGETHER = "together"
"""Folder of the one training of all pairs, beside which there are no others."""

_TASK_OPTIONS = {
    "--pruning-": "--",
    "--max-update": "--updates",
    "--mask-targets": "--targets",
}


@dataclass(frozen=True)
class SearchSettings:
    """One search for each of *pairs*, all with the same plan; each in a training of its
    own, or all in one.

    The defaults are those of He 2023, App. C.1 (IWSLT): 80,000 updates, of which the
    first twentieth does not prune and the next nine twentieths ramp up to .6.
    """

    data: str
    """fairseq data folder, or shards of it separated by colons."""
    base: Path
    """Checkpoint of the base model."""
    out: Path
    """Each pair's checkpoint and log go to ``out/PAIR``."""
    pairs: tuple[Pair, ...]
    criterion: str = "gradient"
    schedule: str = "gradual"
    ratio: float = 0.6
    updates: int = 80_000
    start: int | None = None
    """T1; None for a twentieth of a pair's updates (gradual)."""
    ramp: int | None = None
    """T2; None for nine twentieths of a pair's updates (gradual)."""
    interval: int = 10
    targets: tuple[str, ...] = DEFAULT_TARGETS
    move_pruned: bool = False
    stop_settled: float = 0.0
    """End a search once it has settled, see :mod:`.settling`."""
    stop_growth: float = 0.0
    together: bool = False
    """One training for all pairs; *updates* are then those of all pairs together, while
    *start*, *ramp* and *interval* count the updates of each pair."""
    flags: tuple[str, ...] = ()
    """Further flags of fairseq-train; they win over the base's options."""
    cpu: bool = False
    """Train on the CPU even where there is a GPU."""
    devices: tuple[str, ...] = ()
    """GPUs to use; empty for all."""
    jobs: int | None = None
    """Searches at the same time; None for one a GPU, or one a CPU core."""
    threads: int | None = None
    """CPU threads of each; None for ``$OMP_NUM_THREADS``, or cores / jobs."""
    masks_out: Path | None = None
    """Folder of the masks; None for ``out/masks``."""
    stop_on_error: bool = False
    """End everything when one search fails, instead of finishing the others."""

    @property
    def masks_folder(self) -> Path:
        return self.masks_out if self.masks_out is not None else self.out / "masks"

    @property
    def folders(self) -> list[Path]:
        """The data folder or its shards."""
        return [Path(part) for part in self.data.split(os.pathsep) if part]

    def folder_of(self, pair: Pair) -> Path:
        return self.out / (TOGETHER if self.together else str(pair))

    @property
    def own_updates(self) -> int:
        """Updates of each pair, where all are drawn as often."""
        return self.updates // (len(self.pairs) if self.together else 1)

    def plan_of(self, pair: Pair) -> SearchPlan:
        """The plan of one pair."""
        start, ramp = self.start, self.ramp
        if self.schedule == "gradual":
            own = self.own_updates
            start = own // 20 if start is None else start
            ramp = max(1, 9 * own // 20) if ramp is None else ramp
        return SearchPlan(
            key=str(pair),
            criterion=self.criterion,
            schedule=self.schedule,
            ratio=self.ratio,
            start=start or 0,
            ramp=ramp or 0,
            interval=self.interval,
            targets=self.targets,
            move_pruned=self.move_pruned,
            stop_settled=self.stop_settled,
            stop_growth=self.stop_growth,
        )

    def check(self) -> None:
        """Refuse what cannot be carried out, before anything is started.

        Raises:
            LassError: names the option at fault.
        """
        for name in ("updates", "jobs", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise LassError(f"--{name} must be 1 or more, not {value}")
        if self.cpu and self.devices:
            raise LassError("--cpu and --devices exclude each other; give one of them")
        if self.together:
            self._check_together()
        try:
            plan = self.plan_of(self.pairs[0])
            plan.check(self.updates)
            if self.together:
                shares = {str(pair): 1 / len(self.pairs) for pair in self.pairs}
                check_together(plan, shares, self.updates)
        except LassError as error:
            message = error.message
            for theirs, ours in _TASK_OPTIONS.items():
                message = message.replace(theirs, ours)
            raise LassError(message) from None

    def _check_together(self) -> None:
        if len(self.pairs) < 2:
            raise LassError("--together has no effect with one pair; leave it out")
        if self.jobs is not None:
            raise LassError(
                "--jobs has no effect with --together, which is one training; leave "
                "one of them out"
            )
        if len(self.devices) > 1:
            raise LassError(
                "--together is one training on one GPU, but --devices names "
                f"{len(self.devices)}; give one"
            )
