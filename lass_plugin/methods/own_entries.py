"""Own entries: a model in a frozen base that saves and loads what is its own."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn


def save_own(
    model: nn.Module,
    is_own: Callable[[str], bool],
    check: Callable[[Mapping[str, Any], Mapping[str, Tensor]], None],
    passed_over: Callable[[str], bool] = lambda name: False,
) -> None:
    """Let ``state_dict`` of *model* hold its own entries alone, and ``load_state_dict``
    take them; the others, the base's, are left as they are.

    Args:
        is_own: whether a name is of one of these.
        check: refuses what is given to be loaded, knowing all entries of the model.
        passed_over: whether a name in what is given is not taken.
    """
    kind: Any = type(model)

    class InABase(kind):  # type: ignore[misc, valid-type]
        def state_dict(self, *arguments: Any, **options: Any) -> Any:
            whole = super().state_dict(*arguments, **options)
            for name in [name for name in whole if not is_own(name)]:
                del whole[name]
            return whole

        def load_state_dict(
            self, state_dict: Mapping[str, Any], *arguments: Any, **options: Any
        ) -> Any:
            """The base is left as it is; *state_dict* holds the rest."""
            given = {n: each for n, each in state_dict.items() if not passed_over(n)}
            mine = super().state_dict()
            check(given, mine)
            merged = OrderedDict({**mine, **given})
            return super().load_state_dict(merged, *arguments, **options)

    model.__class__ = InABase
