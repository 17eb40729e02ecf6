"""Sources: the searches that the masks of a sweep are cut from."""

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.data.progress import Progress
from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.jobs import LAST
from lass_plugin.experiments.stage import RECORD, read_record
from lass_plugin.experiments.sweeps.weight_variants import SearchKind, WeightVariant
from lass_plugin.files import stamp
from lass_plugin.masks import Fingerprint, MaskSet, load_mask, parse_targets, save_mask
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
    """Of the training, all its pairs together."""
    together: bool
    """Whether other pairs were searched in the same training."""

    @property
    def kind(self) -> SearchKind:
        return SearchKind(self.plan.criterion, self.plan.schedule)

    @property
    def alike(self) -> tuple[SearchKind, str, float, tuple[str, ...]]:
        """What searches have in common of which none is better for a mask than others.

        The ratio of a one-shot search does not matter: its scores give masks at any.
        """
        ratio = self.plan.ratio if self.plan.schedule == "gradual" else 0.0
        return self.kind, self.plan.key, ratio, self.plan.targets

    def is_of(self, kind: SearchKind) -> bool:
        """Whether it searched by the score and the schedule of *kind*."""
        return self.kind == SearchKind(kind.criterion, kind.schedule)

    def gives(self, kind: SearchKind) -> bool:
        """Whether its scores are those of a search of *kind*.

        A one-shot search by gradient trains exactly as one by magnitude does, if its
        weights are its pair's own; so it is with every score of weights alone.
        """
        if kind.updates not in (None, self.updates):
            return False
        if kind.together not in (None, self.together):
            return False
        if self.is_of(kind):
            return True
        weights_alone = not SCORES.get(kind.criterion).accumulates
        oneshot = kind.schedule == self.plan.schedule == "oneshot"
        return weights_alone and oneshot and not self.together

    def scores(self, kind: SearchKind) -> SearchedScores:
        checkpoint = Checkpoint.read(self.path)
        return searched_scores(checkpoint, kind.criterion, self.plan.key)


class Sources:
    """All searches given to a sweep, of all pairs.

    Args:
        paths: their checkpoints.
        fingerprint_of: targets -> fingerprint of the base that all must have begun
            from.
        recut: accept masks that are cut from a gradual search at another ratio or for
            other matrices than it trained under.

    Raises:
        LassError: a checkpoint is of no search, of one on another base, or of one that
            has not ended.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        fingerprint_of: Callable[[tuple[str, ...]], Fingerprint],
        recut: bool = False,
    ):
        self.recut = recut
        self.every: list[Source] = []
        for path in paths:
            _check_ended(path)
            checkpoint = Checkpoint.read(path)
            states = search_states(checkpoint)
            for state in states.values():
                plan = SearchPlan.from_dict(state["plan"])
                source = Source(path, plan, checkpoint.updates, len(states) > 1)
                _check_source(source, state, fingerprint_of(source.plan.targets))
                self.every.append(source)

    @property
    def pairs(self) -> list[str]:
        return list(dict.fromkeys(source.plan.key for source in self.every))

    @property
    def targets(self) -> tuple[str, ...]:
        """All that was searched in, in any of the searches."""
        return parse_targets(t for source in self.every for t in source.plan.targets)

    @property
    def kinds(self) -> list[SearchKind]:
        """The kinds of the searches themselves, each once.

        Where a pair has several that are alike, how long they are, and whether other
        pairs were searched in the same training, is a part of the kind.
        """
        ways: dict[Any, set[bool]] = defaultdict(set)
        lengths: dict[Any, set[int]] = defaultdict(set)
        for source in self.every:
            ways[source.alike].add(source.together)
            lengths[source.alike, source.together].add(source.updates)
        both = {alike[0] for alike, each in ways.items() if len(each) > 1}
        several = {alike[0] for (alike, _), each in lengths.items() if len(each) > 1}

        def told(source: Source) -> SearchKind:
            return replace(
                source.kind,
                together=source.together if source.kind in both else None,
                updates=source.updates if source.kind in several else None,
            )

        return list(dict.fromkeys(map(told, self.every)))

    def find(self, key: str, variant: WeightVariant, ratio: float) -> Source:
        """The search that the mask of *key* is cut from.

        Raises:
            LassError: there is none, or there are several to choose from.
        """
        kind, name, targets = variant.search, variant.name, self.covered_by(variant)
        assert kind is not None
        given = [s for s in self.every if s.plan.key == key]
        able = [s for s in given if s.gives(kind) and {*targets} <= {*s.plan.targets}]
        if not able:
            held = "; ".join(f"{s.kind} in {', '.join(s.plan.targets)}" for s in given)
            raise LassError(
                f"{name} needs a search of {key} by {kind} in {', '.join(targets)}, "
                f"but there is {held or 'none of this pair'}; search it with "
                "'lass search', or choose other --pairs or --methods"
            )
        able = [s for s in able if s.is_of(kind)] or able
        exact = [s for s in able if s.plan.is_exact_at(ratio, targets)]
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
        weights_alone = not SCORES.get(kind.criterion).accumulates
        paths = tuple(source.path for source in exact)
        if len(exact) > 1 and not (weights_alone and _trained_alike(paths)):
            one, other = (
                replace(kind, together=s.together, updates=s.updates) for s in exact[:2]
            )
            which = "" if one == other else f", or say in --methods {one} or {other}"
            raise LassError(
                f"{exact[0].path.parent} and {exact[1].path.parent} both hold a "
                f"search of {key} by {kind} for {name}; give one of them{which}"
            )
        # of several at other ratios the nearest, then the first
        return min(exact or able, key=lambda source: abs(source.plan.ratio - ratio))

    def covered_by(self, variant: WeightVariant) -> tuple[str, ...]:
        """The matrices that a variant covers: its own, or all that were searched in."""
        return variant.targets or self.targets

    def is_exact(self, variant: WeightVariant, ratios: Mapping[str, float]) -> bool:
        """Whether searches for these very ratios would give the same masks."""
        targets = self.covered_by(variant)
        return all(
            self.find(key, variant, ratio).plan.is_exact_at(ratio, targets)
            for key, ratio in ratios.items()
        )

    def cut(
        self,
        folders: Mapping[WeightVariant, Path],
        ratios: Mapping[WeightVariant, Mapping[str, float]],
    ) -> dict[WeightVariant, MaskSet | None]:
        """Write the masks of *folders*, and read them back.

        Those that are there already are kept. The scores of a search are read once for
        all its masks.

        Args:
            folders: variant -> folder of its masks.
            ratios: variant -> pair -> ratio.
        """
        if not folders:
            return {}
        progress = Progress("cutting masks", sum(len(ratios[v]) for v in folders))
        made = {v: (CUT.read_or_none(f / CUT_NAME) or {}) for v, f in folders.items()}
        wanted: dict[tuple[Source, SearchKind], list[tuple[WeightVariant, Any]]]
        wanted = defaultdict(list)
        for variant, folder in folders.items():
            assert variant.search is not None
            for key, ratio in ratios[variant].items():
                source = self.find(key, variant, ratio)
                origin = [stamp(source.path), str(variant.search), ratio]
                origin.append(list(self.covered_by(variant)))
                there = (folder / f"{key}{SUFFIX}").is_file()
                if there and made[variant].get(key) == origin:
                    progress.advance(1, variant.name)
                else:
                    wanted[source, variant.search].append((variant, origin))
        for (source, kind), cuts in wanted.items():
            scores, key = source.scores(kind), source.plan.key
            for variant, origin in cuts:
                mask = scores.mask(ratios[variant][key], self.covered_by(variant))
                save_mask(folders[variant] / f"{key}{SUFFIX}", mask)
                made[variant] = {**made[variant], key: origin}
                CUT.write(folders[variant] / CUT_NAME, made[variant])
                progress.advance(1, variant.name)
        progress.finish()
        return {
            v: MaskSet(load_mask(folder / f"{key}{SUFFIX}") for key in ratios[v])
            for v, folder in folders.items()
        }


@cache
def _trained_alike(paths: tuple[Path, ...]) -> bool:
    """Whether searches ended with the same weights, as one-shot ones by several scores.

    Their masks by a score of weights alone are the same, whichever is taken.
    """
    first, *others = [Checkpoint.read(path).weights for path in paths]
    return all(
        other.keys() == first.keys()
        and all(first[name].equal(other[name]) for name in first)
        for other in others
    )


def _check_ended(path: Path) -> None:
    """Refuse the last checkpoint of a training that its stage says goes on."""
    record = read_record(path.parent / RECORD) if path.name == LAST else None
    if record is not None and record["results"] is None:
        raise LassError(
            f"the {record['stage']} in {path.parent} has not ended, so its scores are "
            "not those of all its updates; run its command again, which goes on"
        )


def _check_source(source: Source, state: Mapping[str, Any], base: Fingerprint) -> None:
    """Refuse a search on another base, and one that has not reached its ratio."""
    plan, updates = source.plan, int(state["updates"])
    if not same_weights(dict(state["base"]), base):
        raise LassError(
            f"the search in {source.path.parent} was begun from another base than "
            "--base; give the base that it began from"
        )
    end = plan.start + plan.ramp
    if plan.schedule == "gradual" and updates < end:
        raise LassError(
            f"the gradual search in {source.path.parent} stopped after {updates} of "
            f"the {end} updates of its schedule; let it go on with 'lass search'"
        )
