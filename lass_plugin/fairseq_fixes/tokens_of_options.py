"""Language tokens of a checkpoint that has them in its options only.

Symptom: a checkpoint of a stock task, such as ``lass export`` writes, translates with
no language tokens, and far worse, unless their options are given again: fairseq hands a
task what an earlier one of its kind has written into the checkpoint, and no options.
"""

from collections.abc import Callable
from typing import Any

from fairseq import checkpoint_utils

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.fairseq_fixes.replacing import replace_once


def _with_tokens(stock: Callable) -> Callable:
    def load(path: str, *arguments: Any, **more: Any) -> Any:
        state = stock(path, *arguments, **more)
        checkpoint = Checkpoint(path, state)  # type: ignore[arg-type]
        if "language_tokens" not in checkpoint.task_state:
            tokens = checkpoint.language_tokens
            if tokens is not None and tokens.languages:
                entry = {"language_tokens": tokens.to_dict()}
                state["task_state"] = {**checkpoint.task_state, **entry}
        return state

    return load


def take_tokens_of_options() -> None:
    """Put language tokens where a task is handed them."""
    replace_once(checkpoint_utils, "load_checkpoint_to_cpu", _with_tokens)
