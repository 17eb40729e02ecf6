"""Show what searches recorded of themselves: losses under masks, churn, agreement.

    lass settled search --out report
    lass settled search --stop-patience 3

PATH is a checkpoint of a search, its folder, or a folder of searches; several are
shown together, such as those of two criteria. Read the losses first (validation, bits
a token, on a few batches): 'own' is that of the search's weights under its mask; 'mask'
is that of the base under it, from which joint training starts, and is to be lower than
those of its controls, the base under masks that remove as much: 'magnitude' (the
smallest weights), 'random', and 'profile' (random, with as many of each size as the
mask). 'dense' is the base itself. Churn is the share of the mask that is new since half
the updates. Agreement is the overlap of two masks above chance (0: chance, 1: the same
mask), by gradient of those of the even and of the odd updates: how repeatable a mask
is, not how good; growth is what the last doubling of the updates has added to it.

With --stop-patience, --stop-when-settled or --stop-when-growth-below, the table says
after how many updates a search with this option would have ended, and what that would
have saved.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lass_plugin.settings import Settings, argument, option

if TYPE_CHECKING:
    from lass_plugin.analysis.settled import Settling
    from lass_plugin.methods.search.settling import StoppingRule

HELP = "losses under searched masks, their churn and agreement"
QUIET = True


@dataclass(frozen=True, kw_only=True)
class SettledSettings(Settings):
    """Which searches are shown, and what rule would have stopped them."""

    places: tuple[Path, ...] = argument(metavar="PATH", nargs="+")
    out: Path | None = option(
        None, "write settled.json, .csv, .png and .svg there", metavar="DIR"
    )
    stop_patience: int = option(
        0,
        "say when a search would have ended because its loss under its mask had not "
        "fallen at so many reports",
        metavar="N",
    )
    stop_when_settled: float = option(
        0.0,
        "say when a search would have ended because the agreement had reached this",
        metavar="SHARE",
    )
    stop_when_growth_below: float = option(
        0.0,
        "say when a search would have ended because the growth had fallen below this",
        metavar="SHARE",
    )


SETTINGS = SettledSettings


def run(settings: SettledSettings) -> int:
    """Print a line for each search; write the files."""
    from lass_plugin.analysis.settled import Settling, write_settling
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.experiments.searches.results import checkpoint_files
    from lass_plugin.methods.search.searched_masks import search_states
    from lass_plugin.methods.search.settling import StoppingRule

    rule = None
    limits = settings.stop_when_settled, settings.stop_when_growth_below
    if any(limits) or settings.stop_patience:
        rule = StoppingRule(limits[0], limits[1], settings.stop_patience)
    searches = [
        Settling.of(state, path)
        for path in checkpoint_files(list(settings.places))
        for state in search_states(Checkpoint.read(path)).values()
    ]
    _print(searches, rule)
    if settings.out:
        print()
        print(*write_settling(searches, settings.out, rule), sep="\n")
    return 0


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _print(searches: "list[Settling]", rule: "StoppingRule | None") -> None:
    from lass_plugin.methods.search.figures import LOSSES
    from lass_plugin.methods.search.settling import (
        agreement,
        churn,
        growth,
        last_losses,
        measure_of,
    )
    from lass_plugin.records.text_tables import print_table

    head = ["search", "ratio", "updates", *LOSSES, "churn"]
    head += ["measure", "agreement", "growth"]
    rows = [head + ["would stop at", "saves"] * (rule is not None)]
    for search in searches:
        last = search.history[-1]
        losses = last_losses(search.history)
        cells = [search.label, f"{search.plan.ratio:g}", f"{search.updates:,}"]
        cells += map(_cell, [*map(losses.get, LOSSES), churn(last)])
        cells.append((measure_of(last) or "-").replace("_", " "))
        cells += map(_cell, [agreement(last), growth(search.history)])
        if rule is not None:
            stop = rule.stops_at(search.history, search.earliest)
            share = 0.0 if stop is None else 1 - stop / search.updates
            cells += ["-" if stop is None else f"{stop:,}", f"{share:.0%}"]
        rows.append(cells)
    print_table(rows)
    for search in searches:
        if search.stopped:
            print(f"{search.label} ended by itself: {search.stopped}")
