"""Compare masks: how many of its weights one sub-network shares with another.

Sim(M1, M2) = |M1 ∩ M2| / |M1| (Lin 2021, Eq. 2), averaged over both directions, beside
the value that independent masks of the same densities would have ("chance").

PATH is a folder of masks, a jointly trained checkpoint, or several, whose masks are
then compared together.

--out DIR writes similarity.json and .csv (every two masks), similarity.groups.csv (the
averages within en→X, within X→en and between them; where the pairs have no language in
common, of masks with one source, with one target, and with neither), a heat map of each
part, and with --by layer-component or every the curves over the layers
(Lin 2021, Fig. 6). 'lass tree' makes a tree of the masks or of similarity.json.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lass_plugin.anatomy.components import BREAKDOWNS
from lass_plugin.errors import LassError
from lass_plugin.languages import ORDERS
from lass_plugin.settings import Settings, argument, option

if TYPE_CHECKING:
    from lass_plugin.analysis.similarity import Overlap

HELP = "compare masks across language pairs"
ALIASES = ("similarity",)


@dataclass(frozen=True, kw_only=True)
class CompareSettings(Settings):
    """Which masks are compared, in what parts, and where the files go."""

    places: tuple[Path, ...] = argument(metavar="PATH", nargs="+")
    out: Path | None = option(
        None,
        "write similarity.json, .csv and pictures (.png, .svg) there",
        metavar="DIR",
    )
    by: str = option(
        "all",
        "also compare each component, each layer, each matrix of each layer, or all of "
        "these (default: the whole model only)",
        choices=BREAKDOWNS,
    )
    order: str = option(
        "direction",
        "order of the pairs: en→X then X→en (default), pairs of one source or of one "
        "target together, or by name",
        choices=ORDERS,
    )


SETTINGS = CompareSettings


def run(settings: CompareSettings) -> int:
    """Print the matrix and the table of the parts; write the files."""
    from lass_plugin.analysis.similarity import base_models, overlaps
    from lass_plugin.anatomy.components import WHOLE, parts_of
    from lass_plugin.languages import order_keys
    from lass_plugin.masks.file import masks_at

    masks = masks_at(settings.places)
    if len(masks) < 2:
        raise LassError(
            f"there is one mask only ({', '.join(masks)}); give a folder or several "
            "files to compare"
        )
    parts = overlaps(masks, parts_of(masks.shapes, settings.by))
    _print_matrix(parts[WHOLE], order_keys(list(masks), settings.order))
    notes = []
    if bases := base_models(masks.values()):
        notes.append(f"the masks were searched on {bases}, so they need not be alike")
        print(f"note: {notes[0]}")
    print()
    _print_groups(parts[WHOLE])
    if len(parts) > 1:
        print()
        _print_parts(parts)
    if settings.out:
        from lass_plugin.analysis.similarity_files import write_similarity

        print()
        written = write_similarity(parts, settings.out, settings.order, notes)
        print(*written, sep="\n")
    return 0


def _print_matrix(overlap: "Overlap", keys: list[str]) -> None:
    from lass_plugin.analysis.similarity import between
    from lass_plugin.records.text_tables import print_table

    order = [overlap.keys.index(key) for key in keys]
    matrix = overlap.symmetric()
    rows = [["", *keys, "kept %"]]
    for index in order:
        kept = 100 * overlap.kept[index] / overlap.units
        values = [f"{matrix[index, other]:.3f}" for other in order]
        rows.append([overlap.keys[index], *values, f"{kept:.2f}"])
    print_table(rows)
    similarity, chance = between(matrix), between(overlap.chance())
    print(
        f"mean of both directions of |M1 and M2| / |M1|, {overlap.units:,} units: "
        f"mean {similarity.mean():.3f}, chance {chance.mean():.3f}"
    )


def _print_groups(overlap: "Overlap") -> None:
    """A row a group of masks, such as those of en→X."""
    from lass_plugin.analysis.similarity import average_by_group
    from lass_plugin.anatomy.components import WHOLE
    from lass_plugin.records.text_tables import print_table

    matrices = {WHOLE: (overlap.symmetric(), overlap.chance())}
    fields = ("mean", "least", "most", "chance")
    rows = [["group", "comparisons", *fields]]
    for record in average_by_group(overlap.keys, matrices):
        numbers = [f"{record[name]:.3f}" for name in fields]
        rows.append([record["group"], f"{record['comparisons']:,}", *numbers])
    print_table(rows)


def _print_parts(parts: "dict[str, Overlap]") -> None:
    """A row a part: similarity of two different masks, on average and at most."""
    from lass_plugin.analysis.similarity import between
    from lass_plugin.records.text_tables import print_table

    rows = [["part", "units", "mean", "least", "most", "chance"]]
    for name, overlap in parts.items():
        values = between(overlap.symmetric())
        chance = between(overlap.chance()).mean()
        numbers = (values.mean(), values.min(), values.max(), chance)
        rows.append([name, f"{overlap.units:,}", *(f"{v:.3f}" for v in numbers)])
    print_table(rows)
