"""Curves of similarity over the layers, a line for each matrix (Lin 2021, Fig. 6)."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from lass_plugin.analysis.similarity_groups import EVERY
from lass_plugin.records.figures import MARKERS, OKABE_ITO, SPAN, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MATRICES = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
"""They have a colour each, the same in every picture."""
_ATTENTIONS = {"self_attn": "self-attention", "encoder_attn": "cross-attention"}
_LINES = {"self_attn": "-", "encoder_attn": "--", "": "-."}


def draw_curves(curves: Sequence[Mapping[str, Any]], path: Path) -> list[Path]:
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
        target = path if group == EVERY else path.with_stem(f"{path.stem}.{name}")
        written += _draw_group(chosen, group, target)
    return written


def _draw_group(
    curves: Sequence[Mapping[str, Any]], group: str, path: Path
) -> list[Path]:
    from matplotlib.figure import Figure

    sides = [
        side
        for side in ("encoder", "decoder")
        if any(record["side"] == side for record in curves)
    ]
    figure = Figure(figsize=(1.6 + 3.8 * len(sides), 5.2), layout="constrained")
    panels = figure.subplots(1, len(sides), sharey=True, squeeze=False)[0]
    for axes, side in zip(panels, sides, strict=True):
        _draw_side(axes, [record for record in curves if record["side"] == side])
        axes.set_title(side, fontsize=10)
        axes.set_xlabel("layer")
        axes.legend(
            fontsize=8,
            ncols=2,
            handlelength=4,
            frameon=False,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.14),
        )
    low, high = panels[0].get_ylim()
    missing = max(0.0, SPAN - (high - low)) / 2  # noise is not stretched to a shape
    panels[0].set_ylim(low - missing, high + missing)
    panels[0].set_ylabel("mean similarity")
    chance = sum(record["chance"] for record in curves) / len(curves)
    count = max(record["comparisons"] for record in curves)
    figure.suptitle(
        f"Similarity over the layers, {group} ({count:,} comparisons; chance "
        f"{chance:.2f})",
        fontsize=11,
    )
    return save_figure(figure, path)


def _draw_side(axes: "Axes", curves: Sequence[Mapping[str, Any]]) -> None:
    """A line for each matrix; cross-attention is dashed, with hollow marks."""
    for matrix in sorted({record["matrix"] for record in curves}, key=_rank):
        attention, _, last = matrix.rpartition(" ")
        number = _rank(matrix)[1]
        points = sorted(
            (r["layer"], r["mean"]) for r in curves if r["matrix"] == matrix
        )
        colour = OKABE_ITO[number % len(OKABE_ITO)]
        axes.plot(
            [layer + 1 for layer, _ in points],
            [mean for _, mean in points],
            _LINES.get(attention, ":"),
            marker=MARKERS[number % len(MARKERS)],
            markersize=5,
            markerfacecolor="white" if attention == "encoder_attn" else colour,
            color=colour,
            linewidth=1.2,
            label=f"{_ATTENTIONS.get(attention, attention)} {last}".strip(),
        )
    axes.set_xticks(sorted({record["layer"] + 1 for record in curves}))


def _rank(matrix: str) -> tuple[str, int, str]:
    """Self-attention, feed-forward, cross-attention; each in the order of the model."""
    attention, _, last = matrix.rpartition(" ")
    number = _MATRICES.index(last) if last in _MATRICES else len(_MATRICES)
    order = {"self_attn": "0", "": "1", "encoder_attn": "2"}
    return order.get(attention, "3"), number, matrix
