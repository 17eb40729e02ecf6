"""A sweep over allocations from its settings to its table."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping

from lass_plugin.experiments.launching.base import Base
from lass_plugin.experiments.sweeps.joint import JointTrainings
from lass_plugin.experiments.sweeps.losses import measure_losses
from lass_plugin.experiments.sweeps.neurons import table
from lass_plugin.experiments.sweeps.neurons.variants import (
    Axes,
    NeuronVariant,
    list_variants,
)
from lass_plugin.experiments.sweeps.scores import score_variants
from lass_plugin.experiments.sweeps.settings import ComparisonSettings
from lass_plugin.masks import DEFAULT_TARGETS, MaskSet, fingerprint, save_masks
from lass_plugin.masks.fingerprint import short_name
from lass_plugin.masks.state import digest
from lass_plugin.neurons.allocation import allocate
from lass_plugin.neurons.importance import check_model, load_importance

Masks = Mapping[NeuronVariant, MaskSet | None]


@dataclass(frozen=True, kw_only=True)
class NeuronSweepSettings(ComparisonSettings):
    """One sweep over allocations of the neurons of one file of importance."""

    importance: Path
    """What ``lass neurons importance`` made of the base; a file or its folder."""
    axes: Axes = field(default_factory=Axes)
    grid: bool = False
    """Everything with everything, instead of one thing varied at a time."""

    def check(self) -> None:
        super().check()
        self.axes.check()


def run_neuron_sweep(settings: NeuronSweepSettings) -> dict[str, Any]:
    """Allocate, measure or train each variant, write the tables and the curves.

    Variants that keep the same neurons are trained once; one that keeps all is the
    dense baseline. The same settings again go on where they were; more of them in the
    same folder add to what is there.

    Returns:
        The record of :func:`.table.record_of`, as written to ``out/sweep.json``.

    Raises:
        LassError: as far as can be known, before anything is trained.
    """
    settings.check()
    base, importance = Base.read(settings.base), load_importance(settings.importance)
    check_model(importance, base.weights, str(settings.base))
    pairs = sorted(importance.pairs)
    trainings = None
    if settings.updates:
        trainings = JointTrainings(settings, base, pairs)
        trainings.check()
    masks: dict[NeuronVariant, MaskSet | None] = {}
    for variant in list_variants(settings.axes, settings.grid):
        masks[variant] = None
        if variant.rule is not None:
            allocation = allocate(importance, variant.rule)
            masks[variant] = allocation.masks(importance).only(pairs)
    first = first_of_same(masks)
    different = {variant: masks[variant] for variant in dict.fromkeys(first.values())}
    if trainings is not None:
        trainings.unfinished(different)  # refuses a folder with another sweep
    for variant, each in masks.items():
        if each is not None:
            save_masks(settings.masks_of(variant), each)
    losses: dict[str, dict[str, float]] = {}
    report = None
    if trainings is None:
        name = short_name(fingerprint(base.sites(DEFAULT_TARGETS)))
        losses = measure_losses(settings, name, pairs, different)
    else:
        trainings.run(different)
        report = score_variants(settings, list(different), trainings)
    record = table.record_of(masks, first, losses, report, _notes(settings))
    table.write(record, settings.out)
    return record


def first_of_same(masks: Masks) -> dict[NeuronVariant, NeuronVariant]:
    """Each variant and the first one that keeps the very same neurons for all pairs."""
    first: dict[str, NeuronVariant] = {}
    return {
        variant: first.setdefault(_content(each), variant)
        for variant, each in masks.items()
    }


def _content(masks: MaskSet | None) -> str:
    """What tells masks apart; nothing where all neurons are kept."""
    if masks is None or all(m.kept() == m.units for m in masks.values()):
        return ""
    return digest(masks)


def _notes(settings: NeuronSweepSettings) -> list[str]:
    """Sentences for people on how the variants were made."""
    notes, centre = [settings.note()], settings.axes.centre
    if not settings.grid:
        notes.append(
            f"Where another was varied: ρ {centre.general:g}, k {centre.threshold:g}, "
            f"by {centre.by}, {centre.criterion}."
        )
    return [*notes, f"Importance is an average over {centre.average}s."]
