"""What a model with low-rank modules saves and loads: what was trained, no base."""

from collections import OrderedDict
from typing import Any, Mapping

from torch import Tensor, nn

from lass_plugin.errors import LassError
from lass_plugin.methods.lowrank.attaching import KEPT, WEIGHTS

_MARKS = (".lslo_source.", ".lslo_target.", f".{WEIGHTS}")


def is_trained(name: str) -> bool:
    """Whether an entry of a state dict is of a low-rank module."""
    return any(mark in f".{name}" for mark in _MARKS)


def save_trained_only(model: nn.Module, trains: bool = True) -> None:
    """Let ``state_dict`` of *model* hold the low-rank modules alone, and
    ``load_state_dict`` take them.

    Args:
        trains: False to pass over what a checkpoint says of pruning.
    """
    kind: Any = type(model)

    class LowRankModel(kind):  # type: ignore[misc, valid-type]
        def state_dict(self, *arguments: Any, **options: Any) -> Any:
            whole = super().state_dict(*arguments, **options)
            for name in [name for name in whole if not is_trained(name)]:
                del whole[name]
            return whole

        def load_state_dict(
            self, state_dict: Mapping[str, Any], *arguments: Any, **options: Any
        ) -> Any:
            """The base is left as it is; *state_dict* holds the modules."""
            given = dict(state_dict)
            if not trains:
                given = {n: value for n, value in given.items() if f".{KEPT}" not in n}
            mine = super().state_dict()
            _check_modules(given, mine)
            merged = OrderedDict({**mine, **given})
            return super().load_state_dict(merged, *arguments, **options)

    model.__class__ = LowRankModel


def _check_modules(given: Mapping[str, Any], mine: Mapping[str, Tensor]) -> None:
    """Refuse a checkpoint of something else, or of another plan, by name."""
    if not any(map(is_trained, given)):
        raise LassError(
            "this checkpoint has no low-rank modules; a base is given with --base, not "
            "with --restore-file"
        )
    expected = {name for name in mine if is_trained(name)}
    for name in sorted(expected ^ set(given)):
        lacks = "lacks" if name in expected else "has, beside those of the plan,"
        raise LassError(
            f"the checkpoint {lacks} {name} of the low-rank modules; go on with the "
            "ranks, matrices, placement and pruning that it was trained with"
        )
    for name in expected:
        if given[name].shape != mine[name].shape:
            raise LassError(
                f"the checkpoint has {name} of shape {tuple(given[name].shape)}, the "
                f"plan wants {tuple(mine[name].shape)}; go on with the ranks that it "
                "was trained with"
            )
