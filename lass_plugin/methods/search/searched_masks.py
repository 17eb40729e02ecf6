"""Masks out of a finished search: its scores, cut at any ratio."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Mapping

from torch import Tensor

from lass_plugin.anatomy.targets import select_sites
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError, naming_damage
from lass_plugin.masks import Fingerprint, Mask, Provenance, parse_targets
from lass_plugin.methods.search.one_search import (
    CUT_DOWN,
    check_state,
    select_all,
    states_of,
)
from lass_plugin.methods.search.plan import SearchPlan
from lass_plugin.schedules import check_ratio
from lass_plugin.scores import SCORES


@dataclass(frozen=True)
class SearchedScores:
    """The scores of one search: masks at any ratio without new training."""

    plan: SearchPlan
    criterion: str
    updates: int
    scores: Mapping[str, Tensor]
    """Site -> score, the higher the more the weight is needed."""
    base: Fingerprint
    note: str = ""
    """For the masks' provenance."""

    def mask(self, ratio: float, targets: Iterable[str] | None = None) -> Mask:
        """The mask at *ratio*, of the matrices that *targets* cover (None: all).

        Raises:
            LassError: the search has no scores of a target, or a score is NaN.
        """
        check_ratio(ratio)
        plan, scores = self.plan, self.scores
        if targets is not None:
            targets = parse_targets(targets)
            for target in targets:
                if not select_sites(scores, [target]):
                    raise LassError(
                        f"the search of {plan.key} was in {', '.join(plan.targets)}, "
                        f"so it has no scores of {target}; search again with --targets"
                    )
            scores = select_sites(scores, targets)
        masks = select_all(plan.key, scores, ratio)
        made = Provenance(self.criterion, ratio, plan.schedule, self.updates, self.note)
        base = {name: self.base[name] for name in masks}
        return Mask.from_tensors(plan.key, masks, made, base)


def scores_from_checkpoint(
    state: Mapping[str, Any], model: Mapping[str, Tensor], criterion: str | None = None
) -> SearchedScores:
    """The scores of a search.

    Args:
        state: what :meth:`.one_search.SubnetworkSearch.state_dict` returned.
        model: name -> weight of the search's checkpoint (the score by magnitude).
        criterion: None for that of the search. A one-shot search by gradient trains
            exactly as one by magnitude does, so it gives that one's mask too, as of
            every score of the weights alone (not so where pairs were searched
            together: their weights are the same ones).

    Raises:
        LassError: the search has no such scores.
    """
    check_state(state)
    plan = SearchPlan.from_dict(state["plan"])
    criterion = plan.criterion if criterion is None else criterion
    score = SCORES.get(criterion, "--criterion")
    score.check_searched()
    others = len(state.get("together", [plan.key])) - 1
    cut = state["version"] in CUT_DOWN
    if criterion != plan.criterion and (
        others or cut or score.accumulates or plan.schedule != "oneshot"
    ):
        how = f"{plan.criterion}, {plan.schedule}{', together' if others else ''}"
        how += ", cut down to its scores" if cut else ""
        raise LassError(
            f"the search of {plan.key} ({how}) gives no mask by {criterion}; search "
            f"again with --criterion {criterion}"
            + (" and each pair by itself" if others else "")
        )
    names = list(state["base"])
    if score.of_weight is None:
        first, *second = state["halves"]
        scores = {name: first[name].float() for name in names}
        for half in second:
            scores = {name: scores[name] + half[name].float() for name in names}
    else:
        scores = {name: score.of_weight(model[name].float()) for name in names}
    base = dict(state["base"])
    note = f"searched together with {others} other pairs" if others else ""
    return SearchedScores(plan, criterion, int(state["updates"]), scores, base, note)


def search_states(checkpoint: Checkpoint) -> dict[str, Mapping[str, Any]]:
    """Pair -> state of its search, of the search that a checkpoint was saved by.

    Raises:
        LassError: it is the checkpoint of another phase or of stock fairseq.
    """
    state, path = checkpoint.iterator_state.get("subnetwork"), checkpoint.path
    phase = state.get("phase") if isinstance(state, dict) else None
    if not isinstance(state, dict) or phase != "search":
        what = f"of {phase} training" if phase else "of stock fairseq"
        raise LassError(
            f"{path} is a checkpoint {what}, not of a search, and carries no masks; "
            "give the checkpoint_last.pt that a search of 'lass search' or of "
            "--task translation_subnetwork_search wrote"
        )
    found = {}
    with _naming_damage(path):
        for single in states_of(state):
            check_state(single)
            kinds = {"updates": int, "base": dict, "halves": list, "settled": dict}
            for name, kind in kinds.items():
                if not isinstance(single[name], kind):
                    raise TypeError(f"{name} is {type(single[name]).__name__}")
            found[SearchPlan.from_dict(single["plan"]).key] = single
    return found


def searched_scores(
    checkpoint: Checkpoint, criterion: str | None = None, key: str | None = None
) -> SearchedScores:
    """The scores of a search's checkpoint, by its own criterion or another.

    A one-shot search by gradient also gives the scores by magnitude; see
    :func:`scores_from_checkpoint`.

    Args:
        key: the pair; needed where the search was of several.

    Raises:
        LassError: not the checkpoint of a search of *key*, or its scores are damaged.
    """
    states, path = search_states(checkpoint), checkpoint.path
    if key is None and len(states) == 1:
        (key,) = states
    if key not in states:
        wanted = "one of them has to be named" if key is None else f"not of {key}"
        raise LassError(f"the search in {path} is of {', '.join(states)}, {wanted}")
    with _naming_damage(path):
        model = checkpoint.content["model"]
        return scores_from_checkpoint(states[key], model, criterion)


def searched_mask(
    checkpoint: Checkpoint,
    ratio: float | None = None,
    criterion: str | None = None,
    key: str | None = None,
) -> Mask:
    """The mask of a search's checkpoint, at its own ratio and criterion or others.

    Args:
        key: the pair; needed where the search was of several.

    Raises:
        LassError: as :func:`searched_scores`, or a score is NaN.
    """
    scores = searched_scores(checkpoint, criterion, key)
    with _naming_damage(checkpoint.path):
        return scores.mask(scores.plan.ratio if ratio is None else ratio)


def _naming_damage(path: Path) -> contextlib.AbstractContextManager[None]:
    """Name the file in whatever goes wrong with the search in it."""
    return naming_damage(
        f"the search in {path}",
        path,
        "the checkpoint is damaged, so take an earlier one of the same folder",
    )
