"""The placement that weight learning found (Cao 2024, §4.1, Eq. 5, Fig. 1).

The output of a layer's modules is w_src LSLo(x, l_src) + w_tgt LSLo(x, l_tgt), the two
weights being the softmax of what the layer learned. The index of the larger one stays.
"""

from pathlib import Path

import torch

from lass_plugin.errors import LassError
from lass_plugin.languages import SOURCE, TARGET
from lass_plugin.methods.lowrank.planning.placement import (
    BOTH,
    PLACEMENT,
    Placement,
    write_placement,
)
from lass_plugin.methods.lowrank.stored import LowRankCheckpoint
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.curves import LAYER_LABEL, Curve, draw_curves

_IF_EQUAL = {"encoder": SOURCE, "decoder": TARGET}

IndexWeights = dict[str, list[tuple[float, float] | None]]
"""Side -> the weights of source and target of each layer; None where an index was
given."""


def learned_weights(checkpoint: LowRankCheckpoint, where: str) -> IndexWeights:
    """The softmax of what each layer learned.

    Raises:
        LassError: nothing was learned.
    """
    if not checkpoint.weights:
        raise LassError(
            f"{where} has no learned weights of source and target; train with "
            "--lslo-placement learn"
        )
    found: IndexWeights = {}
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


def choose(weights: IndexWeights, given: Placement) -> tuple[Placement, list[str]]:
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
    for side, layers in weights.items():
        indices = []
        for layer, found in enumerate(layers):
            index = given.of(side, layer)
            if found and found[0] != found[1]:
                index = SOURCE if found[0] > found[1] else TARGET
            elif index == BOTH:  # equal, or a layer without modules
                index = _IF_EQUAL[side]
                equal += [f"{side} layer {layer}"] if found else []
            indices.append(index)
        chosen[side] = tuple(indices)
    return Placement(**chosen), equal


def write_learned(
    folder: Path, placement: Placement, weights: IndexWeights, checkpoint: str
) -> list[Path]:
    """Write ``placement.json``, ``weights.csv``, ``weights.png`` and ``.svg``."""
    data = folder / "placement.json"
    write_placement(data, placement, {"weights": weights, "checkpoint": checkpoint})
    lines = [
        {
            "side": side,
            "layer": layer,
            "source": found[0] if found else None,
            "target": found[1] if found else None,
            "index": placement.of(side, layer),
        }
        for side, layers in weights.items()
        for layer, found in enumerate(layers)
    ]
    return [data, write_csv(folder / "weights.csv", lines), *draw_weights(data)]


def draw_weights(data: Path) -> list[Path]:
    """Draw the weights in a ``placement.json`` over the layers (Cao 2024, Fig. 1)."""
    curves = []
    with PLACEMENT.reading(data) as record:
        for side, layers in record["weights"].items():
            learned = [layer for layer, found in enumerate(layers) if found]
            for number, index in enumerate(("src", "tgt")):
                values = [layers[layer][number] for layer in learned]
                curves.append(Curve(f"{side[:3]}_{index}", learned, values))
    return draw_curves(
        [curve for curve in curves if curve.x],
        data.with_name("weights.png"),
        "Learned weights of source and target",
        LAYER_LABEL,
        "weight",
    )
