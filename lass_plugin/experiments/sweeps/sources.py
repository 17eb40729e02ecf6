"""Sources: the searches that the masks of a sweep are cut from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, Sequence

from lass_plugin.anatomy.targets import select_sites
from lass_plugin.checkpoints.checkpoint import (
    read_checkpoint,
    search_states,
    searched_scores,
)
from lass_plugin.errors import LassError
from lass_plugin.experiments.sweeps.variants import Method, Variant
from lass_plugin.masks import (
    Fingerprint,
    Mask,
    MaskSet,
    load_mask,
    parse_targets,
    save_mask,
)
from lass_plugin.masks.file import SUFFIX
from lass_plugin.masks.fingerprint import same_weights
from lass_plugin.methods.search.plan import SearchPlan
from lass_plugin.methods.search.searched_masks import SearchedScores
from lass_plugin.scores import SCORES


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
    def method(self) -> Method:
        return Method(self.plan.criterion, self.plan.schedule)

    def gives(self, method: Method) -> bool:
        """Whether its scores are those of *method*.

        A one-shot search by gradient trains exactly as one by magnitude does, if its
        weights are its pair's own; so it is with every score of weights alone.
        """
        if self.together:
            return method == self.method
        of_weights = not SCORES.get(method.criterion).accumulates
        same = of_weights and method.schedule == self.plan.schedule
        return (method == self.method or same) and (
            method == self.method or self.plan.schedule == "oneshot"
        )

    def scores(self, method: Method) -> SearchedScores:
        checkpoint, key = read_checkpoint(self.path), self.plan.key
        return searched_scores(checkpoint, self.path, method.criterion, key)


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
            states = search_states(read_checkpoint(path), path)
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
    def methods(self) -> list[Method]:
        """The methods of the searches themselves, each once."""
        return list(
            dict.fromkeys(s.method for sources in self._of.values() for s in sources)
        )

    def find(self, key: str, variant: Variant, ratio: float) -> Source:
        """The search that the mask of *key* is cut from.

        Raises:
            LassError: there is none, or there are several to choose from.
        """
        method, name, targets = variant.method, variant.name, self.covered_by(variant)
        assert method is not None
        given = self._of.get(key, [])
        able = [
            source
            for source in given
            if source.gives(method) and set(targets) <= set(source.plan.targets)
        ]
        if not able:
            held = "; ".join(
                f"{source.method} in {', '.join(source.plan.targets)}"
                for source in given
            )
            raise LassError(
                f"{name} needs a search of {key} by {method} in {', '.join(targets)}, "
                f"but there is {held or 'none of this pair'}; search it with "
                "'lass search', or choose other --pairs or --methods"
            )
        able = [s for s in able if s.method == method] or able
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
                f"search of {key} by {method} for {name}; give one of them"
            )
        # of several at other ratios the nearest, then the first
        return min(chosen, key=lambda source: abs(source.plan.ratio - ratio))

    def covered_by(self, variant: Variant) -> tuple[str, ...]:
        """The matrices that a variant covers: its own, or all that were searched in."""
        return variant.targets or self.targets

    def is_exact(self, variant: Variant, ratios: Mapping[str, float]) -> bool:
        """Whether searches for these very ratios would give the same masks."""
        return all(
            self.find(key, variant, ratio).plan.is_exact_at(
                ratio, self.covered_by(variant)
            )
            for key, ratio in ratios.items()
        )

    def write(
        self,
        folders: Mapping[Variant, Path],
        ratios: Mapping[Variant, Mapping[str, float]],
        advance: Callable[[int, str], None] = lambda amount, part: None,
    ) -> None:
        """Write the masks of *folders*; those that are there already are kept.

        The scores of a search are read once for all its masks.

        Args:
            folders: variant -> folder of its masks.
            ratios: variant -> pair -> ratio.
            advance: called after each mask with 1 and the name of its variant.
        """
        wanted: dict[tuple[Path, Method, str], list[Variant]] = {}
        sources: dict[tuple[Path, str], Source] = {}
        for variant in folders:
            for key, ratio in ratios[variant].items():
                source = self.find(key, variant, ratio)
                assert variant.method is not None
                if self._is_there(folders[variant], key, source, variant, ratio):
                    advance(1, variant.name)
                    continue
                sources[source.path, key] = source
                place = (source.path, variant.method, key)
                wanted.setdefault(place, []).append(variant)
        for (path, method, key), variants in wanted.items():
            scores = sources[path, key].scores(method)
            for variant in variants:
                mask = scores.mask(ratios[variant][key], self.covered_by(variant))
                save_mask(folders[variant] / f"{key}{SUFFIX}", mask)
                advance(1, variant.name)

    def _is_there(
        self, folder: Path, key: str, source: Source, variant: Variant, ratio: float
    ) -> bool:
        """Whether the mask has been cut from this search before."""
        path = folder / f"{key}{SUFFIX}"
        if not path.is_file():
            return False
        try:
            mask: Mask = load_mask(path)
        except LassError:
            return False
        made, method = mask.provenance, variant.method
        assert method is not None
        kinds = self.covered_by(variant)
        names: dict[str, Any] = dict.fromkeys(source.base)
        known = {name: source.base[name] for name in mask.shapes if name in source.base}
        return (
            mask.key == key
            and (made.criterion, made.schedule) == (method.criterion, method.schedule)
            and (made.ratio, made.updates) == (ratio, source.updates)
            and path.stat().st_mtime_ns >= source.path.stat().st_mtime_ns
            and mask.base == known
            and set(mask.shapes) == set(select_sites(names, kinds))
        )


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
