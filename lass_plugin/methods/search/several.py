"""The searches of one training: of one pair, or of several pairs together.

Together, every update is of one pair, and is the update that a search of that pair
alone would take: forward under the pair's mask, the gradient into the pair's scores, a
step within the pair's mask. The pairs share the weights (and the optimizer's moments),
so what is scored is not W fine-tuned on the pair but W fine-tuned on all of them.
"""

import contextlib
from typing import Any, Iterator, Mapping, Sequence

from fairseq.optim import FairseqOptimizer
from torch import nn

from lass_plugin.errors import LassError
from lass_plugin.methods.search.one_search import SubnetworkSearch, check_state
from lass_plugin.methods.search.plan import SearchPlan
from lass_plugin.training.participants import Participants

VERSION = 2
"""Of the state of several searches; that of one is its own, version 1."""


class SearchRun:
    """The searches of one training, by the language key of the batch.

    Args:
        plans: one for each pair; start, ramp and interval count the pair's own updates.
        scores_on_cpu: see :class:`SubnetworkSearch`.
    """

    def __init__(self, plans: Sequence[SearchPlan], scores_on_cpu: bool = False):
        self.searches = {
            plan.key: SubnetworkSearch(plan, scores_on_cpu) for plan in plans
        }
        self._participants: Participants | None = None
        self._optimizer: FairseqOptimizer | None = None

    @property
    def only(self) -> SubnetworkSearch:
        """The search of a run of one pair."""
        (search,) = self.searches.values()
        return search

    @property
    def updates(self) -> int:
        """Updates of the training: of all pairs together."""
        return sum(search.updates for search in self.searches.values())

    @property
    def ratio(self) -> float:
        """Share removed in use, the mean over the pairs."""
        ratios = [s.plan.ratio_at(s.updates) for s in self.searches.values()]
        return sum(ratios) / len(ratios)

    # -- training ----------------------------------------------------------------

    def begin(self, model: nn.Module, optimizer: FairseqOptimizer) -> None:
        """Make every search ready, once for each optimizer."""
        first, *others = self.searches.values()
        first.begin(model, optimizer)
        for other in others:
            other.begin(model, optimizer, beside=first)
        if others and self._optimizer is not optimizer:
            self._optimizer = optimizer
            self._participants = Participants(list(self.searches), first.sites)

    @contextlib.contextmanager
    def micro_batch(self, key: str, counts: bool = True) -> Iterator[None]:
        """Forward and backward of one micro-batch under the mask of *key*.

        Args:
            counts: False for the dummy batch of a rank that has run out of data.
        """
        if self._participants is not None:
            self._participants.add(key, counts)
        with self.using(key):
            yield

    @contextlib.contextmanager
    def using(self, key: str) -> Iterator[None]:
        """Compute with the sub-network of *key* that is in use (validation)."""
        if key not in self.searches:
            raise LassError(
                f"a batch is of {key}, which is not searched; the searches are of "
                f"{', '.join(self.searches)}"
            )
        with self.searches[key].micro_batch():
            yield

    def step(self, optimizer: FairseqOptimizer) -> None:
        """The update of the pair whose micro-batches make it up.

        Raises:
            LassError: they are of several pairs; their gradients cannot be told apart.
        """
        if self._participants is None:
            self.only.step(optimizer)
            return
        keys = self._participants.gather()
        if len(keys) != 1:
            raise LassError(
                f"an update holds batches of {' and '.join(keys) or 'no pair'}, but a "
                "score needs the gradient of one pair; this comes of going on with "
                "another --update-freq or number of processes than the search was "
                "begun with, so go on with the same"
            )
        self.searches[keys[0]].step(optimizer)
        self._participants.clear()

    def report(self) -> list[str]:
        """Record how settled each pair is, see whether to stop; a line for each pair.

        All pairs go on until all have settled: were the batches of one left out, the
        weights would forget it, and the others' scores would be of another training.
        """
        begun = [search for search in self.searches.values() if search.updates]
        lines = [search.report() for search in begun]
        if not all(search.stopped for search in self.searches.values()):
            for search in begun:
                search.stopped = ""
        return lines

    @property
    def stopped(self) -> str:
        """Why the training has ended before its last update; empty if it has not."""
        reasons = {key: search.stopped for key, search in self.searches.items()}
        if len(reasons) == 1:
            return self.only.stopped
        if not all(reasons.values()):
            return ""
        return "; ".join(f"{key}: {reason}" for key, reason in reasons.items())

    # -- state -------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """State of the search of one pair, or of all with what they share."""
        if len(self.searches) == 1:
            return self.only.state_dict()
        keys = list(self.searches)
        return {
            "phase": "search",
            "version": VERSION,
            "searches": {
                key: {**search.state_dict(), "together": keys}
                for key, search in self.searches.items()
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the searches that *state* was saved from.

        Raises:
            LassError: they were other searches.
        """
        if len(self.searches) == 1:
            self.only.load_state_dict(state)
            return
        singles = states_of(state)
        saved = [single["plan"]["key"] for single in singles]
        if saved != list(self.searches):
            raise LassError(
                f"the search in this folder is of {', '.join(saved)}, not of "
                f"{', '.join(self.searches)}; give the same --lang-pairs in the same "
                "order, or choose another --save-dir"
            )
        for search, single in zip(self.searches.values(), singles, strict=True):
            search.load_state_dict(single)
        self._optimizer = None


def states_of(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The states of single searches that the state of a run consists of.

    Raises:
        LassError: it is no state of a search, or of another version.
    """
    if "searches" not in state:
        check_state(state)
        return [state]
    if (state.get("phase"), state.get("version")) != ("search", VERSION):
        raise LassError(
            f"this search of several pairs was written in format version "
            f"{state.get('version')}; this release reads version {VERSION}, so use the "
            "release that wrote it"
        )
    return list(state["searches"].values())
