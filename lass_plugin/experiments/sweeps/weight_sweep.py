"""Sweeps over ratios: the masks of all variants are cut from searches."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lass_plugin.data.progress import Progress
from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.base import Base
from lass_plugin.experiments.searches.results import checkpoint_files
from lass_plugin.experiments.sweeps import own_ratios
from lass_plugin.experiments.sweeps.ratio_choice import RatioChoice
from lass_plugin.experiments.sweeps.run import Sweep
from lass_plugin.experiments.sweeps.settings import OwnRatioSettings, SweepSettings
from lass_plugin.experiments.sweeps.sources import Sources, read_masks
from lass_plugin.experiments.sweeps.variants import DENSE
from lass_plugin.experiments.sweeps.weight_table import WEIGHTS
from lass_plugin.experiments.sweeps.weight_variants import (
    OWN,
    RANDOM,
    WeightVariant,
    list_variants,
)
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.masks import MaskSet, fingerprint, save_masks
from lass_plugin.masks.random import random_masks


class WeightSweep(Sweep[WeightVariant]):
    """The searches, the variants and the masks of one sweep.

    Raises:
        LassError: a search is missing or does not fit; the masks of a variant cannot
            be cut exactly and the settings do not accept others.
    """

    table = WEIGHTS
    settings: SweepSettings

    def __init__(self, settings: SweepSettings):
        settings.check()
        base = Base.read(settings.base)
        self.sources = Sources(
            checkpoint_files(settings.searches),
            lambda targets: fingerprint(base.sites(targets)),
            settings.recut,
        )
        wanted = settings.pairs or tuple(map(Pair.parse, self.sources.pairs))
        pairs = [str(pair) for pair in sorted(wanted)]
        parse_pairs(pairs)
        variants = list_variants(
            settings.methods or self.sources.kinds,
            settings.ratios,
            settings.ablation,
            settings.own_ratios,
            settings.random,
        )
        super().__init__(settings, base, pairs, variants)
        self.exact: dict[WeightVariant, bool] = {}
        self._ratios: dict[WeightVariant, dict[str, float]] = {}
        for variant in variants:
            if variant.search is None:
                continue
            gradual = variant.search.schedule == "gradual"
            if variant.kind == OWN and gradual and not settings.recut:
                raise LassError(
                    f"{variant.name} would cut masks at ratios that no gradual search "
                    "trained under; use a one-shot search, or accept the approximation "
                    "with --recut"
                )
            same = dict.fromkeys(pairs, variant.ratio)
            self.exact[variant] = self.sources.is_exact(variant, same)
            if variant.kind != OWN:
                self._ratios[variant] = same

    def make_masks(self) -> dict[WeightVariant, MaskSet | None]:
        """The masks of all variants, written as they are cut.

        Those with a ratio for each pair are cut when the losses of the others are
        known.
        """
        masks = self.cut_masks()
        own = [variant for variant in self.variants if variant.kind == OWN]
        if own:
            losses = self.measure(masks)
            ratios = {}
            for variant in own:
                place = self.settings.out / "allocations" / f"{variant.name}.json"
                choice, _ = self.choose_ratios(variant, losses, place)
                ratios[variant] = choice.ratios
                self.exact[variant] = self.sources.is_exact(variant, ratios[variant])
            masks |= self._cut(ratios)
        return {variant: masks[variant] for variant in self.variants}

    def cut_masks(self) -> dict[WeightVariant, MaskSet | None]:
        """The masks of all variants but those of own ratios, written and read back."""
        masks = self._cut(self._ratios)
        for variant in self.variants:
            if variant.kind == DENSE:
                masks[variant] = None
            elif variant.kind == RANDOM:
                masks[variant] = self._random(variant)
        return masks

    def _cut(
        self, ratios: Mapping[WeightVariant, Mapping[str, float]]
    ) -> dict[WeightVariant, MaskSet | None]:
        folders = {variant: self.settings.masks_of(variant.name) for variant in ratios}
        self.write_masks(folders, ratios)
        return {v: read_masks(folder, self.pairs) for v, folder in folders.items()}

    def write_masks(
        self,
        folders: Mapping[WeightVariant, Path],
        ratios: Mapping[WeightVariant, Mapping[str, float]],
    ) -> None:
        """Cut masks, variant -> pair -> ratio, into the folder of each variant."""
        if folders:
            progress = Progress("cutting masks", len(folders) * len(self.pairs))
            self.sources.write(folders, ratios, progress.advance)
            progress.finish()

    def _random(self, variant: WeightVariant) -> MaskSet:
        sites = self.base.sites(self.sources.targets)
        made = random_masks(
            self.pairs,
            {name: tuple(weight.shape) for name, weight in sites.items()},
            variant.ratio,
            self.settings.seed,
            fingerprint(sites),
        )
        save_masks(self.settings.masks_of(variant.name), made)
        return made

    def choose_ratios(
        self,
        variant: WeightVariant,
        losses: Mapping[str, Mapping[str, float]],
        target: Path,
    ) -> tuple[RatioChoice, list[Path]]:
        """The ratio of each pair for a variant of own ratios, and its files."""
        choice, record = own_ratios.choose(variant, self.variants, losses)
        return choice, own_ratios.write(record, target)

    def describe(
        self, variant: WeightVariant, masks: MaskSet | None, first: WeightVariant
    ) -> dict[str, Any]:
        """What tells a variant from the others, as JSON values."""
        return {
            "method": None if variant.search is None else str(variant.search),
            "ratio": variant.ratio,
            "targets": None if variant.targets is None else list(variant.targets),
            "exact": self.exact.get(variant, True),
            "ratios": {k: mask.provenance.ratio for k, mask in (masks or {}).items()},
        }

    def notes(self) -> list[str]:
        """Sentences for people on how the variants were made."""
        seed = f"Random masks have seed {self.settings.seed}."
        return super().notes() + [seed] * bool(self.settings.random)


def write_own_ratios(settings: OwnRatioSettings) -> tuple[RatioChoice, list[Path]]:
    """Choose each pair's own ratio and cut the masks at these, without a sweep.

    Returns:
        The choice; and what was written: its record, table and picture in ``out``,
        the masks in ``out/masks``. Masks and losses of the grid are in ``out/grid``.

    Raises:
        LassError: as in :meth:`.Sweep.run`, or the searches are of several kinds.
    """
    sweep = WeightSweep(settings.sweep)
    own = [variant for variant in sweep.variants if variant.kind == OWN]
    if len(own) != 1:
        kinds = ", ".join(str(variant.search) for variant in own)
        raise LassError(
            f"the searches are of several methods ({kinds}); choose with --method"
        )
    losses = sweep.measure(sweep.cut_masks())
    record = settings.out / "allocation.json"
    choice, written = sweep.choose_ratios(own[0], losses, record)
    masks = settings.masks_of("")
    sweep.write_masks({own[0]: masks}, {own[0]: choice.ratios})
    return choice, [*written, masks]
