"""Which modules compute a batch: those of its pair, of its source or of its target.

All modules of a model ask one :class:`Routing`. A batch is of one pair, or, in training
with ``--mixed-batches``, each of its sentences is of its own.
"""

import contextlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from lass_plugin.languages import SOURCE, TARGET, Pair, key_of


@dataclass(frozen=True)
class Chosen:
    """The keys of a batch by one index, by which its modules are chosen."""

    keys: tuple[str, ...]
    """Without repeats, sorted."""
    rows: Tensor | None = None
    """``(sentences,)`` number in *keys* of each sentence; None if there is one."""
    counts: tuple[int, ...] = ()
    """How many sentences are of each key, where there are several."""
    own: dict[tuple, Tensor] = field(default_factory=dict, repr=False, compare=False)
    """What modules keep of a batch of several keys while it is computed."""

    @classmethod
    def of(cls, keys: Sequence[str], device: Any = None) -> "Chosen":
        """The choice of *keys*, one for each sentence of the batch."""
        distinct = tuple(sorted(set(keys)))
        if len(distinct) == 1:
            return cls(distinct)
        numbers = {key: number for number, key in enumerate(distinct)}
        rows = torch.tensor([numbers[key] for key in keys])
        counts = tuple(map(list(keys).count, distinct))
        return cls(distinct, rows.to(device), counts)

    @cached_property
    def _order(self) -> tuple[Tensor, Tensor]:
        """The sentences key after key, and where each of them is then."""
        assert self.rows is not None
        order = torch.argsort(self.rows, stable=True)
        return order, torch.argsort(order)

    def each(self, x: Tensor, compute: Callable[[str, Tensor], Tensor]) -> Tensor:
        """What *compute* makes of the sentences of each key.

        Args:
            x: ``(positions, sentences, channels)``.
            compute: given a key and its sentences of *x*, a tensor of their shape.

        Returns:
            The same, with each sentence where it was.
        """
        if self.rows is None:
            return compute(self.keys[0], x)
        order, place = self._order
        parts = x.index_select(1, order).split(self.counts, 1)
        made = [compute(key, part) for key, part in zip(self.keys, parts, strict=True)]
        return torch.cat(made, 1).index_select(1, place)


class Routing:
    """What the batch that is being computed is of; all modules of a model share it.

    Args:
        indices: what modules are chosen by, see :func:`.languages.key_of`.
    """

    def __init__(self, indices: Sequence[str] = (SOURCE, TARGET)) -> None:
        self.indices = tuple(indices)
        self.chosen: dict[str, Chosen] = {}
        """Index -> keys; empty while nothing is chosen: the model then is the base."""
        self.scales: dict[tuple, Tensor] = {}
        """What modules keep of batches of one key: on a GPU each making of a tensor
        waits for a copy."""

    def choose(self, *chosen: Chosen) -> None:
        """Compute with the modules of *chosen*, one for each index, from now on."""
        self.chosen = dict(zip(self.indices, chosen, strict=True))

    def choose_for(
        self, pairs: Sequence[Pair], device: torch.device | None = None
    ) -> None:
        """Compute with the modules of *pairs* from now on.

        Args:
            pairs: that of the batch, or that of each of its sentences.
        """
        keys = [[key_of(pair, index) for pair in pairs] for index in self.indices]
        self.choose(*(Chosen.of(each, device) for each in keys))

    @contextlib.contextmanager
    def using(
        self, pairs: Sequence[Pair], device: torch.device | None = None
    ) -> Iterator[None]:
        """Compute with the modules of *pairs* inside this block."""
        before = self.chosen
        self.choose_for(pairs, device)
        try:
            yield
        finally:
            self.chosen = before

    def using_keys(
        self, pairs: Mapping[str, Pair], parameters: Iterable[Tensor]
    ) -> Callable[[Sequence[str]], contextlib.AbstractContextManager[None]]:
        """:meth:`using` of pairs by their keys, on the device of *parameters*."""
        device = next(iter(parameters)).device
        return lambda keys: self.using([pairs[key] for key in keys], device)
