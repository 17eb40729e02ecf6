"""The search: fine-tunes on a pair, scores its weights, selects its mask as it goes."""

import contextlib
import logging
from typing import Any, Iterator, Mapping, Sequence

import torch
from fairseq.optim import FairseqOptimizer

from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.methods.method import Method, MicroBatch
from lass_plugin.methods.search.options import check_search, plan_of
from lass_plugin.methods.search.plan import check_together
from lass_plugin.methods.search.several import SearchRun

logger = logging.getLogger(__name__)


class Search(Method):
    """The searches of one training (He 2023, §3.2; Lin 2021, §3.2).

    With several pairs every update is of one of them, and scores its weights. The
    checkpoint keeps the scores with the run; ``lass extract`` takes masks from them.
    """

    words = "searches"
    phase = "search"
    translates = False

    def __init__(self, cfg: Any, pairs: Sequence[Pair]):
        self._cfg = cfg
        plans = [plan_of(cfg, str(pair)) for pair in pairs]
        self.searches = SearchRun(plans, cfg.scores_on_cpu)
        self.whole_updates = len(pairs) > 1

    @classmethod
    def check_options(cls, cfg: Any) -> None:
        check_search(cfg)

    @classmethod
    def from_options(
        cls, cfg: Any, pairs: Sequence[Pair], tokens: LanguageTokens
    ) -> "Search":
        return cls(cfg, pairs)

    def check_batches(self, batches: Mapping[str, int]) -> None:
        """Refuse a schedule that a pair which is drawn rarely would not end."""
        for key in self.searches.searches:
            if key not in batches:
                raise LassError(
                    f"no training sentence of {key} is within the limits of the "
                    "model, so it cannot be searched; leave it out of --lang-pairs"
                )
        total = sum(batches.values())
        shares = {key: count / total for key, count in batches.items()}
        plan = next(iter(self.searches.searches.values())).plan
        check_together(plan, shares, self._cfg.max_update)

    @contextlib.contextmanager
    def micro_batch(self, batch: MicroBatch) -> Iterator[None]:
        """Forward with W ⊙ M, gradient straight through (He 2023, Eq. 5)."""
        self.searches.begin(batch.model, batch.optimizer)
        with torch.enable_grad(), self.searches.micro_batch(batch.key, batch.counts):
            yield

    def step(self, optimizer: FairseqOptimizer) -> None:
        """Score, step, select; report now and then, and see whether to stop."""
        self.searches.step(optimizer)
        last = self._cfg.max_update
        every = self._cfg.report_interval or (max(1, last // 20) if last else 1000)
        if self.searches.updates % every == 0 and not self.searches.stopped:
            for line in self.searches.report():
                logger.info(line)
        if self.searches.stopped:
            logger.info(f"the search has settled: {self.searches.stopped}")

    @property
    def stopped(self) -> str:  # type: ignore[override]
        return self.searches.stopped

    def metrics(self) -> dict[str, float]:
        return {"pruned": self.searches.ratio}

    def state_dict(self) -> dict[str, Any]:
        return self.searches.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.searches.load_state_dict(state)

    def part(self, key: str) -> contextlib.AbstractContextManager[None]:
        """Compute with the sub-network in use."""
        return self.searches.using(key)
