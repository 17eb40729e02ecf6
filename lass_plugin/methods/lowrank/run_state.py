"""What a training of low-rank modules saves of itself and checks when it is resumed."""

from typing import TYPE_CHECKING, Any

from lass_plugin.errors import LassError

if TYPE_CHECKING:
    from lass_plugin.tasks.translation_lslo import TranslationLsloTask


class LowRankRunState:
    """The plan of a run; a resumed run must go on with the same."""

    def __init__(self, task: "TranslationLsloTask"):
        self._task = task

    def state_dict(self) -> dict[str, Any]:
        low_rank, pruning = self._task.low_rank, self._task.pruning
        assert low_rank is not None
        return {
            "phase": self._task.phase,
            "plan": low_rank.plan.to_dict(),
            "pruning": None if pruning is None else pruning.to_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        mine = self.state_dict()
        for name in mine:
            if state.get(name) != mine[name]:
                what = {
                    "phase": f"as {state.get('phase')} training",
                    "plan": "with another plan of low-rank modules",
                    "pruning": "with another pruning",
                }[name]
                raise LassError(
                    f"this run was begun {what}; go on with the same options, or "
                    "choose another --save-dir"
                )
