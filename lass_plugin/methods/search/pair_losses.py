"""Validation losses of the model in training, on a few batches of each pair."""

import logging
import math
from itertools import product
from pathlib import Path
from typing import Any

import torch
from fairseq import utils
from fairseq.distributed import utils as distributed_utils
from torch import nn

from lass_plugin.data.pair_data import find_split
from lass_plugin.data.pairs_dataset import PairsDataset
from lass_plugin.errors import LassError
from lass_plugin.training.validation import summed_loss

logger = logging.getLogger(__name__)

BATCHES = 8
"""Of each pair, unless that would cost more than about a twentieth of the search."""


class PairLosses:
    """Batches of validation data, the same ones at every call.

    They are spread over the lengths of the sentences. Several processes share them.

    Args:
        task: of the training; its data are read when the first loss is asked for.
        batches: of each pair.
        needed: by this option; a search goes on without losses if it is empty.
    """

    def __init__(self, task: Any, batches: int, needed: str = ""):
        self._task = task
        self.batches = batches
        self._needed = needed
        self._data: PairsDataset | None = None
        self._chosen: dict[str, list] | None = None

    def number(self, key: str, model: nn.Module) -> int:
        """How many batches there are of *key*, 0 where it has no validation data.

        Raises:
            LassError: it has none, and an option needs them.
        """
        if self._chosen is None:
            try:
                self._chosen = self._choose(model)
            except LassError as error:
                if self._needed:
                    raise LassError(
                        f"{self._needed} needs validation data: {error.message}"
                    ) from error
                self._chosen = {}
                logger.info(f"no losses under masks are measured: {error.message}")
        found = len(self._chosen.get(key, ()))
        if self._needed and not found:
            raise LassError(
                f"{self._needed} needs validation data, and there is no sentence of "
                f"{key}; leave the option out, or prepare valid.{key}"
            )
        return found

    @torch.no_grad()
    def of(self, key: str, model: nn.Module) -> float:
        """Bits a token without label smoothing, as *model* computes now.

        Args:
            key: a pair with a :meth:`number` of batches above 0.
        """
        assert self._chosen is not None and self._data is not None
        world = distributed_utils.get_data_parallel_world_size()
        rank = distributed_utils.get_data_parallel_rank() if world > 1 else 0
        device = next(model.parameters()).device
        training = model.training
        model.eval()
        sums = torch.zeros(2, dtype=torch.float64, device=device)
        try:
            for numbers in self._chosen[key][rank::world]:
                sample = self._data.batch(numbers)
                if device.type == "cuda":
                    sample = utils.move_to_cuda(sample, device)
                padding = self._task.target_dictionary.pad()
                with self._task.autocast(sample):
                    sums[0] += summed_loss(model, sample, padding)
                sums[1] += sample["ntokens"]
        finally:
            model.train(training)
        if world > 1:
            group = distributed_utils.get_data_parallel_group()
            distributed_utils.all_reduce(sums, group=group)
        loss, tokens = sums.tolist()
        return loss / max(1.0, tokens) / math.log(2)

    def _choose(self, model: Any) -> dict[str, list]:
        """Pair -> its batches: arrays of numbers of sentences."""
        task = self._task
        everything: Any = vars(task.cfg)["_parent"]
        data = everything.dataset
        split = data.valid_subset.split(",")[0]
        if split not in task.datasets:
            folder = Path(utils.split_paths(task.cfg.data)[0])
            for pair, language in product(task.pairs, (0, 1)):
                code = (pair.source, pair.target)[language]
                if not find_split(folder, split, pair, code):
                    raise LassError(f"there is no {split} data of {pair} in {folder}")
            task.load_dataset(split)
        self._data = task.datasets[split]
        positions = (task.max_positions(), model.max_positions())
        found: dict[str, list] = {str(pair): [] for pair in task.pairs}
        for numbers in self._data.batches(
            max_tokens=data.max_tokens_valid or data.max_tokens,
            max_sentences=data.batch_size_valid or data.batch_size,
            limits=utils.resolve_max_positions(*positions),
            drop_too_long=True,
        ):
            found[self._data.locate(int(numbers[0]))[0]].append(numbers)
        return {key: _spread(every, self.batches) for key, every in found.items()}


def affordable(updates: int, pairs: int) -> int:
    """Batches of a pair whose losses take about a twentieth of a search.

    They are 1 to :data:`BATCHES`. Four measurements of about four losses a pair; the
    forward pass of a batch is a third of an update.

    Args:
        updates: of the training, 0 where that is open.
    """
    if not updates:
        return BATCHES
    return max(1, min(BATCHES, updates * 3 // (20 * 4 * 4 * pairs)))


def _spread(batches: list, number: int) -> list:
    """*number* of them, from the middles of as many equal parts."""
    count = min(number, len(batches))
    return [batches[(2 * i + 1) * len(batches) // (2 * count)] for i in range(count)]
