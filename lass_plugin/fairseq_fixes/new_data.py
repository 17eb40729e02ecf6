"""A run that goes on with other data.

Symptom: with ``--reset-dataloader`` a search loses its scores, and other masks than
those that a run was begun with are not refused. What a method keeps of a run is saved
with the place in the data (:class:`.PairsIterator`), which that option passes over.
"""

from collections.abc import Callable
from typing import Any

from fairseq import checkpoint_utils

from lass_plugin.data.pairs_dataset import PairsIterator
from lass_plugin.fairseq_fixes.replacing import replace_once


def _with_its_method(stock: Callable) -> Callable:
    def load(cfg: Any, trainer: Any, **more: Any) -> Any:
        state, iterator = stock(cfg, trainer, **more)
        goes_on = state is not None and trainer.get_num_updates() > 0
        if goes_on and cfg.reset_dataloader and isinstance(iterator, PairsIterator):
            iterator.keep_companion(state["train_iterator"])
        return state, iterator

    return load


def keep_what_is_not_data() -> None:
    """Let ``--reset-dataloader`` begin an epoch anew, and nothing else."""
    replace_once(checkpoint_utils, "load_checkpoint", _with_its_method)
