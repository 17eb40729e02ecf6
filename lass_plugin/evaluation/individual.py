"""Systems of one model a pair: the row "Individual" of Xie 2021, §4.2."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.evaluation.systems import Ready, Saved, System
from lass_plugin.languages import Pair

PAIR = "{pair}"
"""What stands for the pair in the path of its checkpoint or its data."""

_LISTED = re.compile(r"\s*([\w@.]+-[\w@.]+):(.+)")


def is_individual(text: str) -> bool:
    """Whether ``--system NAME=text`` names a checkpoint of each pair."""
    return PAIR in text or _LISTED.match(text) is not None


@dataclass(frozen=True)
class Individual(System):
    """A name and a checkpoint of each pair; *checkpoint* is what was written of them.

    *data* may have ``{pair}``, too: models with a dictionary of their own have data of
    their own.
    """

    of_pairs: Mapping[Pair, Path] = field(default_factory=dict)

    @classmethod
    def parse(cls, name: str, text: str, data: str | None = None) -> "Individual":
        """Read ``runs/{pair}/checkpoint_best.pt``, or ``de-en:a.pt,en-de:b.pt``.

        Raises:
            LassError: it is neither, or there is no such file.
        """
        found = _matching(name, text) if PAIR in text else _listed(name, text)
        return cls(name, Path(text), data=data, of_pairs=found)

    def member(self, pair: Pair) -> System:
        """The model of *pair*, as a system.

        Raises:
            LassError: there is none.
        """
        if pair not in self.of_pairs:
            there = ", ".join(map(str, self.of_pairs))
            raise LassError(
                f"system {self.name} has no checkpoint of {pair} (it has those of "
                f"{there}); add it, or leave the pair out of --pairs"
            )
        data = self.data and self.data.replace(PAIR, str(pair))
        return System(self.name, self.of_pairs[pair], data=data)


def _listed(name: str, text: str) -> dict[Pair, Path]:
    found: dict[Pair, Path] = {}
    for item in text.split(","):
        match = _LISTED.fullmatch(item)
        if match is None:
            raise LassError(
                f"--system {name}: '{item}' is not of the form SRC-TGT:CHECKPOINT; "
                f"write one for each pair, or a path with {PAIR}"
            )
        pair = Pair.parse(match[1])
        if pair in found:
            raise LassError(f"--system {name} has two checkpoints of {pair}; keep one")
        found[pair] = Path(match[2])
        if not found[pair].is_file():
            raise LassError(
                f"system {name} has no checkpoint of {pair}: {found[pair]} does not "
                "exist"
            )
    return found


def _matching(name: str, text: str) -> dict[Pair, Path]:
    """The pairs for which the path *text* names a file."""
    before, _, after = text.partition(PAIR)
    head, slash, start = before.rpartition("/")
    folder = Path(f"{head}{slash}" or ".")
    step, below, rest = after.partition("/")
    shape = re.compile(rf"{re.escape(start)}([\w@.]+-[\w@.]+){re.escape(step)}")
    found: dict[Pair, Path] = {}
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = shape.fullmatch(entry.name)
        if match is None:
            continue
        path = Path(text.replace(PAIR, match[1]))
        if path.is_file():
            found[Pair.parse(match[1])] = path
    if not found:
        raise LassError(
            f"system {name} has no checkpoint: no file is called {text} with a pair in "
            f"the place of {PAIR}"
        )
    return found


class SavedPairs:
    """The checkpoints of a system of one model a pair, read when they are needed.

    Args:
        read: a system -> its checkpoint, each file once.
    """

    def __init__(self, system: Individual, read: Callable[[System], Saved]):
        self.system = system
        self._read = read
        self.trained_pairs = list(system.of_pairs)

    def set_up(self, data: Path, pairs: Sequence[Pair]) -> "ReadyPairs":
        """The models of *pairs*, each checked against its data.

        Raises:
            LassError: a pair has no checkpoint, or one of another pair; or as
                :meth:`.Saved.set_up`.
        """
        members = []
        for pair in pairs:
            saved = self._read(self.system.member(pair))
            if saved.trained_pairs and pair not in saved.trained_pairs:
                trained = ", ".join(map(str, saved.trained_pairs))
                raise LassError(
                    f"{saved.system.checkpoint}, the checkpoint of {pair} of system "
                    f"{self.system.name}, was trained on {trained}; give that of {pair}"
                )
            members.append(saved.set_up(data, [pair]))
        return ReadyPairs(self.system, tuple(members))


@dataclass(frozen=True)
class ReadyPairs:
    """A system of one model a pair whose models can be built."""

    system: Individual
    members: tuple[Ready, ...]

    @property
    def label_kind(self) -> str:
        """The label says itself what it is of."""
        return ""

    @property
    def mask_label(self) -> str:
        """What it is translated with in words."""
        labels = dict.fromkeys(each.mask_label for each in self.members)
        told = [label for label in labels if label]
        return "; ".join(["one model a pair", *told])
