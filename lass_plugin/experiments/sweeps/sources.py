"""Sources: the searches that the masks of a sweep are cut from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, Sequence

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError
from lass_plugin.experiments.sweeps.variants import stamp
from lass_plugin.experiments.sweeps.weight_variants import SearchKind, WeightVariant
from lass_plugin.masks import (
    Fingerprint,
    MaskSet,
    load_mask,
    parse_targets,
    save_mask,
)
from lass_plugin.masks.file import SUFFIX
from lass_plugin.masks.fingerprint import same_weights
from lass_plugin.methods.search.plan import SearchPlan
from lass_plugin.methods.search.searched_masks import (
    SearchedScores,
    search_states,
    searched_scores,
)
from lass_plugin.records.json_record import RecordFormat
from lass_plugin.scores import SCORES

CUT = RecordFormat("lass_plugin cut masks", "a record of what masks were cut from")
CUT_NAME = "cut.json"
"""Beside masks: the search, its kind, ratio and matrices that each was cut from."""


@dataclass(frozen=True)
class Source:
    """One search, known by its plan; its scores are read when a mask is cut."""

    path: Path
    plan: SearchPlan
    updates: int
    base: Fingerprint
    together: bool = False
    """Whether other pairs were searched in the same training."""

    @property
    def kind(self) -> SearchKind:
        return SearchKind(self.plan.criterion, self.plan.schedule)

    def gives(self, kind: SearchKind) -> bool:
        """Whether its scores are those of a search of *kind*.

        A one-shot search by gradient trains exactly as one by magnitude does, if its
        weights are its pair's own; so it is with every score of weights alone.
        """
        if kind == self.kind:
            return True
        weights_alone = not SCORES.get(kind.criterion).accumulates
        oneshot = kind.schedule == self.plan.schedule == "oneshot"
        return weights_alone and oneshot and not self.together

    def scores(self, kind: SearchKind) -> SearchedScores:
        checkpoint = Checkpoint.read(self.path)
        return searched_scores(checkpoint, kind.criterion, self.plan.key)


class Sources:
    """All searches given to a sweep, by pair.

    Args:
        paths: their checkpoints.
        fingerprint_of: targets -> fingerprint of the base that all must have begun
            from.
        recut: accept masks that are cut from a gradual search at another ratio or for
            other matrices than it trained under.

    Raises:
        LassError: a checkpoint is of no search, or of one on another base.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        fingerprint_of: Callable[[tuple[str, ...]], Fingerprint],
        recut: bool = False,
    ):
        self.recut = recut
        self._of: dict[str, list[Source]] = {}
        for path in paths:
            states = search_states(Checkpoint.read(path))
            for state in states.values():
                plan = SearchPlan.from_dict(state["plan"])
                updates, base = int(state["updates"]), dict(state["base"])
                source = Source(path, plan, updates, base, len(states) > 1)
                _check_source(source, fingerprint_of(plan.targets))
                self._of.setdefault(plan.key, []).append(source)

    @property
    def pairs(self) -> list[str]:
        return list(self._of)

    @property
    def targets(self) -> tuple[str, ...]:
        """All that was searched in, in any of the searches."""
        every = (s.plan.targets for sources in self._of.values() for s in sources)
        return parse_targets(target for targets in every for target in targets)

    @property
    def kinds(self) -> list[SearchKind]:
        """The kinds of the searches themselves, each once."""
        every = (s.kind for sources in self._of.values() for s in sources)
        return list(dict.fromkeys(every))

    def find(self, key: str, variant: WeightVariant, ratio: float) -> Source:
        """The search that the mask of *key* is cut from.

        Raises:
            LassError: there is none, or there are several to choose from.
        """
        kind, name, targets = variant.search, variant.name, self.covered_by(variant)
        assert kind is not None
        given = self._of.get(key, [])
        able = [
            source
            for source in given
            if source.gives(kind) and set(targets) <= set(source.plan.targets)
        ]
        if not able:
            held = "; ".join(
                f"{source.kind} in {', '.join(source.plan.targets)}" for source in given
            )
            raise LassError(
                f"{name} needs a search of {key} by {kind} in {', '.join(targets)}, "
                f"but there is {held or 'none of this pair'}; search it with "
                "'lass search', or choose other --pairs or --methods"
            )
        able = [s for s in able if s.kind == kind] or able
        exact = [source for source in able if source.plan.is_exact_at(ratio, targets)]
        if not exact and not self.recut:
            plan = able[0].plan
            raise LassError(
                f"{name} needs a mask of {key} at ratio {ratio:g} in "
                f"{', '.join(targets)}, but the gradual search in "
                f"{able[0].path.parent} trained under ratio {plan.ratio:g} in "
                f"{', '.join(plan.targets)}, so its scores give no exact one; search "
                "once more for this and add its folder to --searches, use a one-shot "
                "search, or accept the approximation with --recut"
            )
        chosen = exact or able
        if len(chosen) > 1 and exact:
            raise LassError(
                f"{chosen[0].path.parent} and {chosen[1].path.parent} both hold a "
                f"search of {key} by {kind} for {name}; give one of them"
            )
        # of several at other ratios the nearest, then the first
        return min(chosen, key=lambda source: abs(source.plan.ratio - ratio))

    def covered_by(self, variant: WeightVariant) -> tuple[str, ...]:
        """The matrices that a variant covers: its own, or all that were searched in."""
        return variant.targets or self.targets

    def is_exact(self, variant: WeightVariant, ratios: Mapping[str, float]) -> bool:
        """Whether searches for these very ratios would give the same masks."""
        return all(
            self.find(key, variant, ratio).plan.is_exact_at(
                ratio, self.covered_by(variant)
            )
            for key, ratio in ratios.items()
        )

    def write(
        self,
        folders: Mapping[WeightVariant, Path],
        ratios: Mapping[WeightVariant, Mapping[str, float]],
        advance: Callable[[int, str], None] = lambda amount, part: None,
    ) -> None:
        """Write the masks of *folders*; those that are there already are kept.

        The scores of a search are read once for all its masks.

        Args:
            folders: variant -> folder of its masks.
            ratios: variant -> pair -> ratio.
            advance: called after each mask with 1 and the name of its variant.
        """
        wanted: dict[tuple[Path, SearchKind, str], list[WeightVariant]] = {}
        sources: dict[tuple[Path, str], Source] = {}
        cut = {v: (CUT.read_or_none(f / CUT_NAME) or {}) for v, f in folders.items()}
        origins: dict[tuple[WeightVariant, str], list[Any]] = {}
        for variant, folder in folders.items():
            assert variant.search is not None
            for key, ratio in ratios[variant].items():
                source = self.find(key, variant, ratio)
                origin = [stamp(source.path), str(variant.search), ratio]
                origin.append(list(self.covered_by(variant)))
                there = (folder / f"{key}{SUFFIX}").is_file()
                if there and cut[variant].get(key) == origin:
                    advance(1, variant.name)
                    continue
                origins[variant, key], sources[source.path, key] = origin, source
                place = (source.path, variant.search, key)
                wanted.setdefault(place, []).append(variant)
        for (path, kind, key), variants in wanted.items():
            scores = sources[path, key].scores(kind)
            for variant in variants:
                folder = folders[variant]
                mask = scores.mask(ratios[variant][key], self.covered_by(variant))
                save_mask(folder / f"{key}{SUFFIX}", mask)
                cut[variant] = {**cut[variant], key: origins[variant, key]}
                CUT.write(folder / CUT_NAME, cut[variant])
                advance(1, variant.name)


def _check_source(source: Source, base: Fingerprint) -> None:
    """Refuse a search of another base than *base*, or one that has not ended."""
    plan = source.plan
    if not same_weights(source.base, base):
        raise LassError(
            f"the search in {source.path.parent} was begun from another base than "
            "--base; give the base that it began from"
        )
    end = plan.start + plan.ramp
    if plan.schedule == "gradual" and source.updates < end:
        raise LassError(
            f"the gradual search in {source.path.parent} stopped after "
            f"{source.updates} of the {end} updates of its schedule; let it "
            "go on with 'lass search'"
        )


def read_masks(folder: Path, pairs: Iterable[str]) -> MaskSet:
    """The masks of *pairs* in *folder*."""
    return MaskSet(load_mask(folder / f"{key}{SUFFIX}") for key in pairs)
