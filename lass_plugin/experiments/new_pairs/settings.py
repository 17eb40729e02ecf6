"""What is to be added to which model, and how."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Mapping

from lass_plugin.errors import LassError
from lass_plugin.evaluation.settings import MetricSettings
from lass_plugin.experiments.searches.settings import SearchSettings
from lass_plugin.languages import Pair, parse_pairs
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

_VOCABULARY = "vocabulary"
_TRAINING = "training"
_SCORES = "scores"
_search = partial(option, group="search, see lass search")


@dataclass(frozen=True, kw_only=True)
class ExtendSettings(Settings):
    """New pairs for a jointly trained checkpoint."""

    checkpoint: Path = argument("jointly trained model", metavar="CHECKPOINT")
    data: Path = required("its data folder", metavar="DIR")
    text: Path = required(
        "parallel text of the new pairs, as for lass prepare", metavar="DIR"
    )
    pairs: tuple[Pair, ...] = required(
        "directions to add", metavar="SRC-TGT,…", parse=parse_pairs
    )
    out: Path = required("folder for everything", metavar="DIR")
    dense: Path | None = option(
        None, "a model of the same data without masks, for comparison", metavar="FILE"
    )
    until: str = option(
        STAGES[-1],
        "stop after extend, search or train (default: %(default)s)",
        metavar="STAGE",
        matters=False,
    )
    fresh: bool = switch("do everything again from the start", matters=False)
    spm_model: Path | None = option(
        None,
        "SentencePiece model of the old text (default: that in --data)",
        metavar="FILE",
        group=_VOCABULARY,
    )
    least: int = count(
        2,
        "a token of the new text that the dictionary lacks becomes a symbol if it "
        "occurs N times (default %(default)s)",
        flags="--min-count",
        group=_VOCABULARY,
    )
    seed: int = option(
        1, "of the new embeddings (default %(default)s)", group=_VOCABULARY
    )
    criterion: str = _search("magnitude", "magnitude (default) or gradient")
    schedule: str = _search("oneshot", "oneshot (default) or gradual")
    ratio: float = _search(0.6, "share removed (default %(default)s)")
    search_updates: int = _search(1000, "default %(default)s", metavar="N", least=1)
    ways: tuple[str, ...] = option(
        ("sub-network", "disjoint"),
        "sub-network, hold-shared, disjoint (default: %(default)s)",
        metavar="WAY,…",
        group=_TRAINING,
        matters=False,
    )
    updates: int = count(1000, "of each way (%(default)s)", group=_TRAINING)
    cpu: bool = switch("do not use the GPU", group=_TRAINING, matters=False)
    threads: int | None = count(
        None, "CPU threads (default: all cores)", group=_TRAINING, matters=False
    )
    points: int = count(
        10,
        "checkpoints that are scored, evenly spaced (default %(default)s)",
        group=_SCORES,
    )
    old_pairs: tuple[Pair, ...] = option(
        (),
        "older pairs to watch (default: all)",
        metavar="SRC-TGT,…",
        group=_SCORES,
        parse=parse_pairs,
    )
    split: str = option(
        "test", "split of the data (default: %(default)s)", group=_SCORES
    )
    limit: int | None = count(
        None, "first N sentences of every pair only", group=_SCORES, matters=False
    )
    beam: int = count(5, "beam (default %(default)s)", group=_SCORES, matters=False)
    bilingual: Path | None = option(
        None,
        "a report of lass evaluate of a model of each new pair alone, for a level in "
        "the picture (Lin 2021, Fig. 3)",
        metavar="REPORT",
        group=_SCORES,
        matters=False,
    )
    scored: MetricSettings = including(MetricSettings)
    flags: tuple[str, ...] = passed_on()
    """Further flags of fairseq-train, for the search and for training."""

    def check(self) -> None:
        super().check()
        if self.points > self.updates:
            more = f"--points {self.points} is more than --updates {self.updates}"
            raise LassError(f"{more}; lower it")
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
        same = ("pairs", "criterion", "schedule", "ratio", "flags", "cpu", "threads")
        return SearchSettings(
            data=str(self.data_out),
            base=self.start_of(self.ways[0]),
            out=self.out / "search",
            updates=self.search_updates,
            masks_out=self.masks,
            **{name: getattr(self, name) for name in same},
        )

    def record(self) -> dict[str, Any]:
        """What a report says of how it was made."""
        paths = {n: getattr(self, n) for n in ("checkpoint", "data", "text", "dense")}
        plain = ("updates", "points", "criterion", "schedule", "ratio", "least", "seed")
        return {
            **{name: path and str(path.resolve()) for name, path in paths.items()},
            "pairs": [str(pair) for pair in self.pairs],
            "old_pairs": [str(pair) for pair in self.old_pairs],
            "search_updates": self.search_updates,
            "split": self.split,
            "spm_model": self.spm_model and str(self.spm_model),
            "flags": list(self.flags),
            **self.scored.stated(),
            **{name: getattr(self, name) for name in plain},
        }
