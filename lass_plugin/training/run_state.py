"""What is saved with a training run and checked when it is resumed."""

from typing import TYPE_CHECKING, Any

from lass_plugin.errors import LassError
from lass_plugin.masks.state import digest

if TYPE_CHECKING:
    from lass_plugin.tasks.translation_subnetwork import TranslationSubnetworkTask


class RunState:
    """Which masks a run trains under; a resumed run must go on with the same."""

    def __init__(self, task: "TranslationSubnetworkTask"):
        self._task = task

    def state_dict(self) -> dict[str, Any]:
        masks = self._task.masks
        if masks is None:
            return {"phase": "base"}
        return {"phase": "joint", "masks": digest(masks)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        mine = self.state_dict()
        if state["phase"] == "base" and mine["phase"] == "joint":
            return  # joint training that also takes over the base's optimizer
        if state != mine:
            raise LassError(
                f"this run was begun as {state['phase']} training"
                + (" with other masks" if state["phase"] == mine["phase"] else "")
                + "; go on with the same --masks, or start anew from its weights with "
                "--restore-file and --reset-optimizer --reset-dataloader "
                "--reset-meters --reset-lr-scheduler"
            )
        self._task.continues_joint = mine["phase"] == "joint"
