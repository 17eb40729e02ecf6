"""Things that are found by their name: methods, scores; ours, and those from outside.

A package of somebody else adds its own by importing this one and registering them. It
is loaded before anything is looked up if it is installed with an entry point in the
group ``lass_plugin``, or if the environment variable ``LASS_PLUGINS`` names its module
(several: with commas).
"""

import functools
import importlib
import os
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from lass_plugin.errors import LassError

Thing = TypeVar("Thing")
GROUP = "lass_plugin"
VARIABLE = "LASS_PLUGINS"


class Registry(Generic[Thing]):
    """Names and what they stand for.

    Args:
        what: they are, for messages ("score").
    """

    def __init__(self, what: str):
        self._what = what
        self._things: dict[str, Thing] = {}

    def register(self, name: str, thing: Thing) -> Thing:
        """Give *thing* its *name*.

        Raises:
            ValueError: another thing has it.
        """
        if self._things.setdefault(name, thing) is not thing:
            raise ValueError(f"there are two {self._what}s of the name {name}")
        return thing

    def names(self) -> tuple[str, ...]:
        """All names, in the order in which they were registered."""
        load_plugins()
        return tuple(self._things)

    def get(self, name: str, option: str = "") -> Thing:
        """What is called *name*.

        Args:
            option: that it was given with, for the message.

        Raises:
            LassError: nothing is; names all that there are.
        """
        known = self.names()
        if name not in self._things:
            raise LassError(
                f"unknown {option or self._what} '{name}'; choose from "
                f"{', '.join(known)}, or name the module that has it in {VARIABLE}"
            )
        return self._things[name]


def load_plugins() -> None:
    """Import the packages from outside; what has been imported is not again.

    Raises:
        LassError: one of them cannot be imported.
    """
    _load(os.environ.get(VARIABLE, ""))


@functools.cache  # looked up in every update of a search, and packages are many
def _load(named: str) -> None:
    modules = [name.strip() for name in named.split(",") if name.strip()]
    modules += [point.module for point in entry_points(group=GROUP)]
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise LassError(
                f"the module {module}, which {VARIABLE} or an installed package names, "
                f"cannot be imported ({error}); check its name and PYTHONPATH"
            ) from error
