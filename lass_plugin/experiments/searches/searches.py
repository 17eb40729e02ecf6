"""The searches of one call: what each is, how it is started, what it needs."""

from itertools import product
from typing import Any, Callable, Iterable, Sequence

import torch

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.data.pair_data import find_split
from lass_plugin.experiments import content
from lass_plugin.experiments.launching.base import Base, check_data, check_model
from lass_plugin.experiments.launching.commands import (
    arguments_of,
    logging_of,
    saving,
    train_command,
)
from lass_plugin.experiments.launching.flags import TRAINED, FlagBuilder, Purpose
from lass_plugin.experiments.launching.jobs import Job
from lass_plugin.experiments.searches import results
from lass_plugin.experiments.searches.course import Course, course_of, peak_rate
from lass_plugin.experiments.searches.settings import (
    TOGETHER,
    SearchSettings,
)
from lass_plugin.experiments.stage import Stage
from lass_plugin.files import check_space
from lass_plugin.languages import Pair
from lass_plugin.masks import Fingerprint, fingerprint, parse_targets
from lass_plugin.methods.search.plan import SearchPlan
from lass_plugin.methods.search.searched_masks import search_states
from lass_plugin.places.devices import on_cpu
from lass_plugin.records.plain_settings import identity, option_of
from lass_plugin.scores import SCORES

SEARCH = Purpose(
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
    stop_patience="use --stop-patience of lass search",
    stop_when_settled="use --stop-when-settled of lass search",
    stop_when_growth_below="use --stop-when-growth-below of lass search",
)


class Searches:
    """The trainings of fairseq-train that search the pairs of *settings*.

    Raises:
        LassError: the base cannot be read; flags that fairseq does not take, or that
            ``lass search`` sets; or data are not there.
    """

    def __init__(self, settings: SearchSettings):
        self.settings = settings
        self.base = Base.read(settings.base)
        self.on_cpu = on_cpu(settings)
        self._builder = FlagBuilder(
            self.base, settings.flags, settings.updates, self.on_cpu, SEARCH
        )
        self._split = self._builder.chosen(*TRAINED)
        self._courses: dict[Pair, tuple[SearchPlan, Course]] = {}
        self._made: dict[tuple[str, ...], list[str]] = {}
        check_data(settings.folders, [self._split], settings.pairs)

    def plan_and_course(self, group: Sequence[Pair]) -> tuple[SearchPlan, Course]:
        """The plan of the first of *group*, and how the training of *group* goes.

        Raises:
            LassError: the folder of *group* holds something else, or the search is now
                too short for the schedule it began with.
        """
        if group[0] not in self._courses:
            self._know(group, results.find(self.settings, group[0]))
        return self._courses[group[0]]

    def _know(self, group: Sequence[Pair], found: Checkpoint | None) -> None:
        """Take plan and course from the last checkpoint of *group*, if there is one.

        The checkpoint is not kept: it is mapped into memory, and would hold its place
        on the disk after the training has replaced it.
        """
        settings, begun, states = self.settings, None, {}
        if found is not None:
            begun, states = Base(found.path, found.content), search_states(found)
        first = states.get(str(group[0]))
        before = None if first is None else SearchPlan.from_dict(first["plan"])
        plan = settings.checked(settings.plan_of(group[0], before))
        words = (self._builder, plan, settings.updates, len(group), begun)
        self._courses[group[0]] = plan, course_of(*words)

    def described(self, group: Sequence[Pair]) -> list[str]:
        """What was chosen for the training of *group* and why; then the warnings."""
        plan, course = self.plan_and_course(group)
        own = self.settings.updates // len(group)
        peak = peak_rate(self.base)
        warnings = course.departures(plan, own, len(group), peak)
        return [
            f"search of {', '.join(map(str, group))}: {course.described(plan, own)}",
            *(f"warning: {each}" for each in warnings),
        ]

    @property
    def groups(self) -> list[tuple[Pair, ...]]:
        """The pairs of each training."""
        pairs = self.settings.pairs
        return [pairs] if self.settings.together else [(pair,) for pair in pairs]

    def jobs(self) -> dict[Job, tuple[Pair, ...]]:
        """Every training, whatever is there of it, and the pairs that it searches.

        Raises:
            LassError: a folder holds something else.
        """
        origin = fingerprint(self.base.sites(self.settings.targets))
        return {self._job(group, origin): group for group in self.groups}

    def _job(self, group: Sequence[Pair], origin: Fingerprint) -> Job:
        """The training of *group*; *origin* is that of the base, for searches of
        earlier versions."""
        settings = self.settings
        found = [results.find(settings, pair) for pair in group][0]
        self._know(group, found)
        had = found.updates if found else 0

        def derived(option: str) -> Callable[[Any, Any], bool]:
            # what has not trained yet may begin with the stages of another length
            own = getattr(settings, option) is None
            return lambda before, now: own and found is None

        stage = Stage(
            settings.folder_of(group[0]),
            f"search of {', '.join(map(str, group))}",
            self._identity(group),
            continues={
                "options.updates": lambda before, now: had <= now,
                "options.start": derived("start"),
                "options.ramp": derived("ramp"),
                "validation": lambda before, now: before is None,  # not compared once
            },
            hints={"options.ratio": "'lass extract' takes a mask at any ratio"},
        )
        if found is not None:
            results.check_goes_on(found, settings.updates)
            stage.adopt(results.identity_in(found, origin))
        return Job(
            TOGETHER if settings.together else str(group[0]),
            stage,
            self.command(*group),
            settings.updates,
            pairs=len(group),
            settled=results.has_settled,
        )

    def _identity(self, group: Sequence[Pair]) -> dict[str, Any]:
        """What makes the search of *group* this one and no other."""
        settings = self.settings
        options = identity(settings)
        options.pop(option_of(SearchSettings, "stop_patience"), None)
        plan = self.plan_and_course(group)[0]
        options |= results.options_of(plan)
        options["pairs"] = list(map(str, group))
        losses = {}
        if plan.stop_patience:  # which validation losses decide
            folder = settings.folders[:1]
            losses["validation"] = content.of_data(folder, group, self._valid_subsets)
        return {
            **losses,
            "command": "lass search",
            "options": options,
            "flags": self._builder.identity(),
            "inputs": content.of_data(settings.folders, group, [self._split]),
            "base": content.of_weights(settings.base),
        }

    def arguments(self, *pairs: Pair) -> list[str]:
        """All that follows ``fairseq-train --user-dir …``, the data folder first.

        Args:
            pairs: those that the training searches, one or all of them.
        """
        settings = self.settings
        plan, course = self.plan_and_course(pairs)
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
        if plan.stop_patience:
            words += ["--stop-patience", str(plan.stop_patience)]
        if plan.stop_settled:
            words += ["--stop-when-settled", str(plan.stop_settled)]
        if plan.stop_growth:
            words += ["--stop-when-growth-below", str(plan.stop_growth)]
        words += saving(settings.updates, self.base.seconds_an_update)
        words += logging_of(settings.updates)
        words += ["--disable-validation"] * (not self._validates(pairs))
        if settings.together:  # as in searches of their own, where each has as many
            words += ["--sampling-method", "uniform"]
        return arguments_of(
            settings.folder_of(pairs[0]),
            settings.folders,
            pairs,
            words + self._flags(course),
            self.on_cpu,
            settings.updates,
        )

    def _flags(self, course: Course) -> list[str]:
        """The base's options, *course* and the flags of the user, which come last."""
        if course.flags not in self._made:
            settings = self.settings
            given = [*course.flags, *settings.flags]
            builder = FlagBuilder(
                self.base, given, settings.updates, self.on_cpu, SEARCH
            )
            self._made[course.flags] = builder.flags()
        return self._made[course.flags]

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
        options = self._builder.parsed(self.arguments(*first))
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

    @property
    def _valid_subsets(self) -> list[str]:
        subsets: str = self._builder.chosen("valid_subset", "valid")
        return subsets.split(",")

    def _validates(self, pairs: Iterable[Pair]) -> bool:
        """Whether every pair has data for it."""
        folder = self.settings.folders[0]
        return all(
            find_split(folder, subset, pair, language)
            for subset, pair in product(self._valid_subsets, pairs)
            for language in (pair.source, pair.target)
        )
