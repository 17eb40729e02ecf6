"""Where the nodes of a drawn tree stand."""

import math
from dataclasses import dataclass, field

from lass_plugin.analysis.trees.rooted import Node

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
    share = 2 * math.pi / len(list(root.leaves()))

    def visit(node: Node, place: Point, start: float) -> None:
        for child in node.children:
            width = share * len(list(child.leaves()))
            angle, length = start + width / 2, max(child.length, 0.0)
            end = (
                place[0] + length * math.cos(angle),
                place[1] + length * math.sin(angle),
            )
            drawing.lines.append([place, end])
            if child.leaf is not None:
                drawing.ends[child.leaf] = (end, angle)
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
        if node.leaf is not None:
            height = float(len(drawing.ends))
            drawing.ends[node.leaf] = ((distance, height), 0.0)
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
