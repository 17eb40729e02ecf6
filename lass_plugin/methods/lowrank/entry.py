"""What a checkpoint says of its low-rank modules: the plan, and whose base it is."""

from dataclasses import dataclass
from typing import Any

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError
from lass_plugin.masks import Fingerprint
from lass_plugin.methods.lowrank.planning.plan import Plan

ENTRY = "lslo"
VERSION = 1


@dataclass(frozen=True)
class Entry:
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

    @classmethod
    def from_state(cls, state: Any, where: str) -> "Entry":
        """What :meth:`to_state` gave.

        Raises:
            LassError: damaged, or of a later release.
        """
        try:
            if state["version"] != VERSION:
                raise LassError(
                    f"the low-rank modules in {where} are of version "
                    f"{state['version']}; this release reads version {VERSION}"
                )
            base = {str(n): float(value) for n, value in state["fingerprint"].items()}
            plan = Plan.from_dict(state["plan"])
            if base.keys() != plan.ranks.keys():
                raise ValueError("its fingerprint is of other matrices")
            return cls(plan, str(state["base"]), base)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise LassError(
                f"the plan of the low-rank modules in {where} is damaged "
                f"({type(error).__name__}: {error}); take another checkpoint"
            ) from error


def entry_of(checkpoint: Checkpoint) -> Entry:
    """What *checkpoint* says of its low-rank modules.

    Raises:
        LassError: it has none, or the entry is damaged.
    """
    entry = checkpoint.task_state.get(ENTRY)
    if entry is None:
        raise LassError(
            f"{checkpoint.path} holds no low-rank modules; give a checkpoint of --task "
            "translation_lslo"
        )
    return Entry.from_state(entry, str(checkpoint.path))
