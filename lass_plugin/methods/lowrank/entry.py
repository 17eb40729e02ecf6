"""What a checkpoint says of its low-rank modules: the plan, and whose base it is."""

import os
from dataclasses import dataclass
from typing import Any, Mapping

from torch import Tensor

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError
from lass_plugin.masks.fingerprint import Fingerprint, same_weights
from lass_plugin.methods.lowrank.frozen_base import (
    FrozenBase,
    check_exists,
    fingerprint_of,
)
from lass_plugin.methods.lowrank.planning.plan import LowRankPlan

ENTRY = "lslo"
VERSION = 1


@dataclass(frozen=True)
class Entry:
    """Entry :data:`ENTRY` of ``task_state``."""

    plan: LowRankPlan
    base: str
    """Path of the base in training."""
    fingerprint: Fingerprint
    """That of the base's matrices that modules stand beside."""

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
            plan = LowRankPlan.from_dict(state["plan"])
            if base.keys() != plan.ranks.keys():
                raise ValueError("its fingerprint is of other matrices")
            return cls(plan, str(state["base"]), base)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise LassError(
                f"the plan of the low-rank modules in {where} is damaged "
                f"({type(error).__name__}: {error}); take another checkpoint"
            ) from error

    def read_base(self, given: str | os.PathLike | None = None) -> FrozenBase:
        """The base that the modules stand in.

        Args:
            given: where it is now; None for where it was in training.

        Raises:
            LassError: it is not there, or no base.
        """
        return FrozenBase.read(check_exists(given or self.base, recorded=not given))

    def check_base(
        self, tensors: Mapping[str, Tensor], path: str | os.PathLike
    ) -> None:
        """Refuse a base that is not the one of training.

        Args:
            tensors: name -> weight, of a model or a checkpoint.
            path: of that base, for messages.
        """
        known = [name for name in self.fingerprint if f"{name}.weight" in tensors]
        if not same_weights(self.fingerprint, fingerprint_of(tensors, known)):
            raise LassError(
                f"the low-rank modules were trained on another base than {path}; give "
                "theirs with --base"
            )


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
