"""Make a tree of languages of their masks: the nearer two sub-networks, the nearer the
languages.

PATH is a folder of masks, a jointly trained checkpoint, or several, or a
similarity.json of 'lass compare'. The distance of two masks is 1 - their similarity,
the mean of both directions. A leaf of the tree is a language: as sources, two languages
are compared by their masks X→en and Y→en, as targets by en→X and en→Y (where the pairs
have more than en in common, averaged over all that two languages share); the default is
the mean of both. Or each pair is a leaf.

Two trees are made: that of weighted least squares (Makarenkov and Leclerc 1999, as in
T-REX; up to nine leaves the best of all trees, beyond by nearest-neighbour interchanges
from neighbour joining), and that of neighbour joining. Both are written in Newick
format and drawn, without a root and rooted in the middle of their longest path.

It says how tree-like the distances are, and compares the trees with the languages'
families: Robinson-Foulds distance and purity, with the probability that families dealt
out at random do as well. tree.families.png shows the families alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lass_plugin.errors import LassError
from lass_plugin.settings import Settings, argument, option, required

if TYPE_CHECKING:
    import numpy as np

HELP = "a tree of languages made of the similarity of their masks"


@dataclass(frozen=True, kw_only=True)
class TreeSettings(Settings):
    """What the tree is made of, and what it is compared with."""

    places: tuple[Path, ...] = argument(metavar="PATH", nargs="+")
    out: Path = required(
        "write tree.json, .csv, .nwk and pictures (.png, .svg) there", metavar="DIR"
    )
    leaves: str = option(
        "languages",
        "what the leaves of the tree are (default: %(default)s)",
        choices=("languages", "pairs"),
    )
    direction: str | None = option(
        None,
        "compare languages as sources (X→en), as targets (en→X), or take the mean "
        "(default: the mean, or the one direction that the masks have)",
        choices=("source", "target", "mean"),
    )
    part: str | None = option(
        None,
        "compare one part of the model, such as encoder, cross-attention, fc1 or "
        "'decoder layer 0' (default: the whole model)",
        metavar="NAME",
    )
    weights_power: float = option(
        0.0,
        "weights of least squares: 1 / distance^P (default: 0, all weights 1)",
        metavar="P",
    )
    families: str | None = option(
        None,
        "the table of a paper: he2023, lin2021 (IWSLT), he2023-data (WMT, too), "
        "cao2024, li2022; or a file: JSON {LANGUAGE: FAMILY}, or lines of LANGUAGE, a "
        "tab, FAMILY. A family can be a path, Indo-European/Germanic (default: a "
        "built-in table of linguists)",
        metavar="NAME|FILE",
    )

    def check(self) -> None:
        super().check()
        if not 0 <= self.weights_power <= 8:
            raise LassError(
                f"--weights-power {self.weights_power:g} is outside 0 to 8; T-REX and "
                "this command take 0, Fitch and Margoliash 2"
            )


SETTINGS = TreeSettings


def run(settings: TreeSettings) -> int:
    """Make the trees, write them, and print what they say."""
    from lass_plugin.analysis.trees.distances import leaf_distances
    from lass_plugin.analysis.trees.reconstruction import need
    from lass_plugin.analysis.trees.results import families_of, grow_trees, write_trees
    from lass_plugin.language_families import families_at

    for module in ("scipy.optimize", "Bio.Phylo.TreeConstruction"):
        need(module)  # before anything is computed
    table = families_at(settings.families) if settings.families else None
    keys, similarity, measure, notes = _similarity(settings.places, settings.part)
    found = leaf_distances(keys, similarity, settings.leaves, settings.direction)
    families = families_of(found.leaves, table)
    unknown = [leaf for leaf in found.leaves if not families[leaf]]
    if unknown:
        notes.append(
            f"no family is known of {', '.join(unknown)}; they are left out of the "
            "comparison with families (give --families FILE)"
        )
    record = grow_trees(found, families, settings.weights_power, measure)
    record["notes"] += notes
    record["part"] = settings.part or "whole model"
    written = write_trees(record, settings.out)
    _print(record)
    print()
    print(*written, sep="\n")
    return 0


def _similarity(
    places: Sequence[Path], part: str | None
) -> "tuple[list[str], np.ndarray, str, list[str]]":
    """Keys, ``(n, n)`` similarity of one part, what distances are made of it, notes."""
    from lass_plugin.analysis.similarity import base_models, overlaps
    from lass_plugin.analysis.similarity_files import MEASURE as OF_MASKS
    from lass_plugin.analysis.similarity_files import read_similarity
    from lass_plugin.analysis.trees.results import MEASURE
    from lass_plugin.anatomy.components import WHOLE, parts_of
    from lass_plugin.masks.file import masks_at

    part, measure = part or WHOLE, MEASURE
    if any(place.suffix == ".json" for place in places):
        if len(places) > 1:
            raise LassError("give one similarity.json, or masks, but not several")
        record = read_similarity(places[0])
        if part not in record["parts"]:
            raise LassError(
                f"{places[0]} has no part '{part}'; it has {', '.join(record['parts'])}"
                " ('lass compare --by every' writes all parts)"
            )
        if (similar := record.get("measure", OF_MASKS)) != OF_MASKS:
            measure = f"1 - similarity; similarity: {similar}"
        notes = list(map(str, record.get("notes", ())))
        return record["keys"], record["parts"][part]["similarity"], measure, notes
    masks = masks_at(places)
    if len(masks) < 2:
        raise LassError(
            f"there is one mask only ({', '.join(masks)}), and one pair makes no tree; "
            "give the masks of several pairs"
        )
    parts = parts_of(masks.shapes, "every")
    if part not in parts:
        raise LassError(f"the masks have no part '{part}'; choose {', '.join(parts)}")
    overlap = overlaps(masks, {part: parts[part]})[part]
    notes = []
    if bases := base_models(masks.values()):
        notes.append(
            f"the masks were searched on {bases}, so their distances may say nothing"
        )
    return list(masks), overlap.symmetric(), measure, notes


def _print(record: dict[str, Any]) -> None:
    from lass_plugin.records.text_tables import print_table

    print(f"{record['described']}: {', '.join(record['leaves'])}")
    for note in record["notes"]:
        print(f"note: {note}")
    print(
        f"δ score {_number(record['delta'])} (0: the distances are those of a tree, "
        f"0.5: chance); weights of least squares {record['weights']}"
    )
    rows = [["tree", "explained", "cophenetic", "residual", "edges < 0"]]
    scores = [["tree", "RF", "of at most", "p", "family edges", "purity", "p"]]
    for name, tree in record["trees"].items():
        fit, compared = tree["fit"], tree["families"]
        rows.append(
            [name, *map(_number, (fit["explained"], fit["cophenetic"]))]
            + [f"{fit['residual']:.3g}", str(fit["negative"])]
        )
        if compared:
            scores.append(
                [name, str(compared["robinson_foulds"]), str(compared["most"])]
                + [_number(compared["robinson_foulds_p"])]
                + [f"{compared['found']} of {compared['family_edges']}"]
                + [_number(compared[score]) for score in ("purity", "purity_p")]
            )
    print_table(rows)
    print()
    if len(scores) == 1:
        print(
            "no comparison with families: it takes four leaves with a family, and "
            "families that part them"
        )
    else:
        print_table(scores)
        compared = next(iter(record["trees"].values()))["families"]
        ways = "all" if compared["exact"] else "true one and random"
        print(
            f"{compared['families']} families of {compared['leaves']} leaves; p by "
            f"{compared['arrangements']:,} arrangements of the families ({ways})"
        )
    for name, tree in record["trees"].items():
        print(f"{name}: {tree['newick']}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
