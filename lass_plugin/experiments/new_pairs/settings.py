"""What is to be added to which model, and how."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from lass_plugin.errors import LassError
from lass_plugin.experiments.searches.settings import SearchSettings
from lass_plugin.languages import Pair

DENSE = "dense"

WAYS: Mapping[str, tuple[str, ...]] = {
    "sub-network": (),
    "hold-shared": ("shared",),
    "disjoint": ("others", "shared"),
    DENSE: (),
}
"""Way to train the new pairs -> what holds still (``--hold``).

``sub-network``: all that their masks keep and all that is shared moves, as in the
papers. ``hold-shared``: what no mask covers stands still, but the embeddings of new
symbols; older pairs feel only the overlap of the masks. ``disjoint``: what an older
pair's mask keeps stands still too, so its outputs are the same bit for bit. ``dense``:
without masks, all weights.
"""

STAGES = ("extend", "search", "train", "report")


@dataclass(frozen=True)
class ExtendSettings:
    """New pairs for a jointly trained checkpoint.

    Raises:
        LassError: names the option at fault.
    """

    checkpoint: Path
    data: Path
    """The data folder that the checkpoint was trained with."""
    text: Path
    """Parallel text of the new pairs, as for ``lass prepare``."""
    pairs: tuple[Pair, ...]
    out: Path
    dense: Path | None = None
    """A checkpoint without masks to do the same with, for comparison."""
    ways: tuple[str, ...] = ("sub-network", "disjoint")
    updates: int = 1000
    points: int = 10
    """Checkpoints that are scored, evenly spaced."""
    criterion: str = "magnitude"
    schedule: str = "oneshot"
    ratio: float = 0.6
    search_updates: int = 1000
    old_pairs: tuple[Pair, ...] = ()
    """Older pairs to watch; empty for all."""
    split: str = "test"
    limit: int | None = None
    beam: int = 5
    spm_model: Path | None = None
    least: int = 2
    seed: int = 1
    cpu: bool = False
    threads: int | None = None
    flags: tuple[str, ...] = ()
    """Further flags of fairseq-train, for the search and for training."""
    until: str = STAGES[-1]
    fresh: bool = False

    def __post_init__(self) -> None:
        counts = ("updates", "points", "search_updates", "least", "threads")
        for name in (*counts, "limit", "beam"):
            value = getattr(self, name)
            if value is not None and value < 1:
                option = {"least": "min-count"}.get(name, name.replace("_", "-"))
                raise LassError(f"--{option} is {value}; give 1 or more")
        if self.points > self.updates:
            raise LassError(
                f"--points {self.points} is more than --updates {self.updates}; "
                "lower it"
            )
        for way in self.ways:
            if way not in WAYS or way == DENSE:
                known = ", ".join(name for name in WAYS if name != DENSE)
                hint = " (dense comes with --dense)" if way == DENSE else ""
                raise LassError(
                    f"--ways does not know '{way}'{hint}; choose from {known}"
                )
            if self.ways.count(way) > 1:
                raise LassError(f"--ways names {way} twice; keep one")
        if not self.ways:
            raise LassError("--ways is empty; give one way at least, such as disjoint")
        if self.until not in STAGES:
            raise LassError(
                f"--until {self.until} is unknown; choose from {', '.join(STAGES)}"
            )

    @property
    def all_ways(self) -> tuple[str, ...]:
        """The ways that are trained, the one without masks last."""
        return (*self.ways, DENSE) if self.dense else self.ways

    @property
    def interval(self) -> int:
        """Updates from one checkpoint that is scored to the next."""
        return -(-self.updates // self.points)

    @property
    def masks(self) -> Path:
        """Folder of the new pairs' masks."""
        return self.out / "masks"

    @property
    def data_out(self) -> Path:
        return self.out / "data"

    def start_of(self, way: str) -> Path:
        """The extended checkpoint that *way* starts from."""
        return self.out / ("dense.pt" if way == DENSE else "extended.pt")

    def search(self) -> SearchSettings:
        """The searches of the new pairs."""
        return SearchSettings(
            data=str(self.data_out),
            base=self.start_of(self.ways[0]),
            out=self.out / "search",
            pairs=self.pairs,
            criterion=self.criterion,
            schedule=self.schedule,
            ratio=self.ratio,
            updates=self.search_updates,
            flags=self.flags,
            cpu=self.cpu,
            threads=self.threads,
            masks_out=self.masks,
        )

    def record(self) -> dict[str, Any]:
        """What a folder must have been made with, to go on in it."""
        plain = ("updates", "points", "criterion", "schedule", "ratio", "least", "seed")
        return {
            "checkpoint": str(self.checkpoint.resolve()),
            "data": str(self.data.resolve()),
            "text": str(self.text.resolve()),
            "dense": str(self.dense.resolve()) if self.dense else None,
            "pairs": [str(pair) for pair in self.pairs],
            "old_pairs": [str(pair) for pair in self.old_pairs],
            "search_updates": self.search_updates,
            "split": self.split,
            "spm_model": str(self.spm_model) if self.spm_model else None,
            "flags": list(self.flags),
            **{name: getattr(self, name) for name in plain},
        }
