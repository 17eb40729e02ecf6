"""Pictures of trees, families in colour, and of how well they fit."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Mapping, Sequence

import numpy as np

from lass_plugin.analysis.trees.topology import Node, Tree, at_inner_node, at_midpoint
from lass_plugin.records.figures import colour, marker, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_UNKNOWN = "0.45"
"""Grey of leaves without a family."""

Families = Mapping[str, str | None]

Point = tuple[float, float]


@dataclass
class Drawing:
    """Lines, and the ends of the leaves' edges."""

    lines: list[list[Point]] = field(default_factory=list)
    ends: dict[int, tuple[Point, float]] = field(default_factory=dict)
    """Leaf -> its place and the direction in which its name is written, in radians."""


def equal_angle(root: Node) -> Drawing:
    """An unrooted tree, every subtree in a sector as wide as it has leaves (Felsenstein
    2004, ch. 34): no edges cross. Negative lengths are drawn as none."""
    drawing = Drawing()
    share = 2 * math.pi / len(root.leaves)

    def visit(node: Node, place: Point, start: float) -> None:
        for child in node.children:
            width, length = share * len(child.leaves), max(child.length, 0.0)
            angle, (x, y) = start + width / 2, place
            end = (x + length * math.cos(angle), y + length * math.sin(angle))
            drawing.lines.append([place, end])
            if not child.children:
                drawing.ends[child.leaves[0]] = (end, angle)
            visit(child, end, start)
            start += width

    visit(root, (0.0, 0.0), 0.0)
    return drawing


def phylogram(root: Node) -> Drawing:
    """A rooted tree from left to right: x is the distance from the root, and the leaves
    are one apart. Negative lengths are drawn as none."""
    drawing = Drawing()

    def visit(node: Node, distance: float) -> float:
        """Draws what hangs from *node*; returns its height."""
        if not node.children:
            height = float(len(drawing.ends))
            drawing.ends[node.leaves[0]] = ((distance, height), 0.0)
            return height
        heights = []
        for child in node.children:
            end = distance + max(child.length, 0.0)
            heights.append(visit(child, end))
            drawing.lines.append([(distance, heights[-1]), (end, heights[-1])])
        drawing.lines.append([(distance, min(heights)), (distance, max(heights))])
        return (min(heights) + max(heights)) / 2

    visit(root, 0.0)
    return drawing


def draw_tree(
    tree: Tree,
    rooted: bool,
    families: Families,
    path: Path,
    title: str,
    caption: str = "",
    measured: bool = True,
) -> list[Path]:
    """Draw *tree*, without a root or rooted at its midpoint, as PNG and SVG.

    A tree that would look like a star is drawn with shorter leaf edges. What is special
    is said in lines before *caption*.

    Args:
        measured: its lengths are distances; else nothing is said of them.
    """
    from matplotlib.figure import Figure

    tree, cut = tree.with_shorter_leaves() if measured else (tree, 0.0)
    if rooted and measured:
        caption = f"root in the middle of the longest path\n{caption}".rstrip()
    if cut:
        caption = f"every leaf edge is drawn shorter by {cut:.3g}\n{caption}".rstrip()
    count = len(tree.leaves)
    side = 5 + 0.08 * count
    size = (6.6, 1.8 + 0.26 * count) if rooted else (side + 1.6, side)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    layout, root = (phylogram, at_midpoint) if rooted else (equal_angle, at_inner_node)
    drawing = layout(root(tree))
    _draw(axes, tree, drawing, families)
    if not rooted:
        axes.set_aspect("equal", adjustable="box")
    axes.margins(0.12, 0.5 / count if rooted else 0.12)
    _finish(axes, drawing, title, caption, measured)
    return save_figure(figure, path)


def _draw(axes: "Axes", tree: Tree, drawing: Drawing, families: Families) -> None:
    """Edges, marks at the leaves, names beyond these, and the families' legend."""
    for line in drawing.lines:
        x, y = np.array(line).T
        axes.plot(x, y, color="0.25", linewidth=1, solid_capstyle="round", zorder=1)
    names = sorted({name for leaf in tree.leaves if (name := families.get(leaf))})
    unknown = _UNKNOWN if names else "0.1"
    for number, name in enumerate([*names, None]):
        leaves = [i for i, leaf in enumerate(tree.leaves) if families.get(leaf) == name]
        if not leaves:
            continue
        x, y = np.array([drawing.ends[leaf][0] for leaf in leaves]).T
        axes.scatter(
            x,
            y,
            s=36,
            color=unknown if name is None else colour(number),
            marker="." if name is None else marker(number),
            label=name.replace("/", " / ") if name else "no family known",
            zorder=2,
        )
        for leaf in leaves:
            (x, y), angle = drawing.ends[leaf]
            right, up = math.cos(angle), math.sin(angle)
            axes.annotate(
                tree.leaves[leaf],
                (x, y),
                (7 * right, 7 * up),
                textcoords="offset points",
                ha="left" if right > 0.3 else "right" if right < -0.3 else "center",
                va="bottom" if up > 0.3 else "top" if up < -0.3 else "center",
                fontsize=10,
            )
    if names:
        axes.figure.legend(fontsize=8, loc="outside right center", frameon=False)


def _finish(
    axes: "Axes", drawing: Drawing, title: str, caption: str, measured: bool
) -> None:
    """Title, a scale bar and the caption instead of axes."""
    axes.figure.suptitle(title, fontsize=11)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
    xs, ys = zip(*(point for line in drawing.lines for point in line), strict=True)
    width = max(xs) - min(xs)
    if width > 0 and measured:
        length = _round_down(width / 4)
        below = min(ys) - max(0.08 * (max(ys) - min(ys)), 0.04 * width)
        ends = [min(xs), min(xs) + length]
        axes.plot(ends, [below, below], color="black", linewidth=2)
        caption = f"bar: distance {length:g}" + (f"\n{caption}" if caption else "")
    axes.set_xlabel(caption, fontsize=8)


def _round_down(value: float) -> float:
    """The greatest 1, 2 or 5 times a power of ten that is not above *value*."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (5.0, 2.0, 1.0) if step * power <= value)


def draw_fit(
    distances: np.ndarray,
    fitted: Mapping[str, np.ndarray],
    families: Sequence[str | None],
    texts: Mapping[str, str],
    path: Path,
    title: str,
) -> list[Path]:
    """Plot the path lengths of trees over the distances: a tree fits on the diagonal.

    Args:
        distances: ``(n, n)``.
        fitted: name of a method -> ``(n, n)`` path lengths of its tree.
        families: of the leaves; two leaves of one are marked.
        texts: name of a method -> lines that say how well it fits.
    """
    from matplotlib.figure import Figure

    first, second = np.triu_indices(len(distances), 1)
    known = [name or leaf for leaf, name in enumerate(families)]  # each its own if none
    same = np.array([known[i] == known[j] for i, j in zip(first, second, strict=True)])
    figure = Figure(figsize=(4.2 * len(fitted), 4.9), layout="constrained")
    panels = figure.subplots(1, len(fitted), squeeze=False, sharex=True, sharey=True)[0]
    for axes, (name, matrix) in zip(panels, fitted.items(), strict=True):
        x, y = distances[first, second], matrix[first, second]
        low, high = min(x.min(), y.min()), max(x.max(), y.max())
        axes.plot([low, high], [low, high], color="0.6", linewidth=1, zorder=1)
        for number, label in enumerate(("different families", "one family")):
            if (chosen := same == bool(number)).any():
                axes.scatter(
                    x[chosen],
                    y[chosen],
                    s=22,
                    color=colour(number),
                    marker=marker(number),
                    label=label if same.any() else None,
                    alpha=0.8,
                    zorder=2,
                )
        axes.set_title(f"{name}\n{texts[name]}", fontsize=9)
        axes.set_xlabel("distance of the masks, 1 − similarity")
        axes.locator_params(nbins=5)
    panels[0].set_ylabel("length of the path in the tree")
    if same.any():
        panels[0].legend(fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=11)
    return save_figure(figure, path)
