"""Which language keys an update is made of, on this rank or another."""

import itertools
from typing import Mapping, Sequence

import torch
import torch.distributed as distributed
from fairseq.distributed import utils as distributed_utils
from torch import nn


class Participants:
    """The keys whose micro-batches make up the update that is under way.

    Args:
        keys: all keys there are, in the same order on every rank.
        sites: parameters whose gradients are cleared before every update.
    """

    def __init__(self, keys: Sequence[str], sites: Mapping[str, nn.Parameter]):
        self._keys = list(keys)
        self._sites = sites
        self._seen: set[str] = set()

    def add(self, key: str, counts: bool = True) -> None:
        """Note a micro-batch that is about to be computed.

        It does not *count* if it is the dummy batch of a rank without further data.
        """
        if all(site.grad is None for site in self._sites.values()):
            # gradients have just been cleared: this micro-batch begins an update
            # (the one before may have been dropped for an overflow of its gradients);
            # all, because a layer that was dropped gets no gradient
            self.clear()
        if counts:
            self._seen.add(key)

    def clear(self) -> None:
        """The update has been taken."""
        self._seen.clear()

    def gather(self) -> list[str]:
        """Keys that took part in this update, on this rank or another."""
        if distributed_utils.get_data_parallel_world_size() == 1:
            return sorted(self._seen)
        device = next(iter(self._sites.values())).device
        took_part = torch.tensor(
            [key in self._seen for key in self._keys], dtype=torch.int32, device=device
        )
        group = distributed_utils.get_data_parallel_group()
        distributed.all_reduce(took_part, op=distributed.ReduceOp.MAX, group=group)
        return list(itertools.compress(self._keys, took_part.tolist()))
