"""The placement that weight learning found (Cao 2024, §4.1, Eq. 5, Fig. 1).

The output of a layer's modules is w_src LSLo(x, l_src) + w_tgt LSLo(x, l_tgt), the two
weights being the softmax of what the layer learned. The index of the larger one stays.
"""

import csv
import io
from pathlib import Path
from typing import Any

import torch

from lass_plugin import files
from lass_plugin.anatomy.matrices import SIDES
from lass_plugin.errors import LassError
from lass_plugin.methods.lowrank.planning.placement import (
    BOTH,
    SOURCE,
    TARGET,
    Placement,
    write_placement,
)
from lass_plugin.methods.lowrank.stored import LowRankCheckpoint
from lass_plugin.records.curves import Curve, draw_curves

_IF_EQUAL = {"encoder": SOURCE, "decoder": TARGET}

Weights = dict[str, list[tuple[float, float] | None]]
"""Side -> the weights of source and target of each layer; None where an index was
given."""


def learned_weights(checkpoint: LowRankCheckpoint, where: str) -> Weights:
    """The softmax of what each layer learned.

    Raises:
        LassError: nothing was learned.
    """
    if not checkpoint.weights:
        raise LassError(
            f"{where} has no learned weights of source and target; train with "
            "--lslo-placement learn"
        )
    found: Weights = {}
    for side, layers in checkpoint.entry.plan.placement.layers.items():
        rows: list[tuple[float, float] | None] = []
        for layer in range(layers):
            values = checkpoint.weights.get((side, layer))
            if values is None:
                rows.append(None)
                continue
            if not torch.isfinite(values).all():
                raise LassError(
                    f"the weights of {side} layer {layer} in {where} are not numbers: "
                    "training has diverged; lower --lr"
                )
            source, target = torch.softmax(values, 0).tolist()
            rows.append((source, target))
        found[side] = rows
    return found


def choose(weights: Weights, given: Placement) -> tuple[Placement, list[str]]:
    """The index with the larger weight in every layer.

    Where they are equal, source in the encoder and target in the decoder.

    Args:
        given: the placement of the training; layers whose index was not learned keep
            theirs.

    Returns:
        The placement, and the layers whose weights are equal, ``decoder layer 0``.
    """
    chosen: dict[str, tuple[str, ...]] = {}
    equal = []
    for side in SIDES:
        indices = []
        for layer, found in enumerate(weights[side]):
            index = given.of(side, layer)
            if found is not None:
                index = SOURCE if found[0] > found[1] else TARGET
                if found[0] == found[1]:
                    equal.append(f"{side} layer {layer}")
                    index = _IF_EQUAL[side]
            elif index == BOTH:  # a layer without modules
                index = _IF_EQUAL[side]
            indices.append(index)
        chosen[side] = tuple(indices)
    return Placement(**chosen), equal


def write_learned(
    folder: Path, placement: Placement, weights: Weights, checkpoint: str
) -> list[Path]:
    """Write ``placement.json``, ``weights.csv``, ``weights.png`` and ``.svg``."""
    data = folder / "placement.json"
    more: dict[str, Any] = {"weights": weights, "checkpoint": checkpoint}
    write_placement(data, placement, more)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["side", "layer", "source", "target", "index"])
    for side in SIDES:
        for layer, found in enumerate(weights[side]):
            writer.writerow(
                [side, layer, *(found or ("", "")), placement.of(side, layer)]
            )
    table = folder / "weights.csv"
    files.write_text(table, text.getvalue())
    return [data, table, *draw_weights(weights, folder / "weights.png")]


def draw_weights(weights: Weights, path: Path) -> list[Path]:
    """Draw the weights over the layers (Fig. 1)."""
    curves = []
    for side in SIDES:
        points = [(n, found) for n, found in enumerate(weights[side]) if found]
        for number, index in enumerate(("src", "tgt")):
            if points:
                layers = [layer for layer, _ in points]
                values = [found[number] for _, found in points]
                curves.append(Curve(f"{side[:3]}_{index}", layers, values))
    return draw_curves(
        curves,
        path,
        "Learned weights of source and target",
        "layer (0 is the first)",
        "weight",
    )
