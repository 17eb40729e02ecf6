"""Masks out of ordinary fine-tunings: what moved most from the base (Ansell 2022).

A checkpoint that was fine-tuned on one pair says something of this pair, of its source
and of its target; one that was fine-tuned on all pairs of a source says something of
that. A key of several checkpoints has the mean of their scores.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torch import Tensor

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError, naming_damage
from lass_plugin.languages import Pair, parse_pairs, sides_of
from lass_plugin.masks import Mask, Provenance
from lass_plugin.masks.fingerprint import Fingerprint, fingerprint
from lass_plugin.methods.registry import method_of
from lass_plugin.methods.search.plan import SearchPlan
from lass_plugin.methods.search.searched_masks import search_states
from lass_plugin.scores import SCORES, Score
from lass_plugin.selection import select_each, select_together

BY = ("pair", "language")
OVER = ("matrix", "model")


@dataclass(frozen=True)
class TunedMasks:
    """Fine-tuned checkpoints, their base, and how masks are chosen.

    Raises:
        LassError: a checkpoint is not a fine-tuning of the base, or of no one key.
    """

    checkpoints: Sequence[Checkpoint]
    base: Checkpoint
    score: Score
    targets: Sequence[str]
    by: str = "pair"
    """One of :data:`BY`: a mask for each pair, or for each source and each target."""

    @classmethod
    def read(
        cls,
        paths: Iterable[Path],
        base: Path,
        criterion: str | None,
        targets: Sequence[str],
        by: str,
    ) -> "TunedMasks":
        """Read checkpoints and base.

        Args:
            criterion: a score of changes or of weights alone; None for ``change``.
        """
        score = SCORES.get(criterion or "change", "--criterion")
        if score.accumulates:
            raise LassError(
                f"--criterion {score.name} needs the gradients of a search, and a "
                "fine-tuned checkpoint has none; leave --base out to take masks out of "
                "a search"
            )
        read = [Checkpoint.read_whole(path) for path in paths]
        found = cls(read, Checkpoint.read_whole(base), score, targets, by)
        _ = found.sites
        for checkpoint in read:
            found._check(checkpoint)
        return found

    @cached_property
    def sites(self) -> dict[str, Tensor]:
        """The matrices of the base that masks cover."""
        return self.base.sites(self.targets)

    @cached_property
    def fingerprint(self) -> Fingerprint:
        return fingerprint(self.sites)

    @cached_property
    def keys(self) -> dict[str, list[Checkpoint]]:
        """Key -> the checkpoints that say something of it."""
        found: dict[str, list[Checkpoint]] = {}
        for checkpoint in self.checkpoints:
            for key in self._keys_of(checkpoint):
                found.setdefault(key, []).append(checkpoint)
        for key, checkpoints in found.items() if self.by == "pair" else ():
            if len(checkpoints) > 1:
                raise LassError(
                    f"{checkpoints[0].path} and {checkpoints[1].path} are both of "
                    f"{key}; give one of them"
                )
        return found

    def mask(self, key: str, ratio: float, over: str = "model") -> Mask:
        """The mask of *key*: all but the lowest scores.

        Args:
            ratio: share removed.
            over: one of :data:`OVER`: of each matrix, or of all together.

        Raises:
            LassError: a score is NaN.
        """
        checkpoints = self.keys[key]
        scores = self._scores(checkpoints[0])
        for checkpoint in checkpoints[1:]:
            for site, more in self._scores(checkpoint).items():
                scores[site] += more
        moved = any(bool(each.any()) for each in scores.values())
        if self.score.of_change and not moved:
            raise LassError(
                f"{checkpoints[0].path} has the very weights of {self.base.path}, so "
                f"nothing tells what {key} needs; give a fine-tuned checkpoint"
            )
        path = checkpoints[0].path
        with naming_damage(f"the training in {path}", path, "it has diverged"):
            select = select_each if over == "matrix" else select_together
            kept = select(scores, ratio)
        notes = ["fine-tuned"]
        if over == "model":
            notes.append(f"ratio {ratio:g} over all matrices")
        if len(checkpoints) > 1:
            notes.append(f"mean of {len(checkpoints)} checkpoints")
        updates = max(checkpoint.updates for checkpoint in checkpoints)
        stated = ratio if over == "matrix" else None
        made = Provenance(self.score.name, stated, "", updates, ", ".join(notes))
        return Mask.from_tensors(key, kept, made, self.fingerprint)

    def _scores(self, checkpoint: Checkpoint) -> dict[str, Tensor]:
        """Site -> score, float32."""
        weights, found = checkpoint.weights, {}
        for site, before in self.sites.items():
            now = weights[site].float()
            if self.score.of_change is not None:
                found[site] = self.score.of_change(now, before.float())
            else:
                assert self.score.of_weight is not None
                found[site] = self.score.of_weight(now)
        return found

    def _keys_of(self, checkpoint: Checkpoint) -> list[str]:
        """What the training of *checkpoint* was for.

        Raises:
            LassError: nothing that there are masks of.
        """
        pairs = _pairs_of(checkpoint)
        if self.by == "pair":
            keys = {str(pair) for pair in pairs}
            if len(keys) > 1:
                raise LassError(
                    f"{checkpoint.path} was trained on {len(keys)} pairs, so it tells "
                    "none from the others; fine-tune the base on each pair, or give "
                    "--by language for trainings on all pairs of a language"
                )
            return sorted(keys)
        sides = zip(*map(sides_of, pairs), strict=True)
        found = [keys.pop() for keys in map(set, sides) if len(keys) == 1]
        if not found:
            raise LassError(
                f"{checkpoint.path} was trained on pairs of several sources and "
                "several targets, so it tells no language from the others; fine-tune "
                "the base on the pairs of one"
            )
        return found

    def _check(self, checkpoint: Checkpoint) -> None:
        """Refuse what is no fine-tuning of all weights of the base."""
        path = checkpoint.path
        method = method_of(checkpoint.task_state, str(path))
        if method.entry:
            raise LassError(
                f"{path} is a model with {method.words}, not a fine-tuning of all "
                "weights of the base; give one that was trained without them"
            )
        state = checkpoint.iterator_state.get("subnetwork")
        if isinstance(state, Mapping) and state.get("phase") == "search":
            for key, own in search_states(checkpoint).items():
                if SearchPlan.from_dict(own["plan"]).schedule != "oneshot":
                    raise LassError(
                        f"the gradual search of {key} in {path} trained under a mask, "
                        "not all weights; give a fine-tuning or a one-shot search"
                    )
        for site, before in self.sites.items():
            now = checkpoint.weights.get(site)
            if now is None or now.shape != before.shape:
                shape = "none" if now is None else f"{tuple(now.shape)}"
                raise LassError(
                    f"{site} has the shape {tuple(before.shape)} in the base "
                    f"{self.base.path} and {shape} in {path}; give the base that it "
                    "was fine-tuned from"
                )


def _pairs_of(checkpoint: Checkpoint) -> list[Pair]:
    """The pairs that a checkpoint was trained on.

    Raises:
        LassError: it does not say.
    """
    options = checkpoint.task_options or {}
    stated = options.get("lang_pairs")
    if not stated and options.get("source_lang") and options.get("target_lang"):
        stated = f"{options['source_lang']}-{options['target_lang']}"
    if not stated:
        raise LassError(
            f"{checkpoint.path} does not say which pairs it was trained on; give a "
            "checkpoint of --task translation_subnetwork"
        )
    return parse_pairs(stated)
