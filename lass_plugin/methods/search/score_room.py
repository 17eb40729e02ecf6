"""Where the scores of many pairs are: in the host's memory, those in use on the device.

Scores of 300 pairs do not fit on a GPU. An update adds to one of the two sums of one
pair, and which pair comes next is drawn anew for each update. So a sum is brought to
the device when the first micro-batch of its update begins, beside its forward and
backward pass, and goes back when its place is needed for another.
"""

import contextlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from lass_plugin.methods.search.score_sums import ScoreSums

logger = logging.getLogger(__name__)

Name = tuple[str, int]
"""A key, and which of its two sums: of its even or of its odd updates."""


class Lane(Protocol):
    """Copies beside the computation, in the order in which they are asked for."""

    def copy(self, source: Iterable[Tensor], target: Iterable[Tensor]) -> None:
        """Copy once what has been launched so far is done; do not wait for it."""

    def join(self) -> None:
        """Let what is launched from now on wait for the copies."""

    def finish(self) -> None:
        """Wait for the copies."""


class AtOnce:
    """The lane of a device that has no other: copies are done when they return."""

    def copy(self, source: Iterable[Tensor], target: Iterable[Tensor]) -> None:
        for theirs, mine in zip(source, target, strict=True):
            mine.copy_(theirs)

    def join(self) -> None:
        pass

    def finish(self) -> None:
        pass


class OwnStream:
    """A stream of its own on a GPU; the host's memory has to be page-locked."""

    def __init__(self, device: torch.device):
        self._device = device
        self._stream = torch.cuda.Stream(device)

    def copy(self, source: Iterable[Tensor], target: Iterable[Tensor]) -> None:
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            for theirs, mine in zip(source, target, strict=True):
                mine.copy_(theirs, non_blocking=True)

    def join(self) -> None:
        torch.cuda.current_stream(self._device).wait_stream(self._stream)

    def finish(self) -> None:
        self._stream.synchronize()


def lane_of(device: torch.device) -> Lane:
    """The lane on which sums go to *device* and back."""
    return OwnStream(device) if device.type == "cuda" else AtOnce()


class HostMemory:
    """Memory of the host, page-locked where a GPU copies from it, as long as the system
    gives such memory.

    Args:
        device: that copies from it.
    """

    def __init__(self, device: torch.device):
        self._locked = device.type == "cuda"

    def zeros(self, units: int) -> Tensor:
        """``(units,)`` float32."""
        if self._locked:
            with contextlib.suppress(RuntimeError):
                return torch.zeros(units, dtype=torch.float32, pin_memory=True)
            self._locked = False
            logger.warning(
                "the system gives no more page-locked memory for scores, so that some "
                "of them are copied to the GPU more slowly; the masks stay the same"
            )
        return torch.zeros(units, dtype=torch.float32)


@dataclass
class Copies:
    """How often sums were moved."""

    updates: int = 0
    """That have added to a sum."""
    to_device: int = 0
    to_host: int = 0


@dataclass
class _Place:
    """Room for one sum on the device."""

    sums: ScoreSums
    name: Name | None = None
    changed: bool = False
    """Whether the sum is another than in the host's memory."""


class ScoreRoom:
    """The sums of the scores of the pairs of one training.

    Args:
        shapes: site -> its weight.
        places: sums that the device has room for; the others are in the host's memory.
            None for all: nothing is moved.
        lane: None for that of the weights' device.
    """

    def __init__(
        self,
        shapes: Mapping[str, Tensor],
        places: int | None,
        lane: Lane | None = None,
    ):
        device = next(iter(shapes.values())).device
        self.copies = Copies()
        self._shapes = dict(shapes)
        self._sums: dict[Name, ScoreSums] = {}
        self._moves = places is not None
        self._host = HostMemory(device)
        self._lane = lane or lane_of(device)
        self._places = [_Place(ScoreSums(shapes, {})) for _ in range(places or 0)]
        """The one that was used last comes last."""

    def keep(self, name: Name, before: Mapping[str, Tensor]) -> None:
        """Have room for a sum, with what it was before or zeros."""
        for place in self._places:
            if place.name == name:
                place.name = None
        zeros = self._host.zeros if self._moves else None
        self._sums[name] = ScoreSums(self._shapes, before, zeros)

    def fetch(self, name: Name) -> None:
        """Begin to bring a sum to the device, where it is not."""
        if self._moves:
            self._place(name)

    def taken(self, name: Name) -> ScoreSums:
        """A sum on the device of the weights, to be added to."""
        if not self._moves:
            return self._sums[name]
        self.copies.updates += 1
        place = self._place(name)
        place.changed = True
        self._lane.join()
        return place.sums

    def parts(self, name: Name) -> dict[str, Tensor]:
        """Site -> its sums, to be read: on the device or in the host's memory."""
        for place in self._places:
            if place.name == name:
                self._lane.join()
                return place.sums.parts
        self._lane.finish()  # it may just be on its way back
        return self._sums[name].parts

    def _place(self, name: Name) -> _Place:
        """The place where a sum is or will be, the last one used from now on."""
        for number, place in enumerate(self._places):
            if place.name == name:
                self._places.append(self._places.pop(number))
                return place
        self._places.append(place := self._places.pop(0))
        if place.name is not None and place.changed:
            self.copies.to_host += 1
            self._lane.copy(place.sums.buffers, self._sums[place.name].buffers)
        self.copies.to_device += 1
        place.name, place.changed = name, False
        self._lane.copy(self._sums[name].buffers, place.sums.buffers)
        return place

    def told(self) -> str:
        """The copies in words, for a log; "" where nothing is moved."""
        if not self._moves:
            return ""
        made = self.copies
        return (
            f"scores of {made.updates} updates: {made.to_device} copies to the device, "
            f"{made.to_host} back"
        )
