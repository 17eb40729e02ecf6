"""Options that several commands share: systems to compare, and how they are scored."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lass_plugin.errors import LassError
from lass_plugin.evaluation.decoding import Decoding
from lass_plugin.settings import Settings, including, option, required

if TYPE_CHECKING:
    from lass_plugin.evaluation.systems import System


class Named(NamedTuple):
    """``NAME=VALUE`` of a command line."""

    name: str
    value: str

    @classmethod
    def parse(cls, text: str) -> "Named":
        name, _, value = text.partition("=")
        return cls(name, value)


def check_named(form: str, given: Named, flag: str) -> None:
    """Refuse what is not of *form*, such as ``NAME=CHECKPOINT``."""
    if not (given.name and given.value):
        raise LassError(f"{flag} {given.name} is not of the form {form}")


@dataclass(frozen=True, kw_only=True)
class SystemsSettings(Settings):
    """Checkpoints under names, and what they are translated with."""

    GROUP = "systems"

    system: tuple[Named, ...] = required(
        "a system; give it again for more, the baseline first",
        metavar="NAME=CHECKPOINT",
        repeated=True,
        check=partial(check_named, "NAME=CHECKPOINT"),
    )
    inference_masks: tuple[Named, ...] = option(
        (),
        "translate with the masks of this folder, checkpoint or these files "
        "(separated by commas) instead of those that the system's checkpoint carries",
        metavar="NAME=MASKS",
        repeated=True,
        check=partial(check_named, "NAME=MASKS"),
    )
    base: tuple[Named, ...] = option(
        (),
        "the base of a system of low-rank modules, where it is no longer where it "
        "was in training",
        metavar="NAME=FILE",
        repeated=True,
        check=partial(check_named, "NAME=FILE"),
    )

    def make(self, dense: Sequence[str] = ()) -> "list[System]":
        """The systems in their order; *dense* are named those without masks.

        Raises:
            LassError: an option names a system twice or one that there is not.
        """
        from lass_plugin.evaluation.systems import System, check_names

        names = [name for name, _ in self.system]
        for flag, given in (
            ("--inference-masks", [name for name, _ in self.inference_masks]),
            ("--dense", dense),
            ("--base", [name for name, _ in self.base]),
        ):
            for name in given:
                if name not in names:
                    raise LassError(
                        f"{flag} names the system '{name}', but the systems are "
                        f"{', '.join(names)}"
                    )
                if given.count(name) > 1:
                    raise LassError(f"{flag} is given twice for {name}; keep one")
        masks, bases = dict(self.inference_masks), dict(self.base)
        systems = [
            System(
                name,
                Path(path),
                masks.get(name),
                name in dense,
                Path(bases[name]) if name in bases else None,
            )
            for name, path in self.system
        ]
        check_names(systems)
        return systems


@dataclass(frozen=True, kw_only=True)
class ScoringSettings(Settings):
    """Which sentences are translated, how, and against what they are scored."""

    GROUP = "test set and scores"

    split: str = option("test", "split of the data (default: %(default)s)")
    references: Path | None = option(
        None,
        "folder of the references, SPLIT.SRC-TGT.LANG (default: DATA/raw, else the "
        "text of the dictionary)",
        metavar="DIR",
    )
    tokenize: str | None = option(
        None,
        "tokenizer of BLEU for all pairs (default: 13a, or that of the language); "
        "flores101 makes it the spBLEU of Goyal 2022 and Cao 2024",
        metavar="NAME",
    )
    decoding: Decoding = including(Decoding)
