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

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from lass_plugin.analysis.similarity import Overlap

HELP = "compare masks across language pairs"
ALIASES = ("similarity",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass compare``."""
    parser.add_argument("places", metavar="PATH", nargs="+", type=Path)
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="write similarity.json, .csv and pictures (.png, .svg) there",
    )
    parser.add_argument(
        "--by",
        choices=("all", "component", "layer", "layer-component", "every"),
        default="all",
        help="also compare each component, each layer, each matrix of each layer, or "
        "all of these (default: the whole model only)",
    )
    parser.add_argument(
        "--order",
        choices=("direction", "source", "target", "name"),
        default="direction",
        help="order of the pairs: en→X then X→en (default), pairs of one source or "
        "of one target together, or by name",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the matrix and the table of the parts; write the files."""
    from lass_plugin.analysis.similarity import overlaps
    from lass_plugin.anatomy.components import WHOLE, parts_of
    from lass_plugin.checkpoints.checkpoint import masks_at
    from lass_plugin.errors import LassError
    from lass_plugin.languages import order_keys
    from lass_plugin.masks.fingerprint import short_name

    masks = masks_at(arguments.places)
    if len(masks) < 2:
        raise LassError(
            f"there is one mask only ({', '.join(masks)}); give a folder or several "
            "files to compare"
        )
    parts = overlaps(masks, parts_of(masks.shapes, arguments.by))
    _print_matrix(parts[WHOLE], order_keys(list(masks), arguments.order))
    bases = {short_name(mask.base) for mask in masks.values() if mask.base}
    if len(bases) > 1:
        print(
            f"note: the masks were searched on {len(bases)} different base models "
            f"({', '.join(sorted(bases))}), so they need not be alike"
        )
    print()
    _print_groups(parts[WHOLE])
    if len(parts) > 1:
        print()
        _print_parts(parts)
    if arguments.out:
        from lass_plugin.analysis.similarity_files import write_overlaps

        print()
        for path in write_overlaps(parts, arguments.out, arguments.order):
            print(path)
    return 0


def _print_matrix(overlap: "Overlap", keys: list[str]) -> None:
    from lass_plugin.records.text_tables import print_table

    order = [overlap.keys.index(key) for key in keys]
    matrix = overlap.symmetric()
    rows = [["", *keys, "kept %"]]
    for index in order:
        kept = 100 * overlap.kept[index] / overlap.units
        values = [f"{matrix[index, other]:.3f}" for other in order]
        rows.append([overlap.keys[index], *values, f"{kept:.2f}"])
    print_table(rows)
    similarity, chance = _between(matrix), _between(overlap.chance())
    print(
        f"mean of both directions of |M1 and M2| / |M1|, {overlap.units:,} units: "
        f"mean {similarity.mean():.3f}, chance {chance.mean():.3f}"
    )


def _print_groups(overlap: "Overlap") -> None:
    """A row a group of masks, such as those of en→X."""
    from lass_plugin.analysis.similarity_groups import average_by_group
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
    from lass_plugin.records.text_tables import print_table

    rows = [["part", "units", "mean", "least", "most", "chance"]]
    for name, overlap in parts.items():
        values = _between(overlap.symmetric())
        chance = _between(overlap.chance()).mean()
        numbers = (values.mean(), values.min(), values.max(), chance)
        rows.append([name, f"{overlap.units:,}", *(f"{v:.3f}" for v in numbers)])
    print_table(rows)


def _between(matrix: "np.ndarray") -> "np.ndarray":
    """The values above the diagonal: each two different masks once."""
    import numpy as np

    return matrix[np.triu_indices(len(matrix), 1)]
