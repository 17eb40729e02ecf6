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

from lass_plugin.settings import Settings, argument, option

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
    from lass_plugin.neurons import layer_scores
    from lass_plugin.neurons.allocation import read_allocation
    from lass_plugin.records.text_tables import print_table

    allocation = read_allocation(settings.masks)
    spreads = layer_scores.spread_over_layers(allocation)
    layers = [spread for spread in spreads if spread.part == layer_scores.LAYER]
    specific, neurons, nobodys = (
        sum(getattr(layer, name) for layer in layers)
        for name in ("specific", "neurons", "nobodys")
    )
    by = allocation.rule.by
    print(f"{specific:,} of {neurons:,} neurons are specific, allocated --by {by}")
    if nobodys:
        print(f"note: {nobodys:,} of these are allocated to nobody")
    for side in dict.fromkeys(layer.side for layer in layers):
        print()
        print_table(layer_scores.lscore_rows(side, spreads))
        print()
        print_table(layer_scores.mscore_rows(side, spreads))
    if settings.out:
        print()
        for path in layer_scores.write_layer_scores(spreads, allocation, settings.out):
            print(path)
    return 0
