"""The command of every pair, and what is checked before any of them is started."""

import os
import shlex
from pathlib import Path
from typing import Mapping, Sequence

import torch

from lass_plugin.data.pair_data import find_split
from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.base import Base
from lass_plugin.experiments.launching.checks import check_data, check_model
from lass_plugin.experiments.launching.commands import logging_of, saving, train_command
from lass_plugin.experiments.launching.flags import FlagBuilder, Purpose
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
        LassError: flags that fairseq does not take, or that ``lass search`` sets.
    """

    def __init__(self, settings: SearchSettings, base: Base, on_cpu: bool):
        self.settings = settings
        self.base = base
        self.on_cpu = on_cpu
        self.builder = FlagBuilder(
            base, settings.flags, settings.updates, on_cpu, SEARCH
        )
        self._flags = self.builder.flags()

    def arguments(self, *pairs: Pair) -> list[str]:
        """All that follows ``fairseq-train --user-dir …``, the data folder first.

        Args:
            pairs: those that the training searches, one or all of them.
        """
        settings = self.settings
        pair = pairs[0]
        plan = settings.plan_of(pair)
        updates = settings.updates
        data = os.pathsep.join(str(folder.resolve()) for folder in settings.folders)
        arguments = [data, "--task", SEARCH.task]
        arguments += ["--lang-pairs", ",".join(map(str, pairs))]
        arguments += ["--finetune-from-model", str(settings.base.resolve())]
        arguments += ["--save-dir", str(settings.folder_of(pair).resolve())]
        arguments += ["--max-update", str(updates)]
        arguments += ["--pruning-criterion", plan.criterion]
        arguments += ["--pruning-schedule", plan.schedule]
        arguments += ["--pruning-ratio", str(plan.ratio)]
        if plan.schedule == "gradual":
            arguments += ["--pruning-start", str(plan.start)]
            arguments += ["--pruning-ramp", str(plan.ramp)]
        arguments += ["--pruning-interval", str(plan.interval)]
        arguments += ["--mask-targets", ",".join(plan.targets)]
        arguments += ["--move-pruned"] * plan.move_pruned
        for option, value in (
            ("--stop-when-settled", plan.stop_settled),
            ("--stop-when-growth-below", plan.stop_growth),
        ):
            arguments += [option, str(value)] if value else []
        arguments += ["--cpu"] * self.on_cpu
        arguments += [*saving(updates), *logging_of(updates)]
        if not all(self._has_validation(each) for each in pairs):
            arguments.append("--disable-validation")
        if settings.together:  # as in searches of their own, where each has as many
            arguments += ["--sampling-method", "uniform"]
        return arguments + self._flags

    def command(self, *pairs: Pair) -> list[str]:
        """The whole command of one training, an argument list."""
        return train_command(*self.arguments(*pairs))

    # -- checks ------------------------------------------------------------------

    def check(self, pairs: Sequence[Pair]) -> None:
        """Say what is missing for *pairs*, and whether the base fits the data.

        Raises:
            LassError: names what is at fault.
        """
        parse_targets(self.settings.targets)
        for folder in self.settings.folders or [Path("")]:
            if not folder.is_dir():
                raise LassError(f"the data folder {folder} does not exist")
        first = pairs if self.settings.together else pairs[:1]
        options = self.builder.parsed(self.arguments(*first))
        for pair in pairs:
            for folder in self.settings.folders:
                check_data(folder, options.train_subset, pair)
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

    def _has_validation(self, pair: Pair) -> bool:
        flags = list(self.settings.flags)
        subsets = "valid"
        for number, flag in enumerate(flags):
            name, equals, value = flag.partition("=")
            if name == "--valid-subset":
                subsets = value if equals else flags[number + 1]
        folder = self.settings.folders[0]
        return all(
            find_split(folder, subset, pair, language)
            for subset in subsets.split(",")
            for language in (pair.source, pair.target)
        )


def printed(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """A command as one line for a POSIX shell."""
    settings = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
    return " ".join([*settings, shlex.join(command)])
