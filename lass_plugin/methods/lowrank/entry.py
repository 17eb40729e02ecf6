"""What a checkpoint says of its low-rank modules: the plan, and whose base it is."""

import os
from dataclasses import dataclass
from typing import Any, Mapping

from torch import nn

from lass_plugin.errors import LassError
from lass_plugin.masks import Fingerprint
from lass_plugin.methods.lowrank.attaching import attach
from lass_plugin.methods.lowrank.frozen_base import check_exists, check_same, load_base
from lass_plugin.methods.lowrank.inference import LowRankParts
from lass_plugin.methods.lowrank.planning.plan import Plan
from lass_plugin.methods.lowrank.saved_weights import save_trained_only

ENTRY = "lslo"
VERSION = 1


@dataclass(frozen=True)
class Carried:
    """Entry :data:`ENTRY` of ``task_state``."""

    plan: Plan
    base: str
    """Path of the base in training."""
    fingerprint: Fingerprint
    """Of the base's matrices that modules stand beside."""

    def to_state(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "plan": self.plan.to_dict(),
            "base": self.base,
            "fingerprint": dict(self.fingerprint),
        }


def carried(task_state: Mapping[str, Any], where: str) -> Carried | None:
    """The entry of *task_state*; None if there is none.

    Raises:
        LassError: damaged, or of a later release.
    """
    state = task_state.get(ENTRY)
    if state is None:
        return None
    try:
        if state["version"] != VERSION:
            raise LassError(
                f"the low-rank modules in {where} are of version {state['version']}; "
                f"this release reads version {VERSION}"
            )
        base = {str(name): float(value) for name, value in state["fingerprint"].items()}
        plan = Plan.from_dict(state["plan"])
        if base.keys() != plan.ranks.keys():
            raise ValueError("its fingerprint is of other matrices")
        return Carried(plan, str(state["base"]), base)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LassError(
            f"the plan of the low-rank modules in {where} is damaged "
            f"({type(error).__name__}: {error}); take another checkpoint"
        ) from error


def carried_by(checkpoint: Mapping[str, Any], path: str | os.PathLike) -> Carried:
    """What *checkpoint* says of its low-rank modules.

    Raises:
        LassError: it has none, or the entry is damaged.
    """
    state = checkpoint.get("task_state")
    entry = carried(state if isinstance(state, Mapping) else {}, str(path))
    if entry is None:
        raise LassError(
            f"{path} holds no low-rank modules; give a checkpoint of --task "
            "translation_lslo"
        )
    return entry


def put_in(model: nn.Module, entry: Carried, base: str | None, options: Any) -> None:
    """Make *model* the base with the modules of *entry* (their weights come later).

    Args:
        base: where the base is now; None for where it was.
        options: those that *model* was built with.

    Raises:
        LassError: the base is missing, of another shape or another model.
    """
    path = check_exists(base or entry.base, recorded=not base)
    load_base(model, path, options)
    check_same(entry.fingerprint, model, path)
    equip(model, entry.plan, trains=False)


def equip(model: nn.Module, plan: Plan, trains: bool = True) -> LowRankParts:
    """Put the modules of *plan* into *model*, which holds its base's weights.

    Args:
        trains: False where checkpoints are loaded to translate with: what they say of
            pruning is then of no use.
    """
    parts = LowRankParts(model, plan, attach(model, plan))
    if not trains:
        # as in any model that fairseq translates with: torch multiplies a frozen
        # matrix in batches of one, which takes half as long again
        model.requires_grad_(True)
    save_trained_only(model, trains)
    # nn.Module would register a module; this is none
    object.__setattr__(model, "low_rank", parts)
    return parts
