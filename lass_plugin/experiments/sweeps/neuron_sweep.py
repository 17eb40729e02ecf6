"""Sweeps over allocations: all masks are made of one file of importance.

What is varied are k, ρ, what neurons are allocated to and criteria (Xie 2021, Fig. 4,
Table 3 and Fig. 6).
"""

from collections.abc import Mapping
from typing import Any

from lass_plugin.experiments.launching.base import Base
from lass_plugin.experiments.sweeps.neuron_table import AXES, NEURONS
from lass_plugin.experiments.sweeps.neuron_variants import NeuronVariant
from lass_plugin.experiments.sweeps.run import Sweep
from lass_plugin.experiments.sweeps.settings import NeuronSweepSettings
from lass_plugin.masks import MaskSet
from lass_plugin.masks.file import digest
from lass_plugin.neurons.allocation import allocate, write_allocation
from lass_plugin.neurons.importance import check_model, load_importance


class NeuronSweep(Sweep[NeuronVariant]):
    """The importance, the rules and the masks of one sweep.

    Variants that keep the same neurons are trained once; one that keeps all is the
    dense baseline.
    """

    table = NEURONS
    settings: NeuronSweepSettings

    def __init__(self, settings: NeuronSweepSettings):
        settings.check()
        base = Base.read(settings.base)
        self.importance = load_importance(settings.importance)
        check_model(self.importance, base.weights, str(settings.base))
        pairs = sorted(self.importance.pairs)
        super().__init__(settings, base, pairs, settings.axes.variants())

    def make_masks(self) -> dict[NeuronVariant, MaskSet | None]:
        """The masks of all variants."""
        self.allocations = {
            variant: allocate(self.importance, variant.rule)
            for variant in self.variants
            if variant.rule is not None
        }
        masks: dict[NeuronVariant, MaskSet | None] = dict.fromkeys(self.variants)
        for variant, allocation in self.allocations.items():
            masks[variant] = allocation.masks(self.importance)
        return masks

    def save_masks(self, masks: Mapping[NeuronVariant, MaskSet | None]) -> None:
        """Write the masks of each variant to its folder, as ``allocate`` does."""
        for variant, allocation in self.allocations.items():
            folder = self.settings.masks_of(variant.name)
            write_allocation(folder, allocation, self.importance, copy=False)

    def first_of_same(
        self, masks: Mapping[NeuronVariant, MaskSet | None]
    ) -> dict[NeuronVariant, NeuronVariant]:
        """Each variant and the first one that keeps the very same neurons."""
        first: dict[str, NeuronVariant] = {}
        return {
            variant: first.setdefault(_content(each), variant)
            for variant, each in masks.items()
        }

    def describe(
        self, variant: NeuronVariant, masks: MaskSet | None, first: NeuronVariant
    ) -> dict[str, Any]:
        """What tells a variant from the others, as JSON values."""
        return {
            **{axis: getattr(variant.rule, axis, None) for axis in AXES},
            "average": getattr(variant.rule, "average", None),
            "same_as": None if first == variant else first.name,
        }

    def notes(self) -> list[str]:
        """Sentences for people on how the variants were made."""
        notes, centre = super().notes(), self.settings.axes.centre
        if not self.settings.axes.grid:
            notes.append(
                f"Where another was varied: ρ {centre.general:g}, "
                f"k {centre.threshold:g}, by {centre.by}, {centre.criterion}."
            )
        return [*notes, f"Importance is an average over {centre.average}s."]


def _content(masks: MaskSet | None) -> str:
    """What tells masks apart; nothing where all neurons are kept."""
    if masks is None or all(m.kept() == m.units for m in masks.values()):
        return ""
    return digest(masks)
