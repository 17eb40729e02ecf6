"""Files that a checkpoint names by their way from it.

Symptom: masks of ``--refer-to-masks`` that were moved together with the checkpoint are
found by ``lass`` and not by ``fairseq-generate``: fairseq hands a task an entry of the
checkpoint and not its path, so that the way is taken from the folder of the command.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

from fairseq import checkpoint_utils

from lass_plugin.fairseq_fixes.replacing import replace_once

ENTRY = "from_here"
"""Ways from the folder of a checkpoint, in an entry of its ``task_state``."""


def _with_places(stock: Callable) -> Callable:
    def load(path: str, *arguments: Any, **more: Any) -> Any:
        state = stock(path, *arguments, **more)
        entries = state.get("task_state")
        for name, entry in entries.items() if isinstance(entries, Mapping) else ():
            ways = entry.get(ENTRY) if isinstance(entry, Mapping) else None
            if isinstance(ways, list) and all(isinstance(way, str) for way in ways):
                folder = os.path.dirname(os.path.abspath(path))
                there = [os.path.join(folder, way) for way in ways]
                known = {**entries, name: {**entry, ENTRY: there}}
                state["task_state"] = entries = known
        return state

    return load


def find_places_beside() -> None:
    """Let a task find what lies as far from the checkpoint as it did."""
    replace_once(checkpoint_utils, "load_checkpoint_to_cpu", _with_places)
