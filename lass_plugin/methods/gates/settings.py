"""Options of the commands 'lass gates importance', 'select' and 'show'."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.schedules import check_ratio
from lass_plugin.settings import (
    Settings,
    argument,
    count,
    needless,
    option,
    required,
    switch,
)

KINDS = ("heads", "units", "ranks")
"""Of components; ranks are those of an encoder alone."""
DEFAULT_KINDS = KINDS[:2]
_data = partial(option, group="data")


def parse_kinds(text: str) -> tuple[str, ...]:
    """Read ``heads,units``.

    Raises:
        LassError: an unknown kind, or neither heads nor units.
    """
    kinds = tuple(item.strip() for item in text.split(","))
    if set(kinds) - set(KINDS) or not set(kinds) & set(DEFAULT_KINDS):
        raise LassError(
            f"{text} is no list of {', '.join(KINDS)} with heads or units among them"
        )
    return kinds


@dataclass(frozen=True, kw_only=True)
class ImportanceSettings(Settings):
    """On which data the importance of components is measured, and how."""

    data: Path = argument("folder of binarized data", metavar="DATA")
    checkpoint: Path = required("the model that is to be pruned", metavar="PT")
    out: Path = required("folder for the importance", metavar="DIR")
    pairs: tuple[Pair, ...] = option(
        (),
        "of a model that translates (default: those that it was trained on)",
        metavar="de-en,…",
        parse=parse_pairs,
    )
    langs: tuple[str, ...] = option(
        (),
        "languages of an encoder alone (default: those of DATA/langs.txt)",
        metavar="de,…",
        parse="lass_plugin.languages:parse_languages",
    )
    kinds: tuple[str, ...] = option(
        DEFAULT_KINDS,
        f"what is measured, of {', '.join(KINDS)} (default: %(default)s)",
        flags="--on",
        metavar="KIND,…",
        parse=parse_kinds,
    )
    granularity: str = option(
        "sentence",
        "what is summed before the absolute value is taken: the positions of a "
        "sentence, or of all sentences of a batch (default: %(default)s)",
        choices=("sentence", "batch"),
    )
    split: str = _data("valid", "split of the data (default: %(default)s)")
    sample: int = _data(
        3000,
        "so many sentences of each key, chosen at random (0: all; default: "
        "%(default)s, as Li 2022 has)",
        metavar="N",
        least=0,
    )
    seed: int = _data(1, "of the sample (default: %(default)s)")
    max_tokens: int = count(
        4096, "tokens of a batch, padding included (default: %(default)s)", group="data"
    )
    cpu: bool = switch("do not use the GPU", group="how")


@dataclass(frozen=True, kw_only=True)
class SelectSettings(Settings):
    """Which components stay."""

    importance: Path = argument(
        "folder that 'lass gates importance' wrote", metavar="IMPORTANCE"
    )
    out: Path = required("folder for the gates", metavar="DIR")
    sparsity: float | None = option(
        None,
        "weighted share of heads and hidden units to leave out",
        metavar="SHARE",
        check=check_ratio,
    )
    dynamic: bool = switch("gates for any sparsity, by tenths (Li 2022, §6.1)")
    shared: bool = switch("one set of gates that serves all keys")

    def check(self) -> None:
        super().check()
        if self.dynamic:
            needless(self, ("sparsity",), "with --dynamic, whose gates serve any")
        elif self.sparsity is None:
            raise LassError("give --sparsity, or --dynamic for gates that serve any")


@dataclass(frozen=True, kw_only=True)
class ShowSettings(Settings):
    """Which gates are looked at."""

    gates: Path = argument(
        "folder that 'lass gates select' wrote, or a checkpoint with gates",
        metavar="GATES",
    )
    sparsity: float | None = option(
        None,
        "of gates that serve any",
        metavar="SHARE",
        check=check_ratio,
    )
