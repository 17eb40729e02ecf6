"""Masks out of a finished search: its scores, cut at any ratio."""

from dataclasses import dataclass
from typing import Any, Iterable, Mapping

from torch import Tensor

from lass_plugin.anatomy.targets import select_sites
from lass_plugin.errors import LassError
from lass_plugin.masks import Fingerprint, Mask, Provenance, parse_targets
from lass_plugin.methods.search.one_search import check_state
from lass_plugin.methods.search.plan import SearchPlan
from lass_plugin.schedules import check_ratio
from lass_plugin.scores import magnitude
from lass_plugin.selection import select


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
        scores = self.scores
        for target in () if targets is None else parse_targets(targets):
            if not select_sites(self.scores, [target]):
                raise LassError(
                    f"the search of {self.plan.key} was in "
                    f"{', '.join(self.plan.targets)}, so it has no scores of {target}; "
                    "search again with --targets"
                )
        if targets is not None:
            scores = select_sites(self.scores, parse_targets(targets))
        try:
            masks = {name: select(score, ratio) for name, score in scores.items()}
        except ValueError as error:
            raise LassError(
                f"the search of {self.plan.key} has failed: {error}"
            ) from error
        provenance = Provenance(
            self.criterion, ratio, self.plan.schedule, self.updates, self.note
        )
        base = {name: self.base[name] for name in masks}
        return Mask.from_tensors(self.plan.key, masks, provenance, base)


def scores_from_checkpoint(
    state: Mapping[str, Any],
    model: Mapping[str, Tensor],
    criterion: str | None = None,
) -> SearchedScores:
    """The scores of a search.

    Args:
        state: what :meth:`.search.SubnetworkSearch.state_dict` returned.
        model: name -> weight of the search's checkpoint (the score by magnitude).
        criterion: None for that of the search. A one-shot search by gradient trains
            exactly as one by magnitude does, so it gives that one's mask too (not so
            where pairs were searched together: their weights are the same ones).

    Raises:
        LassError: the search has no such scores.
    """
    check_state(state)
    plan = SearchPlan.from_dict(state["plan"])
    criterion = plan.criterion if criterion is None else criterion
    others = len(state.get("together", [plan.key])) - 1
    if criterion != plan.criterion and (
        others or (criterion, plan.schedule) != ("magnitude", "oneshot")
    ):
        how = f"{plan.criterion}, {plan.schedule}{', together' if others else ''}"
        raise LassError(
            f"the search of {plan.key} ({how}) gives no mask by {criterion}; search "
            f"again with --criterion {criterion}"
            + (" and each pair by itself" if others else "")
        )
    names = list(state["base"])
    if criterion == "gradient":
        even, odd = state["halves"]
        scores = {name: even[name].float() + odd[name].float() for name in names}
    else:
        scores = {name: magnitude(model[name].float()) for name in names}
    base = dict(state["base"])
    note = f"searched together with {others} other pairs" if others else ""
    return SearchedScores(plan, criterion, int(state["updates"]), scores, base, note)
