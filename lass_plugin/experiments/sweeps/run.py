"""A sweep from its masks to its table: each step is skipped where it is done."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic

from lass_plugin.experiments import content
from lass_plugin.experiments.launching.base import Base
from lass_plugin.experiments.stage import Stage
from lass_plugin.experiments.sweeps import tables
from lass_plugin.experiments.sweeps.joint import JointTrainings
from lass_plugin.experiments.sweeps.losses import measure_losses
from lass_plugin.experiments.sweeps.settings import ComparisonSettings
from lass_plugin.experiments.sweeps.variants import V
from lass_plugin.masks import MaskSet


class Sweep(ABC, Generic[V]):
    """What is compared: the variants of one kind, and how their masks are made.

    Args:
        pairs: all directions, in their order.
        variants: the rows of the table, the dense baseline first.
    """

    table: ClassVar[tables.SweepTable]

    def __init__(
        self,
        settings: ComparisonSettings,
        base: Base,
        pairs: list[str],
        variants: Sequence[V],
    ):
        self.settings, self.base, self.pairs = settings, base, pairs
        self.variants = list(variants)

    @abstractmethod
    def make_masks(self) -> dict[V, MaskSet | None]:
        """The masks of all variants, in their order; None for the dense baseline."""

    def save_masks(self, masks: Mapping[V, MaskSet | None]) -> None:
        """Write what :meth:`make_masks` has not written itself."""

    def first_of_same(self, masks: Mapping[V, MaskSet | None]) -> dict[V, V]:
        """Each variant and the one that is trained and measured for it."""
        return {variant: variant for variant in masks}

    @abstractmethod
    def describe(self, variant: V, masks: MaskSet | None, first: V) -> dict[str, Any]:
        """What tells a variant from the others, as JSON values.

        Args:
            first: the one that is trained and measured for it.
        """

    def notes(self) -> list[str]:
        """Sentences for people on how the variants were made."""
        return [self.settings.note()]

    def measure(self, masks: Mapping[V, MaskSet | None]) -> dict[str, dict[str, float]]:
        """Name of each variant -> pair -> validation loss; kept in ``losses.json``."""
        return measure_losses(self.settings, self.pairs, masks)

    def run(self) -> dict[str, Any]:
        """Make the masks, measure or train each variant, write table and curves.

        The same settings again go on where they were; more variants in the same folder
        add to what is there.

        Returns:
            The record of :func:`.tables.record_of`, as written to ``out/sweep.json``.

        Raises:
            LassError: as far as can be known, before anything is trained.
        """
        settings = self.settings
        # what a variant was made with is known of each by itself, so that others can
        # be added
        identity = {
            "command": self.table.form.name,
            "options": {"pairs": self.pairs},
            "inputs": content.of_data(settings.folders, self.pairs),
            "base": content.of_weights(settings.base),
        }
        with Stage(settings.out, "sweep", identity).held():
            return self._run()

    def _run(self) -> dict[str, Any]:
        settings, trainings, report, jobs = self.settings, None, None, []
        trained: dict[str, float] = {}
        if settings.updates:
            trainings = JointTrainings(settings, self.base, self.pairs)
        masks = self.make_masks()
        first = self.first_of_same(masks)
        different = {v: masks[v] for v in dict.fromkeys(first.values())}
        if trainings is not None:
            jobs = trainings.jobs(different)  # refuses a folder with another sweep
        self.save_masks(masks)
        losses = self.measure(different) if settings.measures_losses else {}
        if trainings is not None:
            trainings.run(jobs)
            report = trainings.scores(different)
            trained = trainings.losses(different)
        rows = []
        for variant, each in masks.items():
            same = first[variant]
            described = self.describe(variant, each, same)
            row = tables.row_of(variant, described, same.name, each, losses, report)
            rows.append(row | {"loss_after": trained.get(same.name)})
        record = tables.record_of(rows, losses, report, self.notes())
        tables.write(self.table, record, settings.out)
        return record
