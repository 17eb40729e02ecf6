"""Whose the own parts of a model are, as its checkpoint says it."""

from dataclasses import dataclass
from typing import Any, Iterable

from lass_plugin.anatomy.own_parts import PARTS
from lass_plugin.errors import LassError, naming_damage
from lass_plugin.languages import PAIR, SOURCE, TARGET, Pair, key_of
from lass_plugin.records.fields import filled

ENTRY = "own_parts"
VERSION = 1

KEYS = (TARGET, SOURCE, PAIR)
"""By what the parts of a pair are chosen; see :func:`.languages.key_of`."""


@dataclass(frozen=True)
class Whose:
    """Entry :data:`ENTRY` of ``task_state``."""

    parts: tuple[str, ...]
    """Of :data:`.PARTS`."""
    by: str
    """One of :data:`KEYS`."""
    keys: tuple[str, ...]
    """Those that have parts, sorted."""

    @classmethod
    def of_pairs(cls, parts: Iterable[str], by: str, pairs: Iterable[Pair]) -> "Whose":
        """The parts of a training on *pairs*."""
        keys = {key_of(pair, by) for pair in pairs}
        return cls(tuple(parts), by, tuple(sorted(keys)))

    def key_of(self, pair: Pair) -> str:
        """Whose parts *pair* is computed with.

        Raises:
            LassError: it has none.
        """
        key = key_of(pair, self.by)
        if key not in self.keys:
            raise LassError(
                f"the model has no {self.what} for {key}, which {pair} needs (it has "
                f"{', '.join(self.keys)}); leave the pair out"
            )
        return key

    @property
    def what(self) -> str:
        """The parts in words."""
        return " and ".join(part.replace("-", " ") for part in self.parts)

    def __str__(self) -> str:
        return f"own {self.what} of each {self.by} ({', '.join(self.keys)})"

    def to_state(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "parts": list(self.parts),
            "by": self.by,
            "keys": list(self.keys),
        }

    @classmethod
    def from_state(cls, state: Any, where: str) -> "Whose":
        """What :meth:`to_state` gave.

        Raises:
            LassError: damaged, or of a later release.
        """
        what = f"the own parts of the languages in {where}"
        with naming_damage(what, where, "the checkpoint is damaged, take another one"):
            if state["version"] != VERSION:
                raise LassError(
                    f"the own parts in {where} are of version {state['version']}; this "
                    f"release reads version {VERSION}"
                )
            parts = filled(tuple[str, ...], tuple(state["parts"]), "parts")
            keys = filled(tuple[str, ...], tuple(state["keys"]), "keys")
            by = filled(str, state["by"], "by")
            if not (parts and keys and {*parts} <= {*PARTS} and by in KEYS):
                raise ValueError(f"{parts} of each {by} are no such parts")
            if list(keys) != sorted({*keys}):
                raise ValueError(f"its keys are {', '.join(keys)}")
            return cls(parts, by, keys)
