"""Compare the masks of the same pairs from two searches.

Each pair's mask in FIRST is compared with its mask in SECOND: Sim(M1, M2) =
|M1 ∩ M2| / |M1| (Lin 2021, Eq. 2), averaged over both directions. Beside it stand the
mean over the masks of other pairs, and what independent masks would share ("chance").
Two searches that agree on what is a pair's own show more than both.

    lass agreement search/separate/masks search/together/masks --out agreement.csv

FIRST and SECOND are folders of masks or jointly trained checkpoints.
"""

import argparse
from pathlib import Path

HELP = "compare two sets of masks, pair by pair"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass agreement``."""
    parser.add_argument("first", metavar="FIRST", type=Path)
    parser.add_argument("second", metavar="SECOND", type=Path)
    parser.add_argument(
        "--by",
        choices=("all", "component", "layer"),
        default="all",
        help="also each component or each layer (default: the whole model)",
    )
    parser.add_argument("--out", metavar="FILE.csv", type=Path, help="write the table")


def run(arguments: argparse.Namespace) -> int:
    """Print the table of the whole model and the means of the parts."""
    from lass_plugin.analysis.agreement import agreements, write_agreements
    from lass_plugin.anatomy.components import WHOLE, parts_of
    from lass_plugin.checkpoints.checkpoint import masks_at
    from lass_plugin.errors import LassError
    from lass_plugin.records.text_tables import print_table

    out = arguments.out
    if out is not None and (out.suffix != ".csv" or out.is_dir()):
        raise LassError(f"--out {out} is no file that ends in .csv")
    first, second = (masks_at([place]) for place in (arguments.first, arguments.second))
    found = agreements(first, second, parts_of(first.shapes, arguments.by))
    head = ["same pair", "other pairs", "chance"]
    whole = [one for one in found if one.part == WHOLE]
    rows = [[one.key, *_numbers([one])] for one in whole]
    print_table([["pair", *head], *rows, ["mean", *_numbers(whole)]])
    parts = list(dict.fromkeys(one.part for one in found))
    if len(parts) > 1:
        print()
        means = [[p, *_numbers([one for one in found if one.part == p])] for p in parts]
        print_table([["part", *head], *means])
    for place, masks, other in (
        (arguments.first, first, second),
        (arguments.second, second, first),
    ):
        if alone := [key for key in masks if key not in other]:
            print(f"note: only {place} has masks of {', '.join(alone)}")
    if out is not None:
        write_agreements(found, out)
        print(f"\n{out}")
    return 0


def _numbers(found: list) -> list[str]:
    """Means of the three figures, as text."""
    return [
        f"{sum(getattr(one, name) for one in found) / len(found):.3f}"
        for name in ("same", "others", "chance")
    ]
