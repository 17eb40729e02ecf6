"""The task ``translation_subnetwork_search``: finds the sub-networks of pairs."""

import contextlib
import logging
from collections import Counter
from typing import Any

import torch
from fairseq import metrics
from fairseq.tasks import register_task

from lass_plugin import option_checks
from lass_plugin.data.pairs_dataset import PairsDataset, PairsIterator
from lass_plugin.errors import LassError
from lass_plugin.languages import parse_pairs
from lass_plugin.masks import parse_targets
from lass_plugin.methods.search.one_search import SubnetworkSearch
from lass_plugin.methods.search.plan import SearchPlan, check_together
from lass_plugin.methods.search.several import SearchRun
from lass_plugin.options import TranslationSubnetworkSearchConfig
from lass_plugin.tasks.translation_subnetwork import (
    TranslationSubnetworkTask,
)

logger = logging.getLogger(__name__)


@register_task(
    "translation_subnetwork_search", dataclass=TranslationSubnetworkSearchConfig
)
class TranslationSubnetworkSearchTask(TranslationSubnetworkTask):
    """Fine-tunes on one pair and scores its weights (He 2023, §3.2; Lin 2021, §3.2).

    With several pairs every update is of one of them, and scores its weights. The
    checkpoint keeps the scores; ``lass extract`` takes masks from it.
    """

    cfg: TranslationSubnetworkSearchConfig
    phase = "search"

    def __init__(self, cfg: Any, pairs: list, *more: Any):
        super().__init__(cfg, pairs, *more)
        plans = [plan_of(cfg, str(pair)) for pair in pairs]
        self.searches = SearchRun(plans, cfg.scores_on_cpu)

    @property
    def search(self) -> SubnetworkSearch:
        """The search of the only pair."""
        return self.searches.only

    @classmethod
    def check_training_options(cls, cfg: Any) -> None:
        option_checks.check_training(cfg, masked=True)
        keys = [str(pair) for pair in parse_pairs(cfg.lang_pairs)]
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
        stops = cfg.stop_when_settled or cfg.stop_when_growth_below
        if stops and 0 < (cfg.max_update or 0) < cfg.report_interval:
            raise LassError(
                f"--report-interval {cfg.report_interval} is longer than the search of "
                f"{cfg.max_update} updates, which would never stop because it has "
                "settled; lower it, or leave it out"
            )
        plan = plan_of(cfg, keys[0])
        plan.check(cfg.max_update)
        if len(keys) > 1:
            check_together(plan, dict.fromkeys(keys, 1 / len(keys)), cfg.max_update)
        if cfg.scores_on_cpu:
            _check_scores_on_cpu(cfg)

    def get_batch_iterator(
        self, dataset: PairsDataset, *args: Any, **kwargs: Any
    ) -> PairsIterator:
        iterator = super().get_batch_iterator(dataset, *args, **kwargs)
        if len(self.pairs) > 1 and kwargs.get("update_epoch_batch_itr") is not None:
            if kwargs.get("grouped_shuffling"):
                raise LassError(
                    "--grouped-shuffling has no effect on a search of several pairs, "
                    "where an update holds batches of one pair; leave it out"
                )
            self._check_shares(dataset, iterator)
        return iterator

    def _check_shares(self, dataset: PairsDataset, iterator: PairsIterator) -> None:
        """Refuse a schedule that a pair which is drawn rarely would not end."""
        batches = Counter(
            dataset.locate(int(batch[0]))[0] for batch in iterator.frozen_batches
        )
        for key in self.searches.searches:
            if key not in batches:
                raise LassError(
                    f"no training sentence of {key} is within the limits of the "
                    "model, so it cannot be searched; leave it out of --lang-pairs"
                )
        shares = {key: count / batches.total() for key, count in batches.items()}
        plan = plan_of(self.cfg, str(self.pairs[0]))
        check_together(plan, shares, self.cfg.max_update)

    def _update_size(self, epoch: int, ranks: int) -> int:
        """All batches of an update are of one pair, whose score it is for."""
        if len(self.pairs) == 1:
            return 1
        frequencies = self.cfg.update_freq
        return ranks * frequencies[min(epoch, len(frequencies)) - 1]

    def _micro_batch(self, sample: Any, model: Any, optimizer: Any, ignore_grad: bool):
        self.searches.begin(model, optimizer)
        stack = contextlib.ExitStack()
        stack.enter_context(torch.enable_grad())
        key = sample["language_key"]
        stack.enter_context(self.searches.micro_batch(key, not ignore_grad))
        return stack

    def optimizer_step(self, optimizer: Any, model: Any, update_num: int) -> None:
        self.searches.step(optimizer)
        twentieth = max(1, self.cfg.max_update // 20) if self.cfg.max_update else 1000
        every = self.cfg.report_interval or twentieth
        if self.searches.updates % every == 0 and not self.searches.stopped:
            for line in self.searches.report():
                logger.info(line)
        if self.searches.stopped:
            logger.info(f"the search has settled: {self.searches.stopped}")
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
        metrics.log_scalar("pruned", self.searches.ratio, weight=0, round=4)

    def _run_state(self) -> Any:
        return self.searches

    def subnetworks(self, model: torch.nn.Module) -> Any:
        """Validation sees the sub-network in use."""
        return self.searches


def _check_scores_on_cpu(cfg: Any) -> None:
    if cfg.cpu or not torch.cuda.is_available():
        raise LassError(
            "--scores-on-cpu has no effect where the training is on the CPU; leave it "
            "out"
        )
    if str(cfg.pruning_criterion) == "magnitude":
        raise LassError(
            "--scores-on-cpu has no effect with --pruning-criterion magnitude, which "
            "keeps no scores; leave it out"
        )


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
