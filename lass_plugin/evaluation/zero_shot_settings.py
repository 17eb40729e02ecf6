"""Options of the comparison on pairs that were never trained."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lass_plugin.evaluation.settings import Named, ScoringSettings, named
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.settings import (
    Settings,
    argument,
    including,
    needless,
    option,
    required,
)

_scored = partial(option, group=ScoringSettings.GROUP)


def parse_ablation(text: str) -> list[Pair]:
    """Read pairs, or ``all`` as an empty list."""
    return [] if text == "all" else parse_pairs(text)


@dataclass(frozen=True, kw_only=True)
class ZeroShotSettings(Settings):
    """What to compare, and on which test set."""

    GROUP = "systems"

    data: Path = argument("data folder", metavar="DATA")
    checkpoint: Path = required(
        "jointly trained checkpoint; its masks are merged", metavar="FILE"
    )
    masks: str | None = option(
        None, "merge these instead (folder or files)", metavar="MASKS"
    )
    baseline: Path | None = option(
        None, "a model trained without masks, to compare with", metavar="FILE"
    )
    pairs: tuple[Pair, ...] = option(
        (),
        "default: all that can be merged and have data",
        metavar="X-Y,…",
        parse=parse_pairs,
    )
    through: str | None = option(
        None, "the language in between (default: the only one possible)", metavar="LANG"
    )
    ablation: tuple[Pair, ...] | None = option(
        None,
        "replace the encoder, then the decoder mask of these pairs by each other",
        metavar="X-Y,…|all",
        parse=parse_ablation,
    )
    """An empty tuple for all pairs, None for none."""
    scoring: ScoringSettings = including(ScoringSettings)
    identifier: str = _scored(
        "py3langid",
        "what identifies languages; none: no on-target accuracy",
        choices=("py3langid", "none"),
    )
    identify_as: tuple[Named, ...] = named(
        "CODE=LANGUAGE",
        "the identifier's name of the language CODE, where it does not know CODE",
        group=ScoringSettings.GROUP,
    )
    among: str = _scored(
        "all",
        "identify among all languages of the identifier (default) or those of the "
        "model only",
        choices=("all", "model"),
    )
    out: Path | None = _scored(
        None, "folder for tables and translations", metavar="DIR"
    )

    def check(self) -> None:
        super().check()
        if self.identifier == "none":
            needless(self, ("identify_as", "among"), "with --identifier none")
