"""Sweeps over ratios: the masks of all variants are cut from searches."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.evaluation.comparison import METRICS
from lass_plugin.experiments.launching.base import Base
from lass_plugin.experiments.searches.results import checkpoint_files
from lass_plugin.experiments.sweeps import own_ratios
from lass_plugin.experiments.sweeps.run import Sweep
from lass_plugin.experiments.sweeps.settings import OwnRatioSettings, SweepSettings
from lass_plugin.experiments.sweeps.sources import Sources
from lass_plugin.experiments.sweeps.tables import LOSS, Row, SweepTable
from lass_plugin.experiments.sweeps.variants import DENSE
from lass_plugin.experiments.sweeps.weight_variants import (
    CONTROL,
    OWN,
    RANDOM,
    RATIO,
    SUB_LAYER,
    WeightVariant,
    list_variants,
)
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.masks import MaskSet, fingerprint, save_masks
from lass_plugin.masks.controls import matched_masks
from lass_plugin.masks.random import random_masks
from lass_plugin.records.curves import Curve, draw_curves
from lass_plugin.records.json_record import RecordFormat


def _ratio(row: Row, key: str | None) -> str:
    ratio = row["ratio"] if key is None else row["ratios"].get(key, row["ratio"])
    return "" if ratio is None else f"{ratio:g}"


def _not_exact(rows: Sequence[Row]) -> list[str]:
    if all(row["exact"] for row in rows):
        return []
    return ["", "\\* Cut from a gradual search that trained under another ratio."]


def _below(rows: Sequence[Row]) -> list[str]:
    """Which masks are not exact; the ratio that each method is best at."""
    best: dict[str, Row] = {}
    for row in rows:
        loss, method = row.get("loss_after"), row["method"]
        if row["kind"] == RATIO and loss is not None:
            if method not in best or loss < best[method]["loss_after"]:
                best[method] = row
    lines = _not_exact(rows)
    if best:
        found = ", ".join(f"{method} {row['ratio']:g}" for method, row in best.items())
        lines += ["", f"Ratio of the lowest loss after joint training: {found}."]
    return lines


def _draw(rows: Sequence[Row], data: Path) -> list[Path]:
    """Draw the curves of a ``sweep.json`` (He 2023, Fig. 1).

    ``sweep.png`` and ``.svg`` show BLEU after joint training, ``sweep.loss.png`` and
    ``.svg`` the loss before it; each only where it was measured.
    """
    after, before = data.with_suffix(".png"), data.with_name("sweep.loss.png")
    trained = "BLEU after joint training"
    untrained = "Validation loss under the mask, before joint training"
    written = []
    for path, entry, what, title, unit in (
        (after, "scores", METRICS[0], trained, METRICS[0]),
        (before, "losses", LOSS, untrained, "bits a token"),
    ):
        measured = [row for row in rows if row[entry]]
        values = [(row, row["averages"]["all"][what]) for row in measured]
        levels = [(DENSE, value) for row, value in values if row["kind"] == DENSE]
        if measured:
            label = f"{unit}, mean of {len(measured[0][entry])} pairs"
            words = (title, "pruning ratio", label)
            written += draw_curves(_curves(values), path, *words, levels=levels)
    return written


def _curves(values: Sequence[tuple[Row, float]]) -> list[Curve]:
    """A line for each method and each kind of control, marks for the rest."""
    points: dict[tuple[str, bool], list[tuple[float, float]]] = defaultdict(list)
    for row, value in values:
        if row["kind"] == DENSE:
            continue
        what = "+".join(row.get("match") or ())
        name = {
            RATIO: row["method"],
            RANDOM: "random",
            OWN: f"{row['method']}, own ratios",
            CONTROL: f"random, {what} of {row['method']}",
            SUB_LAYER: f"{row['method']}, {'+'.join(row['targets'] or ())} only",
        }[row["kind"]]
        name += "" if row["exact"] else " (recut)"
        alone = row["kind"] in (OWN, SUB_LAYER)
        points[name, alone].append((row["ratio"], value))
    curves = []
    for (name, alone), found in points.items():
        x, y = zip(*sorted(found), strict=True)
        curves.append(Curve(name, x, y, points_only=alone and len(found) < 3))
    return curves


WEIGHTS = SweepTable(
    form=RecordFormat(
        "lass_plugin sweep", "a sweep.json of 'lass sweep'", measured=True
    ),
    units="weights",
    fields={
        "method": lambda row, _: row["method"],
        "ratio": _ratio,
        "targets": lambda row, _: "+".join(row["targets"] or ()),
        "exact": lambda row, _: "yes" if row["exact"] else "no",
    },
    columns={
        "variant": lambda row: row["name"] + ("" if row["exact"] else " *"),
        "kind": lambda row: row["kind"],
        "ratio": lambda row: f"{row['ratio']:g}",
    },
    left=2,
    below=_below,
    draw=_draw,
)


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
            settings.controls,
        )
        super().__init__(settings, base, pairs, variants)
        self.own = [variant for variant in variants if variant.kind == OWN]
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
            if variant.kind not in (OWN, CONTROL):
                self._ratios[variant] = same

    def make_masks(self) -> dict[WeightVariant, MaskSet | None]:
        """The masks of all variants, written as they are cut.

        Those with a ratio for each pair are cut when the losses of the others are
        known.
        """
        masks = self.cut_masks()
        if self.own:
            losses, ratios = self.measure(masks), {}
            for own in self.own:
                place = self.settings.out / "allocations" / f"{own.name}.json"
                choice, _ = own_ratios.choose(own, self.variants, losses, place)
                ratios[own] = choice.ratios
                self.exact[own] = self.sources.is_exact(own, choice.ratios)
            masks |= self._cut(ratios)
        return {variant: masks[variant] for variant in self.variants}

    def cut_masks(self) -> dict[WeightVariant, MaskSet | None]:
        """The masks of all variants but those of own ratios, written and read back."""
        masks = self._cut(self._ratios)
        for variant in self.variants:
            if variant.kind == DENSE:
                masks[variant] = None
            elif variant.kind in (RANDOM, CONTROL):
                found = masks.get(variant.controlled)
                made = masks[variant] = self._draw_masks(variant, found)
                save_masks(self.settings.masks_of(variant.name), made)
        return masks

    def _draw_masks(self, variant: WeightVariant, found: MaskSet | None) -> MaskSet:
        """Random masks of a variant, a control of *found* or of none."""
        sites, seed = self.base.sites(self.sources.targets), self.settings.seed
        if found is not None:
            return matched_masks(found, seed, variant.match, sites, nearest=True)
        shapes = {name: weight.shape for name, weight in sites.items()}
        words = (variant.ratio, seed, fingerprint(sites))
        return random_masks(self.pairs, shapes, *words)

    def _cut(
        self, ratios: Mapping[WeightVariant, Mapping[str, float]]
    ) -> dict[WeightVariant, MaskSet | None]:
        folders = {variant: self.settings.masks_of(variant.name) for variant in ratios}
        return self.sources.cut(folders, ratios)

    def describe(
        self, variant: WeightVariant, masks: MaskSet | None, first: WeightVariant
    ) -> dict[str, Any]:
        return {
            "method": None if variant.search is None else str(variant.search),
            "ratio": variant.ratio,
            "targets": None if variant.targets is None else list(variant.targets),
            "exact": self.exact.get(variant, True),
            "match": list(variant.match) or None,
            "ratios": {k: mask.provenance.ratio for k, mask in (masks or {}).items()},
        }

    def notes(self) -> list[str]:
        drawn = bool(self.settings.random or self.settings.controls)
        seed = f"Random masks have seed {self.settings.seed}."
        return super().notes() + [seed] * drawn


def write_own_ratios(
    settings: OwnRatioSettings,
) -> tuple[own_ratios.RatioChoice, list[Path]]:
    """Choose each pair's own ratio and cut the masks at these, without a sweep.

    Returns:
        The choice; and what was written: its record, table and picture in ``out``,
        the masks in ``out/masks``. Masks and losses of the grid are in ``out/grid``.

    Raises:
        LassError: as in :meth:`.Sweep.run`, or the searches are of several kinds.
    """
    sweep = WeightSweep(settings.sweep)
    if len(sweep.own) != 1:
        kinds = ", ".join(str(variant.search) for variant in sweep.own)
        raise LassError(
            f"the searches are of several methods ({kinds}); choose with --method"
        )
    own, losses = sweep.own[0], sweep.measure(sweep.cut_masks())
    record, masks = settings.out / "allocation.json", settings.masks_of("")
    choice, written = own_ratios.choose(own, sweep.variants, losses, record)
    sweep.sources.cut({own: masks}, {own: choice.ratios})
    return choice, [*written, masks]
