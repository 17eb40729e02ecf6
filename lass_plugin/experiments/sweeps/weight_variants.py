"""Variants of masks of weights: searches, ratios and matrices that are compared."""

import re
from dataclasses import dataclass
from typing import Sequence

from lass_plugin.errors import LassError
from lass_plugin.experiments.sweeps.variants import DENSE
from lass_plugin.masks import DEFAULT_TARGETS
from lass_plugin.methods.search.plan import SCHEDULES
from lass_plugin.scores import SCORES

RATIO, SUB_LAYER, OWN, RANDOM = "ratio", "sub-layer", "own ratios", "random"
CONTROL = "control"
TOGETHER, SEPARATE = "together", "separate"


@dataclass(frozen=True)
class SearchKind:
    """A score and a schedule: one of the four systems of He 2023, §4.3."""

    criterion: str
    schedule: str
    together: bool | None = None
    """Whether all pairs were searched in one training, where both ways are compared."""
    updates: int | None = None
    """Length of the trainings, where several lengths are compared."""

    def __str__(self) -> str:
        parts = [self.criterion, self.schedule]
        if self.together is not None:
            parts.append(TOGETHER if self.together else SEPARATE)
        return "-".join(parts + ([] if self.updates is None else [f"{self.updates}"]))


def parse_kind(text: str) -> SearchKind:
    """Read ``gradient-oneshot``, or ``gradient-gradual-together-600`` of these alone.

    Raises:
        LassError: there is no such kind of search.
    """
    ways = f"(?:-({TOGETHER}|{SEPARATE}))?(?:-([0-9]+))?"
    found = re.fullmatch(f"(.+)-({'|'.join(SCHEDULES)}){ways}", text.strip())
    if found is None or found[1] not in SCORES.names():
        known = ", ".join(f"{c}-{s}" for c in SCORES.names() for s in SCHEDULES)
        raise LassError(
            f"unknown method '{text.strip()}'; choose from {known}, and add "
            f"-{TOGETHER}, -{SEPARATE} or -UPDATES where searches differ in these"
        )
    criterion, schedule, way, length = found.groups()
    together = None if way is None else way == TOGETHER
    return SearchKind(criterion, schedule, together, int(length) if length else None)


def parse_kinds(text: str) -> list[SearchKind]:
    """Read ``gradient-oneshot,magnitude-oneshot``; see :func:`parse_kind`."""
    return [parse_kind(part) for part in text.split(",") if part.strip()]


@dataclass(frozen=True)
class WeightVariant:
    """One row of the table: a mask set and the model trained under it."""

    kind: str
    """:data:`DENSE`, :data:`RATIO`, :data:`SUB_LAYER`, :data:`OWN`, :data:`RANDOM`,
    :data:`CONTROL`."""
    search: SearchKind | None = None
    """None where no search is involved."""
    ratio: float = 0.0
    """Share removed from each matrix; for own ratios the mean over the pairs."""
    targets: tuple[str, ...] | None = None
    """Matrices covered; None for all that were searched in."""
    match: tuple[str, ...] = ()
    """What a control has in common with the masks, see :func:`.matched_masks`."""

    @property
    def controlled(self) -> "WeightVariant":
        """The variant that this is a control of."""
        return WeightVariant(RATIO, self.search, self.ratio)

    @property
    def name(self) -> str:
        """Name of its folders and of the system, such as ``gradient-oneshot-0.6``."""
        if self.kind == DENSE:
            return DENSE
        if self.kind == RANDOM:
            return f"random-{self.ratio:g}"
        parts = [str(self.search)] + ["own"] * (self.kind == OWN)
        parts += [f"{self.ratio:g}", *(self.targets or ())]
        parts += [CONTROL, "+".join(self.match)] if self.match else []
        return "-".join(parts)


def list_variants(
    searches: Sequence[SearchKind],
    ratios: Sequence[float],
    ablation: Sequence[float] = (),
    own: Sequence[float] = (),
    random: Sequence[float] = (),
    controls: Sequence[str] = (),
) -> list[WeightVariant]:
    """All variants, the dense baseline first; each search has all but the random ones.

    Args:
        ablation: ratios at which attention and feed-forward are also masked alone.
        own: mean ratios at which each pair has its own.
        random: ratios of random masks, the control.
        controls: what random masks have in common with those of each search and ratio,
            such as ``profile+overlap``.
    """
    variants = [WeightVariant(DENSE)]
    for search in searches:
        together = dict.fromkeys((*ratios, *ablation))  # an ablation has its whole
        for ratio in together:
            variants.append(WeightVariant(RATIO, search, ratio))
            variants += [
                WeightVariant(CONTROL, search, ratio, match=tuple(match.split("+")))
                for match in controls
            ]
        variants += [
            WeightVariant(SUB_LAYER, search, ratio, (target,))
            for ratio in ablation
            for target in DEFAULT_TARGETS  # He 2023, Table 2
        ]
        variants += [WeightVariant(OWN, search, ratio) for ratio in own]
    return variants + [WeightVariant(RANDOM, ratio=ratio) for ratio in random]
