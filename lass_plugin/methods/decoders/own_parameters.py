"""The parameters that each key has of its own, within one model.

Those of the first key stand where a stock model has them; those of the others stand
beside the model, and take that place while a batch of theirs is computed:

    decoder.layers.0.fc1.weight            the first key's, or everybody's
    own.nl.decoder.layers.0.fc1.weight     that of nl
"""

import contextlib
from typing import Any, Iterator, Mapping, Sequence

from torch import Tensor, nn

from lass_plugin.errors import LassError
from lass_plugin.languages import written

OWN = "own"
"""Attribute of the model that holds the parameters of all keys but the first."""


def own_name(key: str, name: str, keys: Sequence[str]) -> str:
    """Name in a checkpoint of what *key* of *keys* has in the place of *name*."""
    return name if key == keys[0] else f"{OWN}.{written(key)}.{name}"


def is_beside(name: str) -> bool:
    """Whether an entry of a state dict is a key's that stands beside the model."""
    return name.startswith(f"{OWN}.")


class OwnParameters(nn.Module):
    """What stands beside a model: the parameters of its keys but the first.

    Args:
        model: whose present values all keys begin from; this becomes part of it.
        names: first name -> all names of each parameter that keys have of their own.
        keys: at least one.
        begins: whether a checkpoint without own parameters can be loaded: all keys then
            begin from it.
    """

    def __init__(
        self,
        model: nn.Module,
        names: Mapping[str, Sequence[str]],
        keys: Sequence[str],
        begins: bool,
    ):
        super().__init__()
        self.names, self.keys, self.begins = dict(names), tuple(keys), begins
        for key in self.keys[1:]:
            # by no attribute: "to" is a language, and what a module can do
            self._modules[written(key)] = tree = nn.Module()
            for name in names:
                _put(tree, name, model.get_parameter(name).detach().clone())

    def of(self, key: str) -> dict[str, nn.Parameter]:
        """First name -> parameter that stands beside the model; none of the first."""
        if key == self.keys[0]:
            return {}
        tree: Any = self._modules[written(key)]
        return {name: tree.get_parameter(name) for name in self.names}

    @contextlib.contextmanager
    def using(self, model: nn.Module, key: str) -> Iterator[None]:
        """Let *model* compute with the parameters of *key* inside this block."""
        before = {name: model.get_parameter(name) for name in self.names}
        self.put_in(model, key)
        try:
            yield
        finally:
            _place(model, self.names, before)

    def put_in(self, model: nn.Module, key: str) -> None:
        """Put the parameters of *key* where a stock model has them."""
        _place(model, self.names, self.of(key))

    def fill(self, state: dict[str, Any], *more: Any) -> None:
        """Complete or refuse what is about to be loaded into the model.

        Raises:
            LassError: it has the own parameters of other keys or parts.
        """
        mine = {own_name(k, n, self.keys) for k in self.keys[1:] for n in self.names}
        given = {name for name in state if is_beside(name)}
        if not given and self.begins:
            for key in self.keys[1:]:
                for name in self.names:
                    if name in state:  # else it is named with what the model lacks
                        state[own_name(key, name, self.keys)] = state[name]
            return
        for name in sorted(given ^ mine):
            lacks = "lacks" if name in mine else "has, beside those of this model,"
            raise LassError(
                f"the checkpoint {lacks} {name}; go on with the --lang-pairs, --own "
                "and --own-by that it was trained with"
            )


def _put(tree: nn.Module, name: str, value: Tensor) -> None:
    """A parameter *name* of *tree*, with the modules on the way to it."""
    *way, last = name.split(".")
    for step in way:
        if step not in tree._modules:
            tree.add_module(step, nn.Module())
        tree = tree.get_submodule(step)
    tree.register_parameter(last, nn.Parameter(value))


def _place(
    model: nn.Module,
    names: Mapping[str, Sequence[str]],
    parameters: Mapping[str, nn.Parameter],
) -> None:
    """Let *model* have *parameters* under all their names.

    The modules read them as attributes; what an optimizer or a wrapper for distributed
    training holds are the parameters themselves, each with its own gradient.
    """
    for first, parameter in parameters.items():
        for name in names[first]:
            owner, _, last = name.rpartition(".")
            model.get_submodule(owner)._parameters[last] = parameter


def attach(
    model: Any, names: Mapping[str, Sequence[str]], keys: Sequence[str], begins: bool
) -> OwnParameters:
    """Give *model* the parameters of *keys*; see :class:`OwnParameters`."""
    own = OwnParameters(model, names, keys, begins)
    model.add_module(OWN, own)
    model._register_load_state_dict_pre_hook(own.fill)
    return own


def beside(model: Any) -> OwnParameters:
    """What stands beside *model*."""
    found: OwnParameters = getattr(model, OWN)
    return found


def detach(model: Any, key: str) -> None:
    """Give *model* the parameters of *key* for good: it is a stock model again."""
    own = beside(model)
    own.put_in(model, key)
    own.names = {}  # nothing of it is looked for in what is loaded
    delattr(model, OWN)
