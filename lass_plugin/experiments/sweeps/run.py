"""A sweep from its settings to its table: each step is skipped where it is done."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Mapping

from lass_plugin.data.progress import Progress
from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.base import Base
from lass_plugin.experiments.sweeps import own_ratios, table
from lass_plugin.experiments.sweeps.allocation import Allocation
from lass_plugin.experiments.sweeps.joint import JointTrainings
from lass_plugin.experiments.sweeps.losses import measure_losses
from lass_plugin.experiments.sweeps.scores import score_variants
from lass_plugin.experiments.sweeps.settings import SweepSettings
from lass_plugin.experiments.sweeps.sources import Sources, read_masks
from lass_plugin.experiments.sweeps.variants import DENSE, OWN, RANDOM, Variant
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.masks import MaskSet, fingerprint, save_masks
from lass_plugin.masks.fingerprint import short_name
from lass_plugin.masks.random import random_masks

__all__ = ["Sweep", "SweepSettings", "run_sweep"]


def run_sweep(settings: SweepSettings) -> dict[str, Any]:
    """Cut the masks, measure or train each variant, write the table and the curves.

    The same settings again go on where they were; more ratios in the same folder add
    to what is there.

    Returns:
        The record of :func:`.table.record_of`, as written to ``out/sweep.json``.

    Raises:
        LassError: as far as can be known, before anything is trained.
    """
    settings.check()
    sweep = Sweep(settings)
    trainings = None
    if settings.updates:
        trainings = JointTrainings(settings, sweep.base, sweep.pairs)
        trainings.check()
    masks = sweep.cut_masks()
    losses: dict[str, dict[str, float]] = {}
    if settings.own_ratios or not settings.updates:
        losses = sweep.measure(masks)
    allocations = {
        variant: sweep.allocate(variant, losses)
        for variant in sweep.variants
        if variant.kind == OWN
    }
    if allocations:
        masks |= sweep.cut_own(allocations)
        losses = sweep.measure(masks)
    report = None
    masks = {variant: masks[variant] for variant in sweep.variants}
    if trainings is not None:
        trainings.run(masks)
        report = score_variants(settings, sweep.variants, trainings)
    record = table.record_of(
        sweep.variants, masks, sweep.exact, losses, report, sweep.notes()
    )
    table.write(record, settings.out)
    return record


def allocate_masks(settings: SweepSettings) -> tuple[Allocation, list[Path]]:
    """Each pair's own ratio and the masks at these, without a sweep.

    Args:
        settings: one method, and one own ratio: the budget.

    Returns:
        The allocation; and what was written: its record, table and picture in ``out``,
        the masks in ``out/masks``. Masks and losses of the grid are in ``out/grid``.

    Raises:
        LassError: as in :func:`run_sweep`, or the searches are of several methods.
    """
    settings.check()
    out = settings.out
    sweep = Sweep(replace(settings, out=out / "grid"))
    own = [variant for variant in sweep.variants if variant.kind == OWN]
    if len(own) != 1:
        methods = ", ".join(str(variant.method) for variant in own)
        raise LassError(
            f"the searches are of several methods ({methods}); choose with --method"
        )
    losses = sweep.measure(sweep.cut_masks())
    allocation = sweep.allocate(own[0], losses, out / "allocation.json")
    sweep.write_masks({own[0]: out / "masks"}, {own[0]: allocation.ratios})
    suffixes = (".json", ".csv", ".png", ".svg")
    written = [(out / "allocation").with_suffix(suffix) for suffix in suffixes]
    return allocation, [*written, out / "masks"]


class Sweep:
    """The searches, the variants and the masks of one sweep.

    Raises:
        LassError: a search is missing or does not fit; the masks of a variant cannot
            be cut exactly and the settings do not accept others.
    """

    def __init__(self, settings: SweepSettings):
        self.settings = settings
        self.base = Base.read(settings.base)
        self.sources = Sources(
            settings.searches,
            lambda targets: fingerprint(self.base.sites(targets)),
            settings.recut,
        )
        wanted = settings.pairs or tuple(map(Pair.parse, self.sources.pairs))
        self.pairs = [str(pair) for pair in sorted(wanted)]
        parse_pairs(self.pairs)
        self.variants = settings.variants(tuple(self.sources.methods))
        self.exact: dict[Variant, bool] = {}
        self._ratios: dict[Variant, dict[str, float]] = {}
        for variant in self.variants:
            if variant.method is None:
                continue
            if variant.kind == OWN and variant.method.schedule == "gradual":
                if not settings.recut:
                    raise LassError(
                        f"{variant.name} would cut masks at ratios that no gradual "
                        "search trained under; use a one-shot search, or accept the "
                        "approximation with --recut"
                    )
            same = dict.fromkeys(self.pairs, float(variant.ratio or 0.0))
            self.exact[variant] = self.sources.is_exact(variant, same)
            if variant.kind != OWN:
                self._ratios[variant] = same

    def cut_masks(self) -> dict[Variant, MaskSet | None]:
        """The masks of all variants but those of own ratios, written and read back."""
        settings = self.settings
        folders = {variant: settings.masks_of(variant) for variant in self._ratios}
        self.write_masks(folders, self._ratios)
        masks: dict[Variant, MaskSet | None] = {
            variant: read_masks(folder, self.pairs)
            for variant, folder in folders.items()
        }
        for variant in self.variants:
            if variant.kind == DENSE:
                masks[variant] = None
            elif variant.kind == RANDOM:
                masks[variant] = self._random(variant, masks)
        return masks

    def cut_own(
        self, allocations: Mapping[Variant, Allocation]
    ) -> dict[Variant, MaskSet | None]:
        """The masks of the variants with a ratio for each pair."""
        folders = {v: self.settings.masks_of(v) for v in allocations}
        self.write_masks(folders, {v: a.ratios for v, a in allocations.items()})
        for variant, allocation in allocations.items():
            self.exact[variant] = self.sources.is_exact(variant, allocation.ratios)
        return {v: read_masks(folder, self.pairs) for v, folder in folders.items()}

    def write_masks(
        self,
        folders: Mapping[Variant, Path],
        ratios: Mapping[Variant, Mapping[str, float]],
    ) -> None:
        """Cut masks, variant -> pair -> ratio, into the folder of each variant."""
        if folders:
            progress = Progress("cutting masks", len(folders) * len(self.pairs))
            self.sources.write(folders, ratios, progress.advance)
            progress.finish()

    def _random(
        self, variant: Variant, masks: Mapping[Variant, MaskSet | None]
    ) -> MaskSet:
        targets = self.sources.targets
        sites = self.base.sites(targets)
        shapes = {name: tuple(weight.shape) for name, weight in sites.items()}
        made = random_masks(
            self.pairs,
            shapes,
            float(variant.ratio or 0.0),
            self.settings.seed,
            fingerprint(sites),
        )
        save_masks(self.settings.masks_of(variant), made)
        return made

    # -- losses ------------------------------------------------------------------

    def measure(
        self, masks: Mapping[Variant, MaskSet | None]
    ) -> dict[str, dict[str, float]]:
        """Name of each variant -> pair -> validation loss; kept in ``losses.json``."""
        base = short_name(fingerprint(self.base.sites(self.sources.targets)))
        return measure_losses(self.settings, base, self.pairs, masks)

    def allocate(
        self,
        variant: Variant,
        losses: Mapping[str, Mapping[str, float]],
        target: Path | None = None,
    ) -> Allocation:
        """The ratio of each pair for a variant of own ratios, and its files.

        Args:
            target: where its record goes (default: ``allocations`` of the sweep).
        """
        method, budget = variant.method, float(variant.ratio or 0.0)
        assert method is not None
        allocation = own_ratios.choose_ratios(method, self.variants, losses, budget)
        record = own_ratios.record_of(method, self.variants, losses, allocation)
        place = self.settings.out / "allocations" / f"{variant.name}.json"
        own_ratios.write(record, target or place)
        return allocation

    def notes(self) -> list[str]:
        """Sentences for people on how the variants were made."""
        settings = self.settings
        control = [f"Random masks have seed {settings.seed}."] * bool(settings.random)
        return [settings.note(), *control]
