"""Variants of masks of weights: searches, ratios and matrices that are compared."""

from dataclasses import dataclass
from typing import Sequence

from lass_plugin.errors import LassError
from lass_plugin.experiments.sweeps.variants import DENSE
from lass_plugin.masks import DEFAULT_TARGETS
from lass_plugin.methods.search.plan import SCHEDULES
from lass_plugin.scores import SCORES

RATIO, SUB_LAYER, OWN, RANDOM = "ratio", "sub-layer", "own ratios", "random"
CONTROL = "control"


@dataclass(frozen=True)
class SearchKind:
    """A score and a schedule: one of the four systems of He 2023, §4.3."""

    criterion: str
    schedule: str
    updates: int | None = None
    """Length of the searches, where some of several lengths are compared."""

    def __str__(self) -> str:
        length = "" if self.updates is None else f"-{self.updates}"
        return f"{self.criterion}-{self.schedule}{length}"


def parse_kind(text: str) -> SearchKind:
    """Read ``gradient-oneshot``, or ``gradient-oneshot-600`` of that length alone.

    Raises:
        LassError: there is no such kind of search.
    """
    name, _, length = text.strip().rpartition("-")
    if not (length.isascii() and length.isdigit()):
        name, length = text.strip(), ""
    criterion, _, schedule = name.rpartition("-")
    if criterion not in SCORES.names() or schedule not in SCHEDULES:
        known = ", ".join(f"{c}-{s}" for c in SCORES.names() for s in SCHEDULES)
        raise LassError(
            f"unknown method '{text.strip()}'; choose from {known}, with -UPDATES "
            "behind it where there are searches of several lengths"
        )
    return SearchKind(criterion, schedule, int(length) if length else None)


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
