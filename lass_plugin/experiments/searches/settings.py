"""What searches are wanted: the plan of every pair, where, and on what."""

from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.settings import RunningSettings
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.methods.search.plan import SearchPlan, stages_of
from lass_plugin.places.settings import RUNNING
from lass_plugin.settings import count, option, required, switch

TOGETHER = "together"
"""Folder of the one training of all pairs, beside which there are no others."""
ALL, SCORES_ONLY = "all", "scores"
"""Of ``--keep``."""

_TASK_OPTIONS = {
    "--pruning-": "--",
    "--max-update": "--updates",
    "--mask-targets": "--targets",
}

_search = partial(option, group="the search")


@dataclass(frozen=True, kw_only=True)
class SearchSettings(RunningSettings):
    """One search for each of *pairs*, all with the same plan; each in a training of its
    own, or all in one.

    The defaults are those of He 2023, App. C.1 (IWSLT): 80,000 updates, of which the
    first twentieth does not prune and the next nine twentieths ramp up to .6.
    """

    pairs: tuple[Pair, ...] = required(
        "directions to search", metavar="SRC-TGT,…", parse=parse_pairs
    )
    criterion: str = _search(
        "gradient", "gradient (default) or another registered score (docs/notation.md)"
    )
    schedule: str = _search("gradual", "gradual (default) or oneshot")
    ratio: float = _search(0.6, "share of each matrix removed (default %(default)s)")
    updates: int = count(
        80_000,
        "updates of each search, or of all together (default %(default)s)",
        group="the search",
    )
    start: int | None = _search(None, "default: a twentieth of a pair's", metavar="T1")
    ramp: int | None = _search(None, "default: nine twentieths of them", metavar="T2")
    interval: int = _search(
        SearchPlan.interval,
        "select the mask anew every N updates (default %(default)s)",
        metavar="N",
    )
    targets: tuple[str, ...] = _search(
        SearchPlan.targets,
        "matrices: attention, feed-forward, embeddings, output-projection",
        metavar="WHAT,…",
        parse="lass_plugin.masks:parse_targets",
    )
    move_pruned: bool = switch("update masked weights too", group="the search")
    stop_patience: int = _search(
        0,
        "end a search once the loss of its weights under its mask has not fallen at so "
        "many of its 20 reports (default: never)",
        metavar="N",
    )
    stop_settled: float = _search(
        0.0,
        "end a search once its mask is so repeatable: agrees with itself above chance, "
        "which says nothing of its quality (default: never)",
        flags="--stop-when-settled",
        metavar="SHARE",
    )
    stop_growth: float = _search(
        0.0,
        "end a search once doubling its updates adds less than this to that "
        "agreement, which says nothing of quality either (default: never)",
        flags="--stop-when-growth-below",
        metavar="SHARE",
    )
    together: bool = switch("one training for all pairs", group="the search")
    """*updates* are then those of all pairs together, while *start*, *ramp* and
    *interval* count the updates of each pair."""
    masks_out: Path | None = option(
        None, "default: masks in --out", metavar="DIR", **RUNNING
    )
    keep: str = option(
        ALL,
        "of a finished search: all, or scores, which give masks at any ratio in a "
        "third of the bytes but cannot go on for longer (default %(default)s)",
        choices=(ALL, SCORES_ONLY),
        **RUNNING,
    )
    array: int | None = option(
        None, "search only this pair of the list", metavar="INDEX", **RUNNING
    )
    array_base: int = option(
        0,
        "index of the first pair (default %(default)s)",
        metavar="0|1",
        choices=(0, 1),
        **RUNNING,
    )
    print_commands: bool = switch(
        "print one shell command a pair and start nothing (with --devices 0: for a GPU "
        "that is not here)",
        **RUNNING,
    )

    @property
    def masks_folder(self) -> Path:
        return self.masks_out if self.masks_out is not None else self.out / "masks"

    def folder_of(self, pair: Pair) -> Path:
        return self.out / (TOGETHER if self.together else str(pair))

    def plan_of(self, pair: Pair, begun: SearchPlan | None = None) -> SearchPlan:
        """The plan of one pair.

        Args:
            begun: that of the same search so far, which goes on as it began where
                *start* or *ramp* are not given, whatever its length is now.
        """
        start, ramp = self.start, self.ramp
        if begun is not None and begun.schedule == self.schedule == "gradual":
            start = begun.start if start is None else start
            ramp = begun.ramp if ramp is None else ramp
        if self.schedule == "gradual":
            # updates of each pair, where all are drawn as often
            own = self.updates // (len(self.pairs) if self.together else 1)
            start, ramp = stages_of(own, start, ramp)
        names = {each.name for each in fields(SearchPlan)} - {"key", "start", "ramp"}
        others = {name: getattr(self, name) for name in names}
        return SearchPlan(key=str(pair), start=start or 0, ramp=ramp or 0, **others)

    def of_array(self) -> "SearchSettings":
        """The one search of ``--array``, or all."""
        if self.array is None:
            return self
        pair = self.pairs[self.array - self.array_base]
        return replace(self, pairs=(pair,), array=None)

    def check(self) -> None:
        super().check()
        if self.array is not None:
            self._check_array(self.array)
        if self.together:
            self._check_together()
        self.checked(self.plan_of(self.pairs[0]))

    def checked(self, plan: SearchPlan) -> SearchPlan:
        """*plan*, which *updates* suffice for.

        Raises:
            LassError: names the option at fault.
        """
        try:
            plan.check(self.updates)
            if self.together:
                shares = {str(pair): 1 / len(self.pairs) for pair in self.pairs}
                plan.check_together(shares, self.updates)
        except LassError as error:
            message = error.message
            for theirs, ours in _TASK_OPTIONS.items():
                message = message.replace(theirs, ours)
            raise LassError(message) from None
        return plan

    def _check_array(self, index: int) -> None:
        if self.together:
            raise LassError(
                "--array is for one pair in each task, --together for all pairs in one "
                "training; give one of them"
            )
        first, last = self.array_base, self.array_base + len(self.pairs) - 1
        if not first <= index <= last:
            raise LassError(
                f"--array {index} is outside {first}-{last}; --pairs names "
                f"{len(self.pairs)}, counted from {first} (--array-base)"
            )

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
