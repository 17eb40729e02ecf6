"""Gradual pruning of low-rank modules by magnitude (Cao 2024, §3.2, §4.2, §7.3).

The ratio grows from epoch to epoch. What is pruned is zero, stays zero, and takes part
in no update. Which weights compete with each other is the group: those of one matrix
(A and B each by itself), the B of all languages in a layer (intrinsic subspace
estimation), or the B of a language in all matrices (language-specific pruning).
"""

import logging
from dataclasses import asdict, dataclass
from typing import Any, Iterator, Mapping

import torch
from torch import Tensor, nn

from lass_plugin.anatomy.matrices import place_of
from lass_plugin.anatomy.places import layer_name
from lass_plugin.errors import LassError
from lass_plugin.languages import written
from lass_plugin.masks.packing import count, pack, unpack
from lass_plugin.methods.lowrank.attaching import kept_buffer, low_rank_modules
from lass_plugin.methods.lowrank.modules import LowRankModules, entry_name
from lass_plugin.records.fields import filled
from lass_plugin.schedules import check_ratio, cubic
from lass_plugin.selection import select
from lass_plugin.training.spreading import factors
from lass_plugin.training.stretches import Stretch

logger = logging.getLogger(__name__)

MATRIX, LAYER, LANGUAGE = "matrix", "layer", "language"
GROUPS = (MATRIX, LAYER, LANGUAGE)


@dataclass(frozen=True)
class PruningPlan:
    """When and how much is pruned."""

    group: str
    ratios: Mapping[str, float]
    """Language -> target ratio P; for the group ``layer`` all the same."""
    start: int = 2
    """E: epochs without pruning."""
    length: int = 8
    """k: epochs from the first pruning to the target."""

    def __post_init__(self) -> None:
        if self.group not in GROUPS:
            raise LassError(
                f"unknown group of pruning '{self.group}'; choose from "
                f"{', '.join(GROUPS)}"
            )
        for language, ratio in self.ratios.items():
            check_ratio(ratio, f"the pruning ratio of {language}")
        if self.group == LAYER and len(set(self.ratios.values())) > 1:
            raise LassError(
                "pruning by layer makes the languages compete, so all have one ratio; "
                "give one number"
            )
        if self.start < 0 or self.length < 1:
            raise LassError(
                f"pruning cannot begin after {self.start} epochs and last "
                f"{self.length}; the first is 0 or more, the second 1 or more"
            )

    @property
    def last(self) -> int:
        """The epoch that reaches the target."""
        return self.start + self.length

    def ratio(self, language: str, epoch: int) -> float:
        """P_e in *epoch*, from 1 (Cao 2024, Eq. 4); 0 where *language* has none."""
        return cubic(epoch, self.ratios.get(language, 0.0), self.start, self.length)

    def check_length(self, epochs: int | None) -> None:
        """Refuse a training that ends before the target ratio is reached."""
        if epochs and epochs < self.last:
            raise LassError(
                f"pruning reaches its ratio in epoch {self.last}, but the training "
                f"ends after {epochs}; raise --max-epoch, or lower "
                "--lslo-pruning-start or --lslo-pruning-length"
            )

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "ratios": dict(self.ratios)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "PruningPlan":
        found: PruningPlan = filled(cls, values, "pruning")
        return found


@dataclass(frozen=True)
class FactorSite:
    """A or B of one language beside one matrix, which can be pruned."""

    name: str
    """Of the parameter in the model."""
    matrix: str
    """The matrix of the base that the module stands beside."""
    factor: str
    """``A`` or ``B``."""
    language: str
    module: LowRankModules

    @property
    def parameter(self) -> nn.Parameter:
        factors: Any = getattr(self.module, self.factor)
        return factors[written(self.language)]

    @property
    def buffer(self) -> str:
        return kept_buffer(self.factor, self.language)

    @property
    def kept(self) -> Tensor:
        """``(ceil(weights / 8),)`` packed, on the device of the parameter."""
        bits: Any = getattr(self.module, self.buffer)
        return bits

    def keep(self, mask: Tensor) -> None:
        setattr(self.module, self.buffer, pack(mask).to(self.parameter.device))

    @property
    def units(self) -> int:
        return self.parameter.numel()

    @property
    def pruned(self) -> int:
        return self.units - count(self.kept)


def all_sites(model: nn.Module, group: str) -> Iterator[FactorSite]:
    """The weights that pruning by *group* looks at."""
    for matrix, module in low_rank_modules(model):
        for factor in ("A", "B") if group == MATRIX else ("B",):
            for language in module.languages:
                name = entry_name(matrix, module.index, factor, language)
                yield FactorSite(name, matrix, factor, language, module)


class Pruner:
    """Prunes a model with low-rank modules as a plan says.

    The masks are buffers of the modules, so a checkpoint holds them.
    """

    def __init__(self, model: nn.Module, plan: PruningPlan):
        self.plan = plan
        self.sites = [
            site
            for site in all_sites(model, plan.group)
            if plan.ratios.get(site.language, 0.0)
        ]
        if not self.sites:
            raise LassError(
                "no low-rank module has a pruning ratio above 0; leave --lslo-pruning "
                "out, or give one"
            )
        for site in self.sites:
            everything = torch.ones(site.units, dtype=torch.bool)
            device = site.parameter.device
            site.module.register_buffer(site.buffer, pack(everything).to(device))
            site.parameter.register_hook(_masking(site))

    def groups(self) -> dict[str, list[FactorSite]]:
        """Name of each group -> its weights."""
        found: dict[str, list[FactorSite]] = {}
        for site in self.sites:
            layer = layer_name(*place_of(site.matrix))
            names = {MATRIX: site.name, LAYER: layer, LANGUAGE: site.language}
            found.setdefault(names[self.plan.group], []).append(site)
        return found

    @torch.no_grad()
    def prune(self, epoch: int, stretches: Mapping[str, Stretch]) -> None:
        """Prune to the ratio of *epoch*. Again in the same epoch: nothing changes.

        Args:
            stretches: name of each parameter -> where the optimizer keeps it.

        Raises:
            LassError: a weight is NaN.
        """
        for name, sites in self.groups().items():
            ratio = self.plan.ratio(sites[0].language, epoch)
            if ratio == 0.0:
                continue
            scores = torch.cat([_scores(site, stretches[site.name]) for site in sites])
            try:
                keep = select(scores, ratio)
            except ValueError as error:
                raise LassError(
                    f"a low-rank module of {name} is NaN: training has diverged; lower "
                    "--lr"
                ) from error
            for site, mask in zip(
                sites, keep.split([site.units for site in sites]), strict=True
            ):
                if not mask.any() and site.pruned < site.units:
                    logger.warning(
                        f"{site.name} is pruned altogether: beside {site.matrix} "
                        f"{site.language} has the base alone from now on"
                    )
                site.keep(mask)
                stretches[site.name].value.mul_(mask)
                site.parameter.data.mul_(mask.view(site.parameter.shape))

    def movable(self, names: set[str]) -> dict[str, Tensor]:
        """Name -> ``(ceil(units / 8),)`` packed weights that an update may move, of
        those of *names* that are pruned here."""
        return {site.name: site.kept for site in self.sites if site.name in names}


def _scores(site: FactorSite, stretch: Stretch) -> Tensor:
    """``(units,)`` magnitudes; below all where it is pruned, so that it stays so."""
    kept = unpack(site.kept, (site.units,))
    return stretch.value.abs().float().masked_fill_(~kept, -1.0)


def _masking(site: FactorSite) -> Any:
    def mask(gradient: Tensor) -> Tensor:
        return gradient * factors(site.kept, gradient)

    return mask
