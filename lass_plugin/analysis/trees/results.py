"""From distances to the files of a tree: data, Newick, pictures."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lass_plugin.analysis.trees.distances import LeafDistances
from lass_plugin.analysis.trees.families import (
    amount_of_work,
    compare_with_families,
    family_tree,
)
from lass_plugin.analysis.trees.pictures import draw_fit, draw_tree
from lass_plugin.analysis.trees.reconstruction import (
    delta_score,
    fit_of,
    fit_tree,
    join,
    power_weights,
    trees_to_try,
)
from lass_plugin.analysis.trees.topology import Tree, at_inner_node, at_midpoint, newick
from lass_plugin.data.progress import Progress
from lass_plugin.errors import LassError
from lass_plugin.files import write_text
from lass_plugin.language_families import family_of
from lass_plugin.languages import Pair
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.figures import remove_earlier
from lass_plugin.records.json_record import RecordFormat

TREE = RecordFormat(
    "lass_plugin tree", "a tree.json of 'lass tree'", unmarked=True, measured=True
)

MEASURE = "1 - (Sim(M1, M2) + Sim(M2, M1)) / 2, Sim(M1, M2) = |M1 and M2| / |M1|"
LEAST_SQUARES = "least-squares"
NEIGHBOUR_JOINING = "neighbour-joining"
_TITLES = {
    LEAST_SQUARES: "Weighted least squares",
    NEIGHBOUR_JOINING: "Neighbour joining",
}


def families_of(
    leaves: tuple[str, ...], table: Mapping[str, str] | None = None
) -> dict[str, str | None]:
    """Leaf -> family, None where none is known.

    The family of a pair is that of the language that is not common to all pairs; where
    there is no such language, ``family of the source → family of the target``.

    Args:
        table: language -> family; None for the built-in one.

    Raises:
        LassError: *table* is given and lacks a language.
    """
    try:
        pairs = [Pair.parse(leaf) for leaf in leaves]
    except LassError:
        languages: list[tuple[str, ...]] = [(leaf,) for leaf in leaves]
    else:
        common = set.intersection(*({p.source, p.target} for p in pairs))
        languages = [
            tuple(code for code in (p.source, p.target) if code not in common)
            for p in pairs
        ]
    if table is not None:
        missing = sorted({c for codes in languages for c in codes} - table.keys())
        if missing:
            raise LassError(
                f"the family table has no {', '.join(missing)}; add a line for each, "
                "or leave --families out for the built-in table"
            )
    families: dict[str, str | None] = {}
    for leaf, codes in zip(leaves, languages, strict=True):
        found = [family_of(c) if table is None else table[c] for c in codes]
        families[leaf] = " → ".join(map(str, found)) if found and all(found) else None
    return families


def grow_trees(
    leaves: LeafDistances,
    families: Mapping[str, str | None],
    weights_power: float = 0.0,
    measure: str = MEASURE,
) -> dict[str, Any]:
    """Make both trees and all that is said of them; shows its progress on stderr.

    Args:
        families: see :func:`families_of`.
        weights_power: p of the weights 1 / d^p of least squares and of the fit.
        measure: what the distances are, in words.

    Returns:
        What ``tree.json`` holds.
    """
    weights = power_weights(leaves.distances, weights_power)
    progress = Progress("least squares", trees_to_try(len(families)))
    fitted, best, tried = fit_tree(
        leaves.leaves, leaves.distances, weights, progress.advance
    )
    progress.finish()
    found = {
        LEAST_SQUARES: (fitted, {"best": best, "tried": tried}),
        NEIGHBOUR_JOINING: (join(leaves.leaves, leaves.distances), {}),
    }
    trees = {}
    progress = Progress("families", 2 * amount_of_work(families))
    for name, (tree, search) in found.items():
        compared = compare_with_families(
            tree.without_zero_edges(), families, advance=progress.advance
        )
        trees[name] = {
            "newick": newick(at_inner_node(tree), tree.leaves),
            "rooted": newick(at_midpoint(tree), tree.leaves),
            "edges": [
                {"beyond": _names(split, tree.leaves), "length": length}
                for split, length in zip(tree.splits, tree.lengths, strict=True)
            ],
            **search,
            "fit": asdict(fit_of(tree, leaves.distances, weights)),
            "families": asdict(compared) if compared else None,
        }
    progress.finish()
    return {
        "measure": measure,
        "described": leaves.described,
        "leaves": list(leaves.leaves),
        "families": dict(families),
        "distances": leaves.distances.tolist(),
        "weights": "1" if not weights_power else f"1 / distance^{weights_power:g}",
        "weights_power": weights_power,
        "delta": delta_score(leaves.distances),
        "notes": list(leaves.notes),
        "trees": trees,
    }


def _names(split: int, leaves: tuple[str, ...]) -> list[str]:
    return [leaf for place, leaf in enumerate(leaves) if split >> place & 1]


def write_trees(record: dict[str, Any], folder: str | os.PathLike) -> list[Path]:
    """Write what :func:`grow_trees` made to *folder*.

    ``tree.json``; the distances as ``tree.distances.csv``; distances and path lengths
    of every two leaves as ``tree.fit.csv``; each tree in Newick format, without a root
    and rooted at its midpoint; the pictures of :func:`draw_trees`.
    """
    data = TREE.write(Path(folder) / "tree.json", record)
    leaves = record["leaves"]
    distances = [
        {"": leaf, **dict(zip(leaves, row, strict=True))}
        for leaf, row in zip(leaves, record["distances"], strict=True)
    ]
    written = [
        data,
        write_csv(data.with_name("tree.distances.csv"), distances, floats=".6f"),
        write_csv(data.with_name("tree.fit.csv"), _fits(record), floats=".6g"),
    ]
    for name, tree in record["trees"].items():
        for ending, kind in (("", "newick"), (".rooted", "rooted")):
            written.append(data.with_name(f"tree.{name}{ending}.nwk"))
            write_text(written[-1], f"{tree[kind]}\n")
    return [*written, *draw_trees(data)]


def _fits(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A line for every two leaves: their distance, and their path in each tree."""
    leaves, distances = record["leaves"], np.array(record["distances"])
    weights = power_weights(distances, record["weights_power"])
    paths = {name: read_tree(record, name).distances() for name in record["trees"]}
    for i, j in zip(*np.triu_indices(len(leaves), 1), strict=True):
        yield {
            "first": leaves[i],
            "second": leaves[j],
            "distance": distances[i, j],
            "weight": weights[i, j],
            **{name: matrix[i, j] for name, matrix in paths.items()},
        }


def read_tree(record: Mapping[str, Any], name: str) -> Tree:
    """One tree of a ``tree.json``."""
    leaves = tuple(record["leaves"])
    edges = record["trees"][name]["edges"]
    splits = tuple(
        sum(1 << leaves.index(leaf) for leaf in edge["beyond"]) for edge in edges
    )
    return Tree(leaves, splits, tuple(edge["length"] for edge in edges))


def draw_trees(data: str | os.PathLike) -> list[Path]:
    """Draw the trees in a ``tree.json`` and how well they fit, beside that file; the
    pictures of an earlier file in its place go.

    Raises:
        LassError: *data* is not such a file.
    """
    data = Path(data)
    with TREE.reading(data) as record:
        trees = {name: read_tree(record, name) for name in record["trees"]}
        distances, families = np.array(record["distances"]), record["families"]
        captions = {name: _caption(record, name) for name in trees}
    titles, written = {name: _TITLES.get(name, name) for name in trees}, []
    for name, tree in trees.items():
        title = f"{titles[name]}, {record['described']}"
        for rooted, kind in ((False, "unrooted"), (True, "rooted")):
            path = data.with_name(f"tree.{name}.{kind}.png")
            written += draw_tree(tree, rooted, families, path, title, captions[name])
    if (known := family_tree(families)) is not None:
        path = data.with_name("tree.families.png")
        words = ("Families of the leaves", "the lengths of the edges mean nothing")
        written += draw_tree(known, True, families, path, *words, measured=False)
    written += draw_fit(
        distances,
        {titles[name]: tree.distances() for name, tree in trees.items()},
        [families.get(leaf) for leaf in record["leaves"]],
        {titles[name]: text for name, text in captions.items()},
        data.with_name("tree.fit.png"),
        f"How tree-like the distances are: δ score {_number(record['delta'])} "
        "(0: a tree, 0.5: chance)",
    )
    remove_earlier(data, written)
    return written


def _caption(record: Mapping[str, Any], name: str) -> str:
    fit = record["trees"][name]["fit"]
    return (
        f"explained variance {_number(fit['explained'])}, cophenetic correlation "
        f"{_number(fit['cophenetic'])},\nweighted residual sum of squares "
        f"{fit['residual']:.3g}, weights {record['weights']}"
    )


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
