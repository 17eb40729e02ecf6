"""The search: fine-tunes on pairs, scores their weights, selects masks as it goes.

Of several pairs every update is of one, and is the update that a search of that pair
alone would take: forward under the pair's mask, the gradient into the pair's scores, a
step within the pair's mask. The pairs share the weights (and the optimizer's moments),
so what is scored is not W fine-tuned on the pair but W fine-tuned on all of them.
"""

import contextlib
import logging
from typing import Any, Iterator, Mapping, Sequence

import torch
from fairseq.optim import FairseqOptimizer

from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes.missing_start import DEFAULT
from lass_plugin.languages import Pair
from lass_plugin.methods.method import Method
from lass_plugin.methods.micro_batch import MicroBatch
from lass_plugin.methods.search.advice import chosen
from lass_plugin.methods.search.figures import Figures, described_losses
from lass_plugin.methods.search.one_search import (
    VERSION_TOGETHER,
    SubnetworkSearch,
    states_of,
)
from lass_plugin.methods.search.options import (
    check_search,
    derived_stages,
    places_of,
    plan_of,
)
from lass_plugin.methods.search.pair_losses import PairLosses, affordable
from lass_plugin.methods.search.plan import SearchPlan
from lass_plugin.training.participants import Participants

logger = logging.getLogger(__name__)


class Search(Method):
    """The searches of one training (He 2023, §3.2; Lin 2021, §3.2).

    The checkpoint keeps the scores with the run; ``lass extract`` takes masks from
    them.

    Args:
        plans: one for each pair; start, ramp and interval count the pair's own updates.
        places: see :class:`.SubnetworkSearch`.
        last: updates of the training, all pairs together; 0 where that is open.
        every: updates between two reports; 0 for 20 reports, or one in 1000 updates.
        derived: parts of the plans that a search which goes on keeps as it began with
            them, whatever its length is now.
    """

    words = "searches"
    phase = "search"
    compiles = True
    translates = False

    def __init__(
        self,
        plans: Sequence[SearchPlan],
        places: int | None = None,
        last: int = 0,
        every: int = 0,
        derived: Sequence[str] = (),
    ):
        self.searches = {
            plan.key: SubnetworkSearch(plan, places, derived) for plan in plans
        }
        self.whole_updates = len(plans) > 1
        self._last = last
        self._every = every or (max(1, last // 20) if last else 1000)
        self._participants: Participants | None = None
        self._optimizer: FairseqOptimizer | None = None
        self._figures: Figures | None = None

    @classmethod
    def check_options(cls, cfg: Any) -> None:
        check_search(cfg)

    @classmethod
    def from_options(
        cls, cfg: Any, pairs: Sequence[Pair], tokens: LanguageTokens
    ) -> "Search":
        plans = [plan_of(cfg, str(pair)) for pair in pairs]
        whole = vars(cfg).get("_parent")
        if whole is not None and whole.get("optimization") is not None:
            for line in chosen(plans[0], len(plans), whole):
                logger.info(line)
        return cls(
            plans,
            places_of(cfg),
            cfg.max_update,
            cfg.report_interval,
            derived_stages(cfg),
        )

    @property
    def only(self) -> SubnetworkSearch:
        """The search of a training of one pair."""
        (search,) = self.searches.values()
        return search

    @property
    def updates(self) -> int:
        """Updates of the training: of all pairs together."""
        return sum(search.updates for search in self.searches.values())

    # -- training ----------------------------------------------------------------

    def begin_training(self, task: Any) -> None:
        """Know what losses under masks are measured with."""
        cfg, pairs = task.cfg, len(self.searches)
        batches = cfg.loss_batches
        if batches is None:
            batches = affordable(self._last, pairs)
        if batches and vars(cfg).get("_parent") is not None:
            given = cfg.restore_file if cfg.restore_file != DEFAULT else ""
            base = cfg.finetune_from_model or given
            needed = "--stop-patience" if cfg.stop_patience else ""
            losses = PairLosses(task, batches, needed)
            self._figures = Figures(losses, base, cfg.loss_interval, self._last)

    def check_batches(self, batches: Mapping[str, int]) -> None:
        """Refuse a schedule that a pair which is drawn rarely would not end."""
        for key in self.searches:
            if key not in batches:
                raise LassError(
                    f"no training sentence of {key} is within the limits of the "
                    "model, so it cannot be searched; leave it out of --lang-pairs"
                )
        total = sum(batches.values())
        shares = {key: count / total for key, count in batches.items()}
        plan = next(iter(self.searches.values())).plan
        plan.check_together(shares, self._last)

    @contextlib.contextmanager
    def micro_batch(self, batch: MicroBatch) -> Iterator[None]:
        """Forward with W ⊙ M, gradient straight through (He 2023, Eq. 5)."""
        first, *others = self.searches.values()
        first.begin(batch.model, batch.optimizer)
        for other in others:
            other.begin(batch.model, batch.optimizer, beside=first)
        if others and self._optimizer is not batch.optimizer:
            self._optimizer = batch.optimizer
            self._participants = Participants(list(self.searches), first.sites)
        if self._participants is not None:
            self._participants.add(batch.key, batch.counts)
        with torch.enable_grad(), self.part(batch.key):
            if batch.counts:
                self.searches[batch.key].fetch()
            yield

    def part(self, key: str) -> contextlib.AbstractContextManager[None]:
        """Compute with the sub-network of *key* that is in use."""
        if key not in self.searches:
            raise LassError(
                f"a batch is of {key}, which is not searched; the searches are of "
                f"{', '.join(self.searches)}"
            )
        return self.searches[key].micro_batch()

    def step(self, optimizer: FairseqOptimizer) -> None:
        """Score, step, select; report now and then, and see whether to stop.

        Raises:
            LassError: the update is of several pairs; their gradients cannot be told
                apart.
        """
        if self._participants is None:
            self.only.step(optimizer)
        else:
            keys = self._participants.gather()
            if len(keys) != 1:
                raise LassError(
                    f"an update holds batches of {' and '.join(keys) or 'no pair'}, "
                    "but a score needs the gradient of one pair; this comes of going "
                    "on with another --update-freq or number of processes than the "
                    "search was begun with, so go on with the same"
                )
            self.searches[keys[0]].step(optimizer)
            self._participants.clear()
        due = self._measures()
        if (due or self.updates % self._every == 0) and not self.stopped:
            for line in self.report():
                logger.info(line)
            room = next(iter(self.searches.values())).room
            if room is not None and (moves := room.told()):
                logger.info(moves)
            if self.stopped and not due:
                self._measure_all()
            for search in self.searches.values():
                if search.history and (losses := search.history[-1].get("losses")):
                    logger.info(
                        f"search of {search.plan.key} after {search.updates} updates: "
                        f"{described_losses(losses)}"
                    )
        if self.stopped:
            logger.info(f"the search ends by itself: {self.stopped}")

    def _measures(self) -> bool:
        """Whether all losses are to be measured at this update."""
        figures = self._figures
        return figures is not None and figures.due(self.updates, self._every)

    def _losses(self, search: SubnetworkSearch, every: bool) -> dict[str, Any]:
        """What is recorded of losses now; the search's own where a rule needs it."""
        if self._figures is None or not (every or search.plan.stop_patience):
            return {}
        return self._figures.of(search, self.model, every)

    def _measure_all(self) -> None:
        """Add the losses of the base and of the controls to the last records."""
        for search in self.searches.values():
            if search.history:
                search.history[-1] |= self._losses(search, every=True)
                search.take_watched()

    def report(self) -> list[str]:
        """Record how settled each pair is, see whether to stop; a line for each pair.

        All pairs go on until all have settled: were the batches of one left out, the
        weights would forget it, and the others' scores would be of another training.
        """
        begun = [search for search in self.searches.values() if search.updates]
        due = self._measures()
        lines = [search.report(self._losses(search, due)) for search in begun]
        if not self.stopped:
            for search in begun:
                search.stopped = ""
        return lines

    @property
    def stopped(self) -> str:  # type: ignore[override]
        reasons = {key: search.stopped for key, search in self.searches.items()}
        if not all(reasons.values()):
            return ""
        if len(reasons) == 1:
            return self.only.stopped
        return "; ".join(f"{key}: {reason}" for key, reason in reasons.items())

    def metrics(self) -> dict[str, float]:
        """The share removed in use, the mean over the pairs."""
        ratios = [s.plan.ratio_at(s.updates) for s in self.searches.values()]
        return {"pruned": sum(ratios) / len(ratios)}

    def watched(self) -> dict[str, dict[str, float]]:
        """Watched figures of each pair as of the last report: how far its mask agrees
        with itself above chance, how that has grown, how much of it is new since
        half-way, the losses that were measured; of several pairs the updates, too."""
        found = {key: dict(each.watched) for key, each in self.searches.items()}
        if len(found) > 1:
            for key, search in self.searches.items():
                found[key]["drawn"] = float(search.updates)
        return found

    # -- state -------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """State of the search of one pair, or of all with what they share."""
        keys = list(self.searches)
        states = {key: self.searches[key].state_dict() for key in keys}
        if len(keys) == 1:
            return states[keys[0]]
        each = {key: {**state, "together": keys} for key, state in states.items()}
        return {"phase": "search", "version": VERSION_TOGETHER, "searches": each}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if len(self.searches) == 1:
            self.only.load_state_dict(state)
            self.only.plan.check(self._last)
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
            search.plan.check(self._last)
        self._optimizer = None
