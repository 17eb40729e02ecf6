"""A finished search cut down to what masks at any ratio are taken from.

A search's checkpoint has 22 bytes a weight: the weights, two moments, two half scores.
Of a search that is not to go on the scores are enough: 4 bytes a weight as float32, so
that masks stay the same bit for bit, and 2 for the weights as float16, which nothing is
selected by. Where the score is one of the weights alone these stay as they are.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.methods.search.one_search import (
    CUT_DOWN,
    VERSION_CUT_DOWN,
    VERSION_TOGETHER_CUT_DOWN,
    states_of,
)
from lass_plugin.methods.search.plan import SearchPlan


def is_cut_down(checkpoint: Checkpoint) -> bool:
    """Whether a search's checkpoint holds no more than its scores."""
    state = checkpoint.iterator_state.get("subnetwork")
    return isinstance(state, Mapping) and state.get("version") in CUT_DOWN


def cut_down(checkpoint: Checkpoint) -> dict[str, Any]:
    """The content of a checkpoint that gives the same masks and is no start."""
    state = checkpoint.iterator_state["subnetwork"]
    singles = [_cut_single(single) for single in states_of(state)]
    if "searches" in state:
        state = {
            **state,
            "version": VERSION_TOGETHER_CUT_DOWN,
            "searches": dict(zip(state["searches"], singles, strict=True)),
        }
    else:
        (state,) = singles
    plan = SearchPlan.from_dict(singles[0]["plan"])
    model = checkpoint.content["model"]
    if plan.score.accumulates:
        model = _halved(model)
    extra = dict(checkpoint.content["extra_state"])
    extra["train_iterator"] = {**extra["train_iterator"], "subnetwork": state}
    return {
        **checkpoint.content,
        "model": model,
        "extra_state": extra,
        "last_optimizer_state": None,
    }


def _cut_single(state: Mapping[str, Any]) -> dict[str, Any]:
    halves = state["halves"]
    if SearchPlan.from_dict(state["plan"]).score.accumulates:
        even, odd = halves
        halves = [{name: even[name].float() + odd[name].float() for name in even}]
    return {
        **state,
        "version": VERSION_CUT_DOWN,
        "halves": halves,
        "bits": {},
        "snapshots": {},
    }


def _halved(model: Mapping[str, Any]) -> dict[str, Any]:
    """Weights as float16; one that has several names stays one."""
    made: dict[tuple, Tensor] = {}
    found = dict(model)
    for name, value in model.items():
        if isinstance(value, Tensor) and value.dtype == torch.float32:
            place = (value.data_ptr(), value.shape, value.stride())
            if place not in made:
                made[place] = value.half()
            found[name] = made[place]
    return found
