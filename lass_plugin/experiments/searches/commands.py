"""The command of every pair, and what is checked before any of them is started."""

import shlex
from itertools import product
from typing import Iterable, Mapping, Sequence

import torch

from lass_plugin.data.pair_data import find_split
from lass_plugin.experiments.launching.base import Base
from lass_plugin.experiments.launching.checks import check_data, check_model
from lass_plugin.experiments.launching.commands import (
    arguments_of,
    logging_of,
    saving,
    train_command,
)
from lass_plugin.experiments.launching.flags import TRAINED, FlagBuilder, Purpose
from lass_plugin.experiments.searches.settings import SearchSettings
from lass_plugin.files import check_space
from lass_plugin.languages import Pair
from lass_plugin.masks import parse_targets
from lass_plugin.scores import SCORES

SEARCH = Purpose.of(
    "translation_subnetwork_search",
    kept="the mask is taken from the last checkpoint",
    pruning_criterion="use --criterion of lass search",
    pruning_schedule="use --schedule",
    pruning_ratio="use --ratio",
    pruning_start="use --start",
    pruning_ramp="use --ramp",
    pruning_interval="use --interval",
    mask_targets="use --targets",
    move_pruned="use --move-pruned of lass search",
    stop_when_settled="use --stop-when-settled of lass search",
    stop_when_growth_below="use --stop-when-growth-below of lass search",
)


class SearchCommands:
    """Commands of fairseq-train for the pairs of *settings*.

    Args:
        base: the base model.
        on_cpu: train on the CPU.

    Raises:
        LassError: flags that fairseq does not take, or that ``lass search`` sets; or
            data are not there.
    """

    def __init__(self, settings: SearchSettings, base: Base, on_cpu: bool):
        self.settings = settings
        self.base = base
        self.on_cpu = on_cpu
        self.builder = FlagBuilder(
            base, settings.flags, settings.updates, on_cpu, SEARCH
        )
        self._flags = self.builder.flags()
        self.split = self.builder.chosen(*TRAINED)
        check_data(settings.folders, [self.split], settings.pairs)

    def arguments(self, *pairs: Pair) -> list[str]:
        """All that follows ``fairseq-train --user-dir …``, the data folder first.

        Args:
            pairs: those that the training searches, one or all of them.
        """
        settings = self.settings
        plan = settings.plan_of(pairs[0])
        words = ["--task", SEARCH.task]
        words += ["--finetune-from-model", str(settings.base.resolve())]
        words += ["--pruning-criterion", plan.criterion]
        words += ["--pruning-schedule", plan.schedule]
        words += ["--pruning-ratio", str(plan.ratio)]
        if plan.schedule == "gradual":
            words += ["--pruning-start", str(plan.start)]
            words += ["--pruning-ramp", str(plan.ramp)]
        words += ["--pruning-interval", str(plan.interval)]
        words += ["--mask-targets", ",".join(plan.targets)]
        words += ["--move-pruned"] * plan.move_pruned
        if plan.stop_settled:
            words += ["--stop-when-settled", str(plan.stop_settled)]
        if plan.stop_growth:
            words += ["--stop-when-growth-below", str(plan.stop_growth)]
        words += [*saving(settings.updates), *logging_of(settings.updates)]
        words += ["--disable-validation"] * (not self._validates(pairs))
        if settings.together:  # as in searches of their own, where each has as many
            words += ["--sampling-method", "uniform"]
        return arguments_of(
            settings.folder_of(pairs[0]),
            settings.folders,
            pairs,
            words + self._flags,
            self.on_cpu,
            settings.updates,
        )

    def command(self, *pairs: Pair) -> list[str]:
        """The whole command of one training, an argument list."""
        return train_command(self.arguments(*pairs))

    # -- checks ------------------------------------------------------------------

    def check(self, pairs: Sequence[Pair]) -> None:
        """See that *pairs* can be searched, and that the base fits the data.

        Raises:
            LassError: names what is at fault.
        """
        parse_targets(self.settings.targets)
        first = pairs if self.settings.together else pairs[:1]
        options = self.builder.parsed(self.arguments(*first))
        if self.on_cpu or torch.cuda.is_available():
            check_model(options, self.base, self.settings.data)

    def check_space(self, pairs: int, jobs: int) -> None:
        """Refuse to start *pairs* searches, *jobs* at a time, on too full a disk.

        A finished training keeps one checkpoint (weights, two moments, and for each of
        its pairs two half scores); a running one has up to three (last, best, the last
        interval).
        """
        weights = self.base.weight_bytes
        sites = self.base.sites(self.settings.targets).values()
        scores = sum(4 * site.numel() for site in sites)
        together = pairs if self.settings.together else 1
        trainings = pairs // together
        scores *= 2 * together * SCORES.get(self.settings.criterion).accumulates
        needed = (3 * weights + scores) * (trainings + 2 * min(jobs, trainings))
        advice = "choose another --out, or run fewer pairs at once"
        check_space(needed, self.settings.out, "the searches need", advice)

    def _validates(self, pairs: Iterable[Pair]) -> bool:
        """Whether every pair has data for it."""
        subsets = self.builder.chosen("valid_subset", "valid").split(",")
        folder = self.settings.folders[0]
        return all(
            find_split(folder, subset, pair, language)
            for subset, pair in product(subsets, pairs)
            for language in (pair.source, pair.target)
        )


def printed(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """A command as one line for a POSIX shell."""
    settings = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
    return " ".join([*settings, shlex.join(command)])
