"""Search: one pair's sub-network while the base is fine-tuned on the pair (phase 2).

Scores are kept, not just the mask, so that a mask at another ratio needs no new
training; and two half scores are kept, so that the search can say how much of its mask
is more than chance. Several searches may share one training: :class:`.method.Search`.
"""

import contextlib
import logging
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Iterator, Mapping, Sequence

from fairseq.optim import FairseqOptimizer
from torch import Tensor, nn

from lass_plugin.anatomy.targets import unwrap
from lass_plugin.errors import LassError
from lass_plugin.masks import Fingerprint, find_sites, fingerprint, packing
from lass_plugin.methods.search.plan import SearchPlan
from lass_plugin.methods.search.score_room import ScoreRoom
from lass_plugin.methods.search.settling import (
    agreement,
    churn,
    described,
    growth,
    last_losses,
)
from lass_plugin.selection import select_each
from lass_plugin.training.masked_weights import MaskedWeights
from lass_plugin.training.stretches import (
    Stretch,
    drops_update,
    find_stretches,
    gradient_factor,
)
from lass_plugin.training.strict_update import check_optimizer, strict

logger = logging.getLogger(__name__)

VERSION, VERSION_TOGETHER = 1, 2
"""Of the state of one search, and of several in one training."""
VERSION_CUT_DOWN, VERSION_TOGETHER_CUT_DOWN = 3, 4
"""The same with no more than the scores, see :mod:`.cut_down`."""
CUT_DOWN = (VERSION_CUT_DOWN, VERSION_TOGETHER_CUT_DOWN)


class SubnetworkSearch:
    """The state of one search: scores, the mask in use, and what it was started from.

    Args:
        plan: what to do.
        places: sums of scores that the device has room for, see :class:`.ScoreRoom`;
            None for all.
        derived: parts of *plan* in whose place those of a search that goes on come.
    """

    def __init__(
        self,
        plan: SearchPlan,
        places: int | None = None,
        derived: Sequence[str] = (),
    ):
        self.plan = plan
        self._derived = derived
        self._number_of_places = places
        self.updates = 0
        self.base: Fingerprint = {}
        self._halves: list[dict[str, Tensor]] = [{}, {}]
        """Scores of the even and of the odd updates as of the start, until they have
        their place in the room; their sum is He 2023, Eq. 2."""
        self.room: ScoreRoom | None = None
        """Where they are once training has begun."""
        self.history: list[dict[str, Any]] = []
        """:meth:`settled` and the updates, at every report."""
        self.watched: dict[str, float] = {}
        """What is watched by its name, at the last report, as far as it is known."""
        self.stopped = ""
        """Why the search has ended before its last update; empty while it has not."""
        self._bits: dict[str, Tensor] = {}
        """Packed mask in use, empty while nothing is removed."""
        self._snapshots: dict[int, dict[str, Tensor]] = {}
        """Updates -> packed mask at the final ratio then, for how it settles."""
        self.sites: dict[str, nn.Parameter] = {}
        """The matrices searched in; empty before the first micro-batch."""
        self.weights: MaskedWeights | None = None
        self._stretches: dict[str, Stretch] = {}
        self._optimizer: FairseqOptimizer | None = None

    # -- training ----------------------------------------------------------------

    def begin(
        self,
        model: nn.Module,
        optimizer: FairseqOptimizer,
        beside: "SubnetworkSearch | None" = None,
    ) -> None:
        """Find the matrices to search in, once for each optimizer.

        Args:
            beside: a search that has begun in the same training; the weights, and what
                is known of them, are the same.
        """
        if self._optimizer is optimizer:
            return
        check_optimizer(optimizer)
        self._optimizer = optimizer
        if beside is not None:
            self.sites, self._stretches = beside.sites, beside._stretches
            self.weights, self.base = beside.weights, self.base or beside.base
        else:
            self.sites = find_sites(unwrap(model), self.plan.targets)
            self._stretches = find_stretches(optimizer, self.sites)
            if self.weights is None or self.weights.sites != self.sites:
                self.weights = MaskedWeights(self.sites)
            self.base = self.base or fingerprint(self.sites)
        if self.plan.score.accumulates:
            halves = [self.half(number) for number in (0, 1)]
            if beside is not None:
                self.room = beside.room
            else:
                self.room = ScoreRoom(self.sites, self._number_of_places)
            assert self.room is not None
            for number, half in enumerate(halves):
                self.room.keep((self.plan.key, number), half)
            self._halves = [{}, {}]
        if self._bits and self.weights is not None:
            self.weights.set_mask(self.plan.key, self._bits)

    def fetch(self) -> None:
        """Bring what the update of a micro-batch will add to, while it computes."""
        if self.room is not None and not self.stopped:
            self.room.fetch((self.plan.key, self.updates % 2))

    @contextlib.contextmanager
    def micro_batch(self) -> Iterator[None]:
        """Forward with W ⊙ M, gradient straight through (He 2023, Eq. 5)."""
        if self._bits and self.weights is not None:
            with self.weights.applied(self.plan.key, mask_gradients=False):
                yield
        else:
            yield

    def step(self, optimizer: FairseqOptimizer) -> None:
        """Add the update's gradient to the scores, take the step, select the mask.

        An update that is dropped for an overflow counts for nothing, and so does one
        after the search has been stopped.
        """
        if self.stopped:
            return
        if drops_update(optimizer):
            optimizer.step()  # lets the gradient scaler lower its scale
            return
        self._accumulate(optimizer)
        if self._bits and self.weights is not None and not self.plan.move_pruned:
            # Eq. 6: ∂L/∂W has the mask as a factor; a strict update discards the rest
            with strict(optimizer, self._stretches, self.weights.bits(self.plan.key)):
                optimizer.step()
        else:
            optimizer.step()
        self.updates += 1
        self._select()

    def _accumulate(self, optimizer: FairseqOptimizer) -> None:
        if self.room is not None:
            sums = self.room.taken((self.plan.key, self.updates % 2))
            sums.add(self.plan.score, self._stretches, gradient_factor(optimizer))

    def _select(self) -> None:
        plan, ratio = self.plan, self.plan.ratio_at(self.updates)
        reached = self.updates == plan.start + plan.ramp
        if ratio > 0.0 and (reached or self.updates % plan.interval == 0):
            self._bits = self._select_bits(ratio)
            if self.weights is not None:
                self.weights.set_mask(plan.key, self._bits)

    def _select_bits(self, ratio: float, half: int | None = None) -> dict[str, Tensor]:
        """The packed mask at *ratio* by :meth:`scores`."""
        return packing.pack_each(select_all(self.plan.key, self.scores(half), ratio))

    # -- results -----------------------------------------------------------------

    def scores(self, half: int | None = None) -> dict[str, Tensor]:
        """Score of every weight: of all updates, or of the even or odd ones only."""
        if of_weight := self.plan.score.of_weight:
            return {name: of_weight(weight) for name, weight in self.sites.items()}

        def scores(number: int) -> Iterator[tuple[str, Tensor]]:
            for name, kept in self.half(number).items():
                # selection is quickest where the weights are
                there = name in self.sites
                yield name, kept.to(self.sites[name].device) if there else kept

        if half is not None:
            return dict(scores(half))
        both = zip(scores(0), scores(1), strict=True)
        return {name: even + odd for (name, even), (_, odd) in both}

    def half(self, number: int) -> dict[str, Tensor]:
        """Site -> score of the even (0) or odd (1) updates, wherever it is."""
        if self.room is None:
            return self._halves[number]
        return self.room.parts((self.plan.key, number))

    def settled(self, reports: bool = False) -> dict[str, float]:
        """How much of the mask at the final ratio is more than chance.

        ``halves`` (gradient): Sim of the masks from the even and the odd updates.
        ``since_halfway``: Sim of the mask now and the one after about half as many
        updates. ``chance``: Sim of two random masks. 1 is perfect agreement.

        Args:
            reports: whether later reports compare with the mask of now. Not so of what
                is saved: of several processes only the first one saves, and all have
                to stop at the same report.
        """
        ratio, snapshots = self.plan.ratio, self._snapshots
        now = snapshots.get(self.updates)
        if now is None:
            now = {name: each.cpu() for name, each in self._select_bits(ratio).items()}
        if reports:
            snapshots[self.updates] = now
        report = {"chance": 1.0 - ratio}
        if self.plan.score.accumulates and self.updates > 1:
            even, odd = (self._select_bits(ratio, half) for half in (0, 1))
            report["halves"] = _similarity(even, odd)
        earlier = [n for n in snapshots if n <= 0.5 * self.updates]
        if earlier:
            report["since_halfway"] = _similarity(now, snapshots[max(earlier)])
        for number in sorted(earlier)[:-1] if reports else ():
            del snapshots[number]  # no later report asks for it
        return report

    def mask(self) -> dict[str, Tensor]:
        """The packed mask at the final ratio by the scores of now."""
        return self._select_bits(self.plan.ratio)

    def report(self, losses: Mapping[str, Any] = MappingProxyType({})) -> str:
        """Record :meth:`settled`, see whether to stop; one line for the log.

        Args:
            losses: what is to be recorded of them, see :mod:`.figures`.
        """
        settled, plan = self.settled(reports=True), self.plan
        self.history = [r for r in self.history if r["updates"] < self.updates]
        self.history.append({"updates": self.updates, **settled, **losses})
        self.take_watched()
        trained = plan.start + plan.ramp
        if self.updates >= trained:
            self.stopped = plan.stopping.reason(self.history, trained)
        return (
            f"search of {plan.key} after {self.updates} updates: ratio in use "
            f"{plan.ratio_at(self.updates):.3f}; {described(settled)}"
        )

    def take_watched(self) -> None:
        """Take what is watched from the record, which has changed."""
        if self.history:
            found = {
                "agreement": agreement(self.history[-1]),
                "growth": growth(self.history),
                "churn": churn(self.history[-1]),
            }
            losses = last_losses(self.history)
            found |= {f"{name}_loss": loss for name, loss in losses.items()}
            self.watched = {n: float(v) for n, v in found.items() if v is not None}

    # -- state -------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers and strings, saved with every checkpoint of the search."""
        settled = self.settled() if self.updates and self.sites else {}
        return {
            "phase": "search",
            "version": VERSION,
            "plan": self.plan.to_dict(),
            "updates": self.updates,
            "base": self.base,
            "halves": [
                {name: score.cpu().clone() for name, score in half.items()}
                for half in map(self.half, (0, 1))
            ],
            "bits": {name: bits.cpu() for name, bits in self._bits.items()},
            "snapshots": dict(self._snapshots),
            "settled": settled,
            "history": [dict(record) for record in self.history],
            "stopped": self.stopped,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the search that *state* was saved from.

        Raises:
            LassError: it was another search.
        """
        check_state(state)
        if state["version"] in CUT_DOWN:
            raise LassError(
                "the search in this folder was cut down to its scores when it had "
                "ended (lass search --keep scores), so it cannot go on; choose another "
                "--save-dir"
            )
        saved = SearchPlan.from_dict(state["plan"]).to_dict()
        given = self.plan
        self.plan = replace(given, **{name: saved[name] for name in self._derived})
        if self.plan != given:
            logger.info(
                f"the search of {given.key} goes on with the stages that it began "
                f"with: T1 {self.plan.start}, T2 {self.plan.ramp}"
            )
        for name, value in self.plan.to_dict().items():
            if saved[name] != value:
                raise LassError(
                    f"the search in this folder was begun with {name} {saved[name]}, "
                    f"not {value}; go on with the same options or choose another "
                    "--save-dir"
                )
        self.updates = int(state["updates"])
        self.base = dict(state["base"])
        self._halves = [dict(half) for half in state["halves"]]
        self.room = None
        self._bits = dict(state["bits"])
        self._snapshots = dict(state["snapshots"])
        # searches of earlier releases kept no record
        self.history = [dict(record) for record in state.get("history", ())]
        self.take_watched()
        self.stopped = str(state.get("stopped", ""))
        self._optimizer = None


def states_of(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The states of single searches in that of a training.

    Raises:
        LassError: it is no state of a search, or of another version.
    """
    if state.get("phase") != "search":
        raise LassError(
            f"this checkpoint is of the {state.get('phase', 'base')} phase, not of a "
            "search; start a search from it with --finetune-from-model or with "
            "--restore-file and --reset-optimizer --reset-dataloader --reset-meters "
            "--reset-lr-scheduler"
        )
    known = (VERSION, VERSION_CUT_DOWN)
    if "searches" in state:
        known = (VERSION_TOGETHER, VERSION_TOGETHER_CUT_DOWN)
    if state.get("version") not in known:
        raise LassError(
            f"this search was written in format version {state.get('version')}; this "
            f"release reads version {known[0]}, so use the release that wrote it"
        )
    return list(state["searches"].values()) if "searches" in state else [state]


def check_state(state: Mapping[str, Any]) -> None:
    """Refuse a state that is not that of a single search of ours."""
    if "searches" in state:
        raise LassError(
            f"this search is one training of {', '.join(state['searches'])} together, "
            "and goes on with the same --lang-pairs only; or choose another --save-dir"
        )
    states_of(state)


def select_all(
    key: str, scores: Mapping[str, Tensor], ratio: float
) -> dict[str, Tensor]:
    """Site -> boolean of its shape, True = keep; see :func:`.selection.select_each`.

    Raises:
        LassError: a score of the search of *key* is NaN.
    """
    try:
        return select_each(scores, ratio)
    except ValueError as error:
        raise LassError(f"the search of {key} has failed: {error}") from error


def _similarity(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> float:
    shared = sum(packing.count_shared(first[name], second[name]) for name in first)
    return shared / max(1, sum(packing.count(bits) for bits in first.values()))
