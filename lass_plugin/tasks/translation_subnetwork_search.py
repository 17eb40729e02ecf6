"""The task ``translation_subnetwork_search``: finds the sub-network of one pair."""

import contextlib
import logging
from typing import Any

import torch
from fairseq import metrics
from fairseq.tasks import register_task

from lass_plugin import options
from lass_plugin.errors import LassError
from lass_plugin.masks import parse_targets
from lass_plugin.options import TranslationSubnetworkSearchConfig
from lass_plugin.tasks.translation_subnetwork import (
    TranslationSubnetworkTask,
)
from lass_plugin.training.search import (
    SearchPlan,
    SubnetworkSearch,
)

logger = logging.getLogger(__name__)


@register_task(
    "translation_subnetwork_search", dataclass=TranslationSubnetworkSearchConfig
)
class TranslationSubnetworkSearchTask(TranslationSubnetworkTask):
    """Fine-tunes on one pair and scores its weights (He 2023, §3.2; Lin 2021, §3.2).

    The checkpoint keeps the scores; ``lass extract`` takes masks from it.
    """

    cfg: TranslationSubnetworkSearchConfig
    phase = "search"

    def __init__(self, cfg: Any, pairs: list, *more: Any):
        super().__init__(cfg, pairs, *more)
        self.search = SubnetworkSearch(plan_of(cfg, str(pairs[0])))

    @classmethod
    def check_training_options(cls, cfg: Any) -> None:
        options.check_training(cfg, masked=True)
        pairs = [pair for pair in cfg.lang_pairs.split(",") if pair.strip()]
        if len(pairs) != 1:
            raise LassError(
                f"a search is of one pair, but --lang-pairs names {len(pairs)}; "
                "'lass search' runs one search for each pair"
            )
        if cfg.extend or cfg.hold:
            raise LassError(
                "--extend and --hold are for joint training and have no effect in a "
                "search; leave them out"
            )
        if cfg.masks:
            raise LassError(
                "a search makes a mask and takes none; leave --masks out, or use "
                "--task translation_subnetwork for joint training"
            )
        if cfg.report_interval < 0:
            raise LassError(f"--report-interval {cfg.report_interval} is below 0")
        plan_of(cfg, pairs[0].strip()).check(cfg.max_update)

    def _micro_batch(self, sample: Any, model: Any, optimizer: Any, ignore_grad: bool):
        self.search.begin(model, optimizer)
        stack = contextlib.ExitStack()
        stack.enter_context(torch.enable_grad())
        stack.enter_context(self.search.micro_batch())
        return stack

    def optimizer_step(self, optimizer: Any, model: Any, update_num: int) -> None:
        self.search.step(optimizer)
        twentieth = max(1, self.cfg.max_update // 20) if self.cfg.max_update else 1000
        every = self.cfg.report_interval or twentieth
        if self.search.updates % every == 0 and not self.search.stopped:
            logger.info(self.search.report())
        if self.search.stopped:
            logger.info(f"the search has settled: {self.search.stopped}")
            self._end_training(update_num + 1)

    def _end_training(self, updates: int) -> None:
        """Let fairseq end after this update as it does after ``--max-update``.

        So it validates and saves as at any end. The options of a task are part of
        fairseq's whole configuration, which its training loop reads.
        """
        everything = self.cfg.__dict__["_parent"]
        everything.optimization.max_update = updates

    def reduce_metrics(self, logging_outputs: list, criterion: Any) -> None:
        super().reduce_metrics(logging_outputs, criterion)
        ratio = self.search.plan.ratio_at(self.search.updates)
        metrics.log_scalar("pruned", ratio, weight=0, round=4)

    def _run_state(self) -> Any:
        return self.search

    def subnetworks(self, model: torch.nn.Module) -> Any:
        """Validation sees the sub-network in use."""
        return _SearchedNetwork(self.search)


class _SearchedNetwork:
    def __init__(self, search: SubnetworkSearch):
        self._search = search

    def using(self, key: str | None) -> contextlib.AbstractContextManager:
        return self._search.micro_batch()


def plan_of(cfg: Any, key: str) -> SearchPlan:
    """The plan that the options of *cfg* describe."""
    return SearchPlan(
        key=key,
        criterion=str(cfg.pruning_criterion),
        schedule=str(cfg.pruning_schedule),
        ratio=cfg.pruning_ratio,
        start=cfg.pruning_start,
        ramp=cfg.pruning_ramp,
        interval=cfg.pruning_interval,
        targets=parse_targets(cfg.mask_targets),
        move_pruned=cfg.move_pruned,
        stop_settled=cfg.stop_when_settled,
        stop_growth=cfg.stop_when_growth_below,
    )
