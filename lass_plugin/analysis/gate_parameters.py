"""Parameters that are left under gates, by sparsity (Li 2022, Figure 4)."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from lass_plugin.analysis.gate_shares import System
from lass_plugin.anatomy.places import EMBEDDING, find_place
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError
from lass_plugin.methods.gates.components import Components, is_rank
from lass_plugin.methods.gates.frozen import owned_by
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.text_tables import print_table

NAME = "parameters.csv"


def removed_parameters(
    components: Components, gates: Mapping[str, Tensor], symbols: int, units: int
) -> tuple[int, int]:
    """Weights and biases that go with closed components.

    With a head go its rows of three matrices, three biases and its columns of W_o, with
    a hidden unit a row, a column and a bias. Of rank r the embedding is a product, of
    r·(symbols + units) weights, where that is less than symbols × units.

    Args:
        symbols, units: rows and columns of the embedding.

    Returns:
        Those of the layers; those of the embedding.
    """
    layers, embedding = 0, 0
    for site, gate in gates.items():
        closed = int((gate == 0).sum())
        if is_rank(site):
            product = (len(gate) - closed) * (symbols + units)
            embedding = max(0, symbols * units - product) if closed else 0
        elif site in components.widths:
            layers += closed * components.widths[site] * (4 * units + 3)
        else:
            layers += closed * (2 * units + 1)
    return layers, embedding


def check_model(system: System, model: Checkpoint) -> None:
    """Refuse gates that are not of *model*, by the shapes of its weights.

    Raises:
        LassError: names the system and what does not fit.
    """
    weights = model.weights
    counts, widths = system.components.counts, system.components.widths
    for site, count in counts.items():
        name, axis = owned_by(site)[0]
        there = weights[name].shape[axis] if name in weights else 0
        if there != count * widths.get(site, 1):
            raise LassError(
                f"the gates of {system.name} are not of {model.path}: they are {count} "
                f"at {site}, whose weights there are of {there} rows or columns; give "
                "the model that they are of with --model"
            )
    ours, theirs = (
        {
            (place.side, place.layer)
            for place in map(find_place, names)
            if place.layer is not None
        }
        for names in (counts, weights)
    )
    if missing := theirs - ours:
        side, layer = min(missing)
        raise LassError(
            f"the gates of {system.name} are not of {model.path}: they have nothing of "
            f"its {side} layer {layer}; give the model that they are of with --model"
        )


def write_parameters(
    systems: Sequence[System], model: Checkpoint, folder: str | os.PathLike
) -> Path:
    """Print and write the parameters of each system at each sparsity, means over keys.

    Args:
        model: that the gates are of, not cut.

    Raises:
        LassError: they are of another one.
    """
    for system in systems:
        check_model(system, model)
    sizes = {name: tensor.numel() for name, tensor in model.parameters.items()}
    in_layers = sum(n for s, n in sizes.items() if find_place(s).layer is not None)
    symbols, units = next(
        tensor.shape
        for name, tensor in model.parameters.items()
        if find_place(name).part == EMBEDDING and find_place(name).tensor == "weight"
    )
    rows = []
    for system in systems:
        for sparsity, of_keys in sorted(system.gates.items()):
            gone = [
                removed_parameters(system.components, gates, symbols, units)
                for gates in of_keys.values()
            ]
            layers, embedding = (
                sum(each) / len(gone) for each in zip(*gone, strict=True)
            )
            rows.append(
                {
                    "system": system.name,
                    "sparsity": sparsity,
                    "layers": round(in_layers - layers),
                    "all": round(sum(sizes.values()) - layers - embedding),
                }
            )
    print_table(
        [
            ["system", "sparsity", "parameters of layers", "all parameters"],
            *(
                [
                    str(row["system"]),
                    f"{row['sparsity']:.3f}",
                    f"{row['layers']:,}",
                    f"{row['all']:,}",
                ]
                for row in rows
            ),
        ]
    )
    return write_csv(Path(folder) / NAME, rows)
