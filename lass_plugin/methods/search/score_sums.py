"""The sums of a search's scores, of many matrices in one operation on a GPU."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from lass_plugin.devices import at_once
from lass_plugin.scores.score import Score
from lass_plugin.training.side_by_side import SideBySide
from lass_plugin.training.stretches import Stretch

AT_ONCE = 1 << 24
"""Weights whose scores are added to in one operation."""


class ScoreSums:
    """The sum of the scores of every weight over some updates.

    Args:
        shapes: site -> something of its shape, on the device of the weights.
        before: sums so far; those that are missing begin with zeros.
        zeros: makes memory of so many float32 numbers, all 0, where the sums are to
            lie; None for the device of the weights. Sums can be added to there alone.
    """

    def __init__(
        self,
        shapes: Mapping[str, Tensor],
        before: Mapping[str, Tensor],
        zeros: Callable[[int], Tensor] | None = None,
    ):
        there = next(iter(shapes.values())).device
        zeros = zeros or partial(torch.zeros, dtype=torch.float32, device=there)
        self.parts: dict[str, Tensor] = {}
        """Site -> its sums, float32, in its shape."""
        self.buffers: list[Tensor] = []
        """The memory of all, flat; cut alike wherever the sums of one model lie."""
        self._blocks: list[tuple[SideBySide, Tensor]] = []
        if at_once(there):
            for names in _blocks(shapes):
                layout = SideBySide({name: shapes[name] for name in names})
                self.buffers.append(zeros(layout.units))
                self._blocks.append((layout, self.buffers[-1]))
                self.parts |= layout.views(self.buffers[-1])
        for name, like in shapes.items():
            if name not in self.parts:
                self.buffers.append(zeros(like.numel()))
                self.parts[name] = self.buffers[-1].view(like.shape)
            if name in before:
                self.parts[name].copy_(before[name])

    def add(
        self, score: Score, stretches: Mapping[str, Stretch], factor: float | Tensor
    ) -> None:
        """Add the update that is about to be made, where there is a gradient."""
        rest = set(stretches)
        if score.elementwise:
            for layout, buffer in self._blocks:
                if self._add_block(layout, buffer, score, stretches, factor):
                    rest.difference_update(layout.names)
        assert score.accumulate is not None
        for name in stretches:
            stretch = stretches[name]
            if name in rest and stretch.gradient is not None:
                sums = self.parts[name].view(-1)
                score.accumulate(sums, stretch.value, stretch.gradient, factor)

    def _add_block(
        self,
        layout: SideBySide,
        buffer: Tensor,
        score: Score,
        stretches: Mapping[str, Stretch],
        factor: float | Tensor,
    ) -> bool:
        values = {name: stretches[name].value for name in layout.names}
        gradients = {
            name: gradient
            for name in layout.names
            if (gradient := stretches[name].gradient) is not None
        }
        if len(gradients) < len(values):
            return False  # a layer was left out
        assert score.accumulate is not None
        value, gradient = layout.joined(values), layout.joined(gradients)
        score.accumulate(buffer, value, gradient, factor)
        return True


def _blocks(shapes: Mapping[str, Tensor]) -> Iterator[Sequence[str]]:
    names: list[str] = []
    units = 0
    for name, like in shapes.items():
        if names and units + like.numel() > AT_ONCE:
            yield names
            names, units = [], 0
        names.append(name)
        units += like.numel()
    if names:
        yield names
