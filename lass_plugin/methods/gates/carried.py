"""The gates that a checkpoint carries, or that lie in a folder."""

from pathlib import Path

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError, naming_damage
from lass_plugin.masks.fingerprint import same_weights
from lass_plugin.methods.gates.sets import (
    GateSets,
    digest_of_numbers,
    from_state,
    load_gates,
)

CARRIED = "gates"
"""Entry of ``task_state`` with the gates that a model was trained under, and the module
of their parameters where they are learned."""


def gates_at(place: Path) -> GateSets:
    """The gates in a folder of ``lass gates select``, or of a checkpoint.

    Raises:
        LassError: there are none.
    """
    if place.is_file():
        return gates_for(Checkpoint.read(place), None)
    return load_gates(place)


def gates_for(checkpoint: Checkpoint, folder: Path | None) -> GateSets:
    """The gates of *checkpoint*: those it carries, or those of *folder*.

    Raises:
        LassError: there are none, or they are of another model.
    """
    state = checkpoint.task_state.get(CARRIED)
    carried = None
    if state is not None:
        what = f"{checkpoint.path} is damaged: its gates"
        with naming_damage(what, checkpoint.path, "take another checkpoint"):
            carried = from_state(state["sets"])
    if folder is None:
        if carried is None:
            raise LassError(
                f"{checkpoint.path} carries no gates; give those of 'lass gates "
                "select' with --gates"
            )
        return carried
    given = load_gates(folder)
    if carried is None:
        given.check_base(checkpoint.weights, str(checkpoint.path))
    elif not _same(given, carried):
        raise LassError(
            f"{checkpoint.path} was trained under other gates than those in {folder}; "
            "leave --gates out"
        )
    return given


def _same(one: GateSets, other: GateSets) -> bool:
    """Whether both are of one model and leave out the same."""
    first, second = (digest_of_numbers(e.to_state()["numbers"]) for e in (one, other))
    return same_weights(one.base, other.base) and first == second
