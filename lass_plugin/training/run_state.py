"""What is saved with a training run and checked when it is resumed."""

from typing import TYPE_CHECKING, Any

from lass_plugin.errors import LassError
from lass_plugin.masks.state import digest
from lass_plugin.methods.subnetworks.holding import parse_holding

if TYPE_CHECKING:
    from lass_plugin.tasks.translation_subnetwork import TranslationSubnetworkTask


class RunState:
    """Which masks a run trains under; a resumed run must go on with the same."""

    def __init__(self, task: "TranslationSubnetworkTask"):
        self._task = task

    def state_dict(self) -> dict[str, Any]:
        masks = self._task.masks
        state = {"phase": "base"}
        if masks is not None:
            state = {"phase": "joint", "masks": digest(masks)}
        if self._task.extension is not None:
            state["extend"] = self._task.extension.digest()
            state["hold"] = ",".join(parse_holding(self._task.cfg.hold))
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        mine = self.state_dict()
        if state["phase"] == "base" and mine["phase"] == "joint":
            return  # joint training that also takes over the base's optimizer
        if state != mine:
            raise LassError(
                f"this run was begun as {state['phase']} training"
                + (_difference(state, mine) if state["phase"] == mine["phase"] else "")
                + "; go on with the same --masks, --extend and --hold, or start anew "
                "from its weights with --restore-file and --reset-optimizer "
                "--reset-dataloader --reset-meters --reset-lr-scheduler"
            )
        self._task.continues_joint = mine["phase"] == "joint"


def _difference(saved: dict[str, Any], mine: dict[str, Any]) -> str:
    """What another phase of the same name was begun with."""
    if saved.get("masks") != mine.get("masks"):
        return " with other masks"
    if saved.get("extend") != mine.get("extend"):
        return " from another extended checkpoint (--extend)"
    return f" with --hold '{saved.get('hold', '')}'"
