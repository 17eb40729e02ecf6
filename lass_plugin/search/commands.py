"""The command of every pair, and what is checked before any of them is started."""

import logging
import os
import shlex
import sys
import warnings
from pathlib import Path
from typing import Any, Mapping, Sequence

import torch

import lass_plugin
from lass_plugin.data.pair_data import find_split
from lass_plugin.errors import LassError
from lass_plugin.files import check_space
from lass_plugin.languages import Pair
from lass_plugin.masks import parse_targets
from lass_plugin.search.base import Base
from lass_plugin.search.flags import SEARCH_TASK, FlagBuilder
from lass_plugin.search.settings import SearchSettings

USER_DIR = Path(lass_plugin.__file__).resolve().parent
NEVER = "1000000000"
SAVES = 10
"""How often a search saves itself, and validates."""


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
        self._builder = FlagBuilder(base, settings.flags, settings.updates, on_cpu)
        self._flags = self._builder.flags()

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
        arguments = [
            data,
            "--task",
            SEARCH_TASK,
            "--lang-pairs",
            ",".join(map(str, pairs)),
        ]
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
        # saved by updates, not by epochs, which differ in length from pair to pair
        arguments += ["--save-interval", NEVER, "--validate-interval", NEVER]
        arguments += ["--save-interval-updates", str(max(1, updates // SAVES))]
        arguments += ["--keep-interval-updates", "1", "--no-epoch-checkpoints"]
        arguments += ["--log-format", "json", "--num-workers", "0"]
        arguments += ["--log-interval", str(max(1, min(100, updates // 100)))]
        if not all(self._has_validation(each) for each in pairs):
            arguments.append("--disable-validation")
        if settings.together:  # as in searches of their own, where each has as many
            arguments += ["--sampling-method", "uniform"]
        return arguments + self._flags

    def command(self, *pairs: Pair) -> list[str]:
        """The whole command of one training, an argument list."""
        data, *rest = self.arguments(*pairs)
        start = [sys.executable, "-m", "fairseq_cli.train", data]
        return [*start, "--user-dir", str(USER_DIR), *rest]

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
        options = self._builder.parsed(self.arguments(*first))
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
        weights = self.base.bytes()
        sites = self.base.sites(self.settings.targets).values()
        scores = sum(4 * site.numel() for site in sites)
        together = pairs if self.settings.together else 1
        trainings = pairs // together
        scores *= 2 * together * (self.settings.criterion == "gradient")
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


def check_data(folder: Path, split: str, pair: Pair) -> None:
    """Refuse a pair without its data.

    Raises:
        LassError: names the file.
    """
    for language in (pair.source, pair.target):
        if find_split(folder, split, pair, language) is None:
            raise LassError(
                f"there is no {split} data of {pair} in {folder} (looked for "
                f"{split}.{pair}.{language}.idx and the reverse order); prepare it "
                "or leave the pair out of --pairs"
            )


def check_model(options: Any, base: Base, data: str) -> None:
    """Build the model without memory for its weights and compare its shapes to *base*.

    Raises:
        LassError: names the matrix or the dictionary at fault.
    """
    model = _empty_model(options)
    mine = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    theirs = {n: tuple(t.shape) for n, t in base.weights.items()}
    for name, shape in mine.items():
        if name not in theirs and name.endswith(".version"):
            continue  # a buffer that fairseq fills in
        if theirs.get(name) == shape:
            continue
        if name not in theirs:
            raise LassError(
                f"{base.path} has no {name}, which its architecture needs; it "
                "is no complete checkpoint, or flags after -- change its model"
            )
        if "embed_tokens" in name and shape[1:] == theirs[name][1:]:
            raise LassError(
                f"{base.path} has {theirs[name][0]} symbols in {name}, but "
                f"the dictionary of {data} with its language tokens "
                f"has {shape[0]}; give the data folder and the languages that the "
                "base was trained with (--langs after --)"
            )
        raise LassError(
            f"{name} has shape {theirs[name]} in {base.path} but {shape} in "
            "the model that its options describe; a flag after -- changes it"
        )


def _empty_model(options: Any) -> torch.nn.Module:
    """The model that fairseq-train would build, its weights without memory."""
    from fairseq import tasks
    from fairseq.dataclass.utils import convert_namespace_to_omegaconf

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), torch.device("meta"):
            warnings.simplefilter("ignore")  # of hydra, about its own past
            cfg = convert_namespace_to_omegaconf(options)
            task = tasks.setup_task(cfg.task)
            return task.build_model(cfg.model)
    except LassError:
        raise
    except Exception as error:  # whatever fairseq finds wrong with the options
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise LassError(
            "fairseq-train cannot be set up with the base's options and the flags "
            f"after --: {(str(cause).strip() or repr(cause)).splitlines()[0]}"
        ) from error
    finally:
        logging.disable(before)


def printed(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """A command as one line for a POSIX shell."""
    settings = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
    return " ".join([*settings, shlex.join(command)])
