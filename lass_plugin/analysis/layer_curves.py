"""Curves of similarity over the layers, a line for each matrix (Lin 2021, Fig. 6)."""

import re
from pathlib import Path
from typing import Any, Mapping, Sequence

from lass_plugin.analysis.similarity_groups import EVERY
from lass_plugin.anatomy.components import ATTENTION_LABELS
from lass_plugin.anatomy.places import (
    CROSS_ATTENTION,
    FEED_FORWARD,
    PROJECTIONS,
    SELF_ATTENTION,
)
from lass_plugin.records.curves import LAYER_LABEL, Curve, draw_panels
from lass_plugin.records.figures import SPAN

_MATRICES = (*PROJECTIONS, *FEED_FORWARD)
"""They have a colour each, the same in every picture."""
_LINES = {SELF_ATTENTION: "-", "": "-.", CROSS_ATTENTION: "--"}
"""In the order of the legend."""

Record = Mapping[str, Any]


def draw_layers(curves: Sequence[Record], path: Path) -> list[Path]:
    """Draw the encoder's and the decoder's curves, a picture for each group of masks.

    Args:
        curves: records of :func:`.similarity_groups.curves_over_layers`.
        path: picture of all masks; those of the other groups have the group's name
            before the suffix.

    Returns:
        The files written; none without *curves*.
    """
    written = []
    for group in dict.fromkeys(record["group"] for record in curves):
        chosen = [record for record in curves if record["group"] == group]
        name = re.sub(r"\W+", "-", group.replace("→", "-to-").lower())
        chance = sum(record["chance"] for record in chosen) / len(chosen)
        count = max(record["comparisons"] for record in chosen)
        sides = sorted({record["side"] for record in chosen}, reverse=True)
        written += draw_panels(
            {side: _curves([r for r in chosen if r["side"] == side]) for side in sides},
            path if group == EVERY else path.with_stem(f"{path.stem}.{name}"),
            f"Similarity over the layers, {group} ({count:,} comparisons; chance "
            f"{chance:.2f})",
            LAYER_LABEL,
            "mean similarity",
            least=SPAN,
        )
    return written


def _curves(records: Sequence[Record]) -> list[Curve]:
    """A curve for each matrix; cross-attention is dashed, with hollow marks."""
    curves = []
    for matrix in sorted({record["matrix"] for record in records}, key=_rank):
        attention, _, last = matrix.rpartition(" ")
        points = sorted(
            (r["layer"], r["mean"]) for r in records if r["matrix"] == matrix
        )
        layers, means = zip(*points, strict=True)
        curves.append(
            Curve(
                f"{ATTENTION_LABELS.get(attention, attention)} {last}".strip(),
                layers,
                means,
                look=_rank(matrix)[1],
                line=_LINES.get(attention, ":"),
                hollow=attention == CROSS_ATTENTION,
            )
        )
    return curves


def _rank(matrix: str) -> tuple[int, int, str]:
    """Self-attention, feed-forward, cross-attention; each in the order of the model."""
    attention, _, last = matrix.rpartition(" ")
    number = _MATRICES.index(last) if last in _MATRICES else len(_MATRICES)
    order = [*_LINES].index(attention) if attention in _LINES else len(_LINES)
    return order, number, matrix
