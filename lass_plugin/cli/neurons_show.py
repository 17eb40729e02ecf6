"""Show where in the model the specific neurons are.

    lass neurons show masks/ --out report

MASKS is a folder that 'lass neurons allocate' wrote, or one below masks/ of 'lass
neurons sweep'. LScore is the share of the specific neurons of a layer (those that are
not general) that a pair has (Xie 2021, Eq. 10); MScore is the mean of that share over
the pairs, of each module and of each site (Eq. 11). At 1 all of M pairs share these
neurons, at 1/M each has its own. Masks made with --by have sources or targets instead
of pairs. Layers are numbered as in the names of the weights, from 0; "-" stands where
all neurons are general.

--out DIR writes layer_scores.json and, as tables (.csv) and pictures (.png, .svg),
lscore and mscore (Fig. 3).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Sequence

from lass_plugin.settings import Settings, argument, option

if TYPE_CHECKING:
    from lass_plugin.neurons.layer_scores import Spread

HELP = "show the layers and modules that the specific neurons are in"


@dataclass(frozen=True, kw_only=True)
class ShowSettings(Settings):
    """Which masks are looked at, and where the files go."""

    masks: Path = argument("folder that 'lass neurons allocate' wrote", metavar="MASKS")
    out: Path | None = option(
        None,
        "write layer_scores.json, lscore and mscore (.csv, .png, .svg) there",
        metavar="DIR",
    )


SETTINGS = ShowSettings


def run(settings: ShowSettings) -> int:
    """Print the two scores of every layer; write the files."""
    from lass_plugin.neurons.allocation import read_allocation
    from lass_plugin.neurons.layer_score_files import SIDES, write_layer_scores
    from lass_plugin.neurons.layer_scores import LAYER, spread_over_layers
    from lass_plugin.records.text_tables import print_table

    allocation = read_allocation(settings.masks)
    spreads = spread_over_layers(allocation)
    layers = [spread for spread in spreads if spread.part == LAYER]
    specific, neurons, nobodys = (
        sum(getattr(layer, name) for layer in layers)
        for name in ("specific", "neurons", "nobodys")
    )
    by = allocation.rule.by
    print(f"{specific:,} of {neurons:,} neurons are specific, allocated --by {by}")
    if nobodys:
        print(f"note: {nobodys:,} of these are allocated to nobody, for want of budget")
    for side in SIDES:
        of_side = [spread for spread in spreads if spread.side == side]
        if of_side:
            print()
            print_table(_lscore_rows(side, of_side))
            print()
            print_table(_mscore_rows(side, of_side))
    if settings.out:
        print()
        for path in write_layer_scores(spreads, allocation, settings.out):
            print(path)
    return 0


def _lscore_rows(side: str, spreads: "Sequence[Spread]") -> list[list[str]]:
    """A row a key, a column a layer."""
    from lass_plugin.neurons.layer_scores import LAYER

    layers = [spread for spread in spreads if spread.part == LAYER]
    rows = [[f"LScore, {side}", *(f"layer {spread.layer}" for spread in layers)]]
    for key in layers[0].allocated:
        rows.append([key, *(_text(spread.lscore(key)) for spread in layers)])
    return [*rows, ["specific neurons", *(f"{spread.specific:,}" for spread in layers)]]


def _mscore_rows(side: str, spreads: "Sequence[Spread]") -> list[list[str]]:
    """A row a module, below it its sites if there are several; a column a layer."""
    from lass_plugin.neurons.layer_scores import LAYER, MODULES, module_of

    numbers = list(dict.fromkeys(spread.layer for spread in spreads))
    scores = {(spread.part, spread.layer): spread.mscore() for spread in spreads}
    parts = [part for part in dict.fromkeys(p for p, _ in scores) if part != LAYER]
    rows = [[f"MScore, {side}", *(f"layer {number}" for number in numbers)]]
    for module in (part for part in MODULES if part in parts):
        sites = [p for p in parts if p not in MODULES and module_of(p) == module]
        for part in (module, *(sites if len(sites) > 1 else ())):
            values = [_text(scores.get((part, number))) for number in numbers]
            rows.append([part if part == module else f"  {part}", *values])
    return rows


def _text(score: float | None) -> str:
    return "-" if score is None else f"{score:.3f}"
