"""A finished training that is started again.

Symptoms: it takes one more update and overwrites its result, because fairseq asks
whether the end is reached after an update only. One that ended by ``--patience`` counts
from zero again, as does one that was killed on its way there.
"""

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from fairseq import checkpoint_utils
from fairseq.trainer import Trainer

from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes.missing_start import DEFAULT
from lass_plugin.fairseq_fixes.replacing import replace_once

logger = logging.getLogger(__name__)

PATIENCE = "patience"
"""Where ``extra_state`` of a checkpoint has the best loss and what came after it."""

NO_EPOCH = -1
"""A last epoch before the first; fairseq takes 0 for no limit."""


def _early_stopping() -> Any:
    """fairseq's function that keeps the count of ``--patience`` on itself."""
    for name in ("fairseq_cli.train", "__main__"):
        found = getattr(sys.modules.get(name), "should_stop_early", None)
        if found is not None:
            return found
    return None


def _reached(trainer: Any, state: dict[str, Any]) -> str:
    """The end that a restored training has come to; empty where it has not."""
    cfg, updates = trainer.cfg, trainer.get_num_updates()
    most, hours = cfg.optimization.max_update, cfg.optimization.stop_time_hours
    without_gain = state.get(PATIENCE, {}).get("runs", 0)
    if settled := getattr(getattr(trainer.task, "method", None), "stopped", ""):
        return settled
    if 0 < most <= updates:
        return f"{updates} updates, with --max-update {most}"
    if 0 < hours < trainer.cumulative_training_time() / 3600:
        return f"--stop-time-hours {hours}"
    if 0 < cfg.checkpoint.patience <= without_gain:
        return f"{without_gain} validations without gain"
    return ""


def _nothing_more(stock: Callable) -> Callable:
    def load(cfg: Any, trainer: Any, **more: Any) -> Any:
        state, iterator = stock(cfg, trainer, **more)
        stopping = _early_stopping()
        if state is None:
            return state, iterator
        goes_on = trainer.get_num_updates() > 0  # not with --reset-optimizer
        if stopping and goes_on and cfg.patience > 0 and PATIENCE in state:
            stopping.best = state[PATIENCE]["best"]
            stopping.num_runs = state[PATIENCE]["runs"]
        reached = goes_on and _reached(trainer, state)
        if reached:
            # by the options: the folder may be on the disk of the first process only
            begun_from = cfg.restore_file
            folder = os.path.dirname(begun_from)
            if begun_from == DEFAULT:
                folder, begun_from = cfg.save_dir, cfg.continue_once
                if begun_from and not os.path.exists(os.path.join(folder, DEFAULT)):
                    folder = os.path.dirname(begun_from)
            if os.path.abspath(folder) != os.path.abspath(cfg.save_dir):
                raise LassError(
                    f"nothing is left to train from {begun_from}: it has come to "
                    f"its end ({reached}); train for longer, or add --reset-optimizer "
                    "--reset-dataloader --reset-lr-scheduler --reset-meters to begin "
                    "from its weights"
                )
            logger.info(f"this training has come to its end before: {reached}")
            trainer.cfg.optimization.max_epoch = NO_EPOCH
        return state, iterator

    return load


def _with_patience(stock: Callable) -> Callable:
    def save(trainer: Any, filename: str, extra_state: dict[str, Any]) -> Any:
        best = getattr(_early_stopping(), "best", None)
        if trainer.cfg.checkpoint.patience > 0 and best is not None:
            runs = _early_stopping().num_runs
            extra_state = {**extra_state, PATIENCE: {"best": best, "runs": runs}}
        return stock(trainer, filename, extra_state)

    return save


def end_finished_runs() -> None:
    """End a training that has come to its end before, with nothing changed."""
    replace_once(checkpoint_utils, "load_checkpoint", _nothing_more)
    replace_once(Trainer, "save_checkpoint", _with_patience)
