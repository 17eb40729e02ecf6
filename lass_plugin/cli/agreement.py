"""Compare the masks of the same pairs from two searches.

Each pair's mask in FIRST is compared with its mask in SECOND: Sim(M1, M2) =
|M1 ∩ M2| / |M1| (Lin 2021, Eq. 2), averaged over both directions. Beside it stand the
mean over the masks of other pairs, and what independent masks would share ("chance").
Two searches that agree on what is a pair's own show more than both.

    lass agreement search/separate/masks search/together/masks --out agreement.csv

FIRST and SECOND are folders of masks or jointly trained checkpoints.
"""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.settings import Settings, argument, option

HELP = "compare two sets of masks, pair by pair"


@dataclass(frozen=True, kw_only=True)
class AgreementSettings(Settings):
    """Two sets of masks, and how they are compared."""

    first: Path = argument(metavar="FIRST")
    second: Path = argument(metavar="SECOND")
    by: str = option(
        "all",
        "also each component or each layer (default: the whole model)",
        choices=("all", "component", "layer"),
    )
    out: Path | None = option(None, "write the table", metavar="FILE.csv")

    def check(self) -> None:
        super().check()
        if self.out is not None and (self.out.suffix != ".csv" or self.out.is_dir()):
            raise LassError(f"--out {self.out} is no file that ends in .csv")


SETTINGS = AgreementSettings


def run(settings: AgreementSettings) -> int:
    """Print the table of the whole model and the means of the parts."""
    from lass_plugin.analysis.similarity import agreements, base_models
    from lass_plugin.anatomy.components import WHOLE, parts_of
    from lass_plugin.masks.file import masks_at
    from lass_plugin.records.csv_table import write_csv
    from lass_plugin.records.text_tables import print_table

    first, second = (masks_at([place]) for place in (settings.first, settings.second))
    found = agreements(first, second, parts_of(first.shapes, settings.by))
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
        (settings.first, first, second),
        (settings.second, second, first),
    ):
        if alone := [key for key in masks if key not in other]:
            print(f"note: only {place} has masks of {', '.join(alone)}")
    if bases := base_models([*first.values(), *second.values()]):
        print(f"note: the masks were searched on {bases}, so they need not be alike")
    if settings.out is not None:
        print(f"\n{write_csv(settings.out, map(vars, found))}")
    return 0


def _numbers(found: list) -> list[str]:
    """Means of the three figures, as text."""
    return [
        f"{sum(getattr(one, name) for one in found) / len(found):.3f}"
        for name in ("same", "others", "chance")
    ]
