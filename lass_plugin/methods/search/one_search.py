"""Search: one pair's sub-network while the base is fine-tuned on the pair (phase 2).

Scores are kept, not just the mask, so that a mask at another ratio needs no new
training; and two half scores are kept, so that the search can say how much of its mask
is more than chance. Several searches may share one training: :mod:`.search_run`.
"""

import contextlib
import logging
from typing import Any, Iterator, Mapping

import torch
from fairseq.optim import FairseqOptimizer
from torch import Tensor, nn

from lass_plugin.anatomy.targets import unwrap
from lass_plugin.errors import LassError
from lass_plugin.masks import Fingerprint, find_sites, fingerprint, packing
from lass_plugin.methods.search.plan import SearchPlan
from lass_plugin.selection import select
from lass_plugin.training.masked_weights import MaskedWeights
from lass_plugin.training.stretches import (
    Stretch,
    drops_update,
    find_stretches,
    gradient_factor,
)
from lass_plugin.training.strict_update import check_optimizer, strict

logger = logging.getLogger(__name__)

VERSION = 1


class SubnetworkSearch:
    """The state of one search: scores, the mask in use, and what it was started from.

    Args:
        plan: what to do.
        scores_on_cpu: keep the scores in the CPU's memory; a matrix of them goes to the
            device for the time of its sum, so the scores are the same bit for bit.
    """

    def __init__(self, plan: SearchPlan, scores_on_cpu: bool = False):
        self.plan = plan
        self._scores_on_cpu = scores_on_cpu
        self.updates = 0
        self.base: Fingerprint = {}
        self._halves: list[dict[str, Tensor]] = [{}, {}]
        """Scores of the even and of the odd updates; their sum is Eq. 2."""
        self.history: list[dict[str, Any]] = []
        """:meth:`settled` and the updates, at every report."""
        self.stopped = ""
        """Why the search has ended before its last update; empty while it has not."""
        self._bits: dict[str, Tensor] = {}
        """Packed mask in use, empty while nothing is removed."""
        self._snapshots: dict[int, dict[str, Tensor]] = {}
        """Updates -> packed mask at the final ratio then, for how it settles."""
        self._sites: dict[str, nn.Parameter] = {}
        self._stretches: dict[str, Stretch] = {}
        self._weights: MaskedWeights | None = None
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
            self._sites, self._stretches = beside._sites, beside._stretches
            self._weights = beside._weights
            self.base = self.base or beside.base
        else:
            self._sites = find_sites(unwrap(model), self.plan.targets)
            self._stretches = find_stretches(optimizer, self._sites)
        if self._weights is None or self._weights.sites != self._sites:
            self._weights = MaskedWeights(self._sites)
        if not self.base:
            self.base = fingerprint(self._sites)
        if self.plan.score.accumulates:
            for half in self._halves:
                for name, parameter in self._sites.items():
                    known = half.get(name)
                    if known is None:
                        known = torch.zeros(parameter.shape, dtype=torch.float32)
                    half[name] = known.to(self._place_of(parameter))
        if self._bits:
            self._weights.set_mask(self.plan.key, self._bits)

    def _place_of(self, parameter: Tensor) -> torch.device:
        """Where the scores of a matrix are kept."""
        return torch.device("cpu") if self._scores_on_cpu else parameter.device

    @property
    def weights(self) -> MaskedWeights | None:
        return self._weights

    @property
    def sites(self) -> dict[str, nn.Parameter]:
        """The matrices searched in; empty before the first micro-batch."""
        return self._sites

    @contextlib.contextmanager
    def micro_batch(self) -> Iterator[None]:
        """Forward with W ⊙ M, gradient straight through (Eq. 5)."""
        if self._bits and self._weights is not None:
            with self._weights.applied(self.plan.key, mask_gradients=False):
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
        if self.plan.score.accumulates:
            self._accumulate(optimizer)
        if self._bits and self._weights is not None and not self.plan.move_pruned:
            # Eq. 6: ∂L/∂W has the mask as a factor; a strict update discards the rest
            with strict(optimizer, self._stretches, self._weights.bits(self.plan.key)):
                optimizer.step()
        else:
            optimizer.step()
        self.updates += 1
        self._select()

    def _accumulate(self, optimizer: FairseqOptimizer) -> None:
        factor, accumulate = gradient_factor(optimizer), self.plan.score.accumulate
        assert accumulate is not None
        half = self._halves[self.updates % 2]
        for name, stretch in self._stretches.items():
            if stretch.gradient is not None:
                score = half[name].view(-1).to(stretch.value.device)
                accumulate(score, stretch.value, stretch.gradient, factor)
                if score.device != half[name].device:
                    half[name].view(-1).copy_(score)

    def _select(self) -> None:
        plan = self.plan
        ratio = plan.ratio_at(self.updates)
        due = self.updates % plan.interval == 0 or self.updates == (
            plan.start + plan.ramp
        )
        if ratio > 0.0 and due:
            self._bits = self._select_bits(self.scores(), ratio)
            if self._weights is not None:
                self._weights.set_mask(plan.key, self._bits)

    def _select_bits(
        self, scores: Mapping[str, Tensor], ratio: float
    ) -> dict[str, Tensor]:
        try:
            return {
                name: packing.pack(select(score, ratio))
                for name, score in scores.items()
            }
        except ValueError as error:
            raise LassError(f"the search of {self.plan.key} failed: {error}") from error

    # -- results -----------------------------------------------------------------

    def scores(self, half: int | None = None) -> dict[str, Tensor]:
        """Score of every weight: of all updates, or of the even or odd ones only."""
        if of_weight := self.plan.score.of_weight:
            return {name: of_weight(weight) for name, weight in self._sites.items()}
        return {name: self._score(name, half) for name in self._halves[0]}

    def _score(self, name: str, half: int | None) -> Tensor:
        halves = self._halves if half is None else [self._halves[half]]
        scores = [scores[name] for scores in halves]
        if name in self._sites:  # selection is quickest where the weights are
            scores = [score.to(self._sites[name].device) for score in scores]
        return scores[0] + scores[1] if half is None else scores[0]

    def settled(self) -> dict[str, float]:
        """How much of the mask at the final ratio is more than chance.

        ``halves`` (gradient): Sim of the masks from the even and the odd updates.
        ``since_halfway``: Sim of the mask now and the one after about half as many
        updates. ``chance``: Sim of two random masks. 1 is perfect agreement.
        """
        self._take_snapshot()
        report = {"chance": 1.0 - self.plan.ratio}
        if self.plan.score.accumulates and self.updates > 1:
            bits = [
                self._select_bits(self.scores(half), self.plan.ratio) for half in (0, 1)
            ]
            report["halves"] = _similarity(*bits)
        earlier = [n for n in self._snapshots if n <= 0.5 * self.updates]
        if earlier:
            then = self._snapshots[max(earlier)]
            report["since_halfway"] = _similarity(self._snapshots[self.updates], then)
        return report

    def _take_snapshot(self) -> None:
        if self.updates in self._snapshots:
            return
        self._snapshots[self.updates] = {
            name: bits.cpu()
            for name, bits in self._select_bits(self.scores(), self.plan.ratio).items()
        }
        useful = [n for n in self._snapshots if n <= 0.5 * self.updates]
        oldest = max(useful, default=0)
        self._snapshots = {n: m for n, m in self._snapshots.items() if n >= oldest}

    def report(self) -> str:
        """Record :meth:`settled`, see whether to stop; one line for the log."""
        settled, plan = self.settled(), self.plan
        self.history = [r for r in self.history if r["updates"] < self.updates]
        self.history.append({"updates": self.updates, **settled})
        if self.updates >= plan.start + plan.ramp:
            self.stopped = plan.stopping.reason(self.history)
        return describe_settled(self, settled)

    # -- state -------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers and strings, saved with every checkpoint of the search."""
        settled = self.settled() if self.updates and self._sites else {}
        return {
            "phase": "search",
            "version": VERSION,
            "plan": self.plan.to_dict(),
            "updates": self.updates,
            "base": self.base,
            "halves": [
                {name: score.cpu().clone() for name, score in half.items()}
                for half in self._halves
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
        saved = SearchPlan.from_dict(state["plan"])
        for name, value in self.plan.to_dict().items():
            if saved.to_dict()[name] != value:
                raise LassError(
                    f"the search in this folder was begun with {name} "
                    f"{saved.to_dict()[name]}, not {value}; go on with the same "
                    "options or choose another --save-dir"
                )
        self.updates = int(state["updates"])
        self.base = dict(state["base"])
        self._halves = [dict(half) for half in state["halves"]]
        self._bits = dict(state["bits"])
        self._snapshots = dict(state["snapshots"])
        # searches of earlier releases kept no record
        self.history = [dict(record) for record in state.get("history", ())]
        self.stopped = str(state.get("stopped", ""))
        self._optimizer = None


def check_state(state: Mapping[str, Any]) -> None:
    """Refuse a run state that is not that of a search of ours."""
    if state.get("phase") != "search":
        raise LassError(
            f"this checkpoint is of the {state.get('phase', 'base')} phase, not of a "
            "search; start a search from it with --finetune-from-model or with "
            "--restore-file and --reset-optimizer --reset-dataloader --reset-meters "
            "--reset-lr-scheduler"
        )
    if "searches" in state:
        raise LassError(
            f"this search is one training of {', '.join(state['searches'])} together, "
            "and goes on with the same --lang-pairs only; or choose another --save-dir"
        )
    if state.get("version") != VERSION:
        raise LassError(
            f"this search was written in format version {state.get('version')}; this "
            f"release reads version {VERSION}, so use the release that wrote it"
        )


def describe_settled(search: SubnetworkSearch, report: Mapping[str, float]) -> str:
    """What :meth:`SubnetworkSearch.settled` says, in one line."""
    parts = [
        f"{label} {report[name]:.3f}"
        for name, label in (
            ("halves", "masks of even and odd updates share"),
            ("since_halfway", "mask now and at half the updates share"),
        )
        if name in report
    ]
    agreement = "; ".join(parts) or "too early to say"
    return (
        f"search of {search.plan.key} after {search.updates} updates: ratio in use "
        f"{search.plan.ratio_at(search.updates):.3f}; {agreement} "
        f"(chance {report['chance']:.3f})"
    )


def _similarity(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> float:
    shared = sum(packing.count_shared(first[name], second[name]) for name in first)
    return shared / max(1, sum(packing.count(bits) for bits in first.values()))
