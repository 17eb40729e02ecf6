"""What a pair may cost: allocation of neurons under a budget of parameters or FLOPs."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from lass_plugin.anatomy.neurons import owned_parameters
from lass_plugin.anatomy.places import find_place
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError
from lass_plugin.neurons.importance import Counts, Importance, check_model

KINDS = ("parameters", "flops")


class Costs:
    """What the neurons of a model cost.

    The weights of a matrix that are kept are those between neurons that are kept, so
    the cost of a choice is not the sum of the costs of its neurons.

    Args:
        neurons: site -> number of neurons.
        shapes: parameter -> shape, of all that the neurons own
            (:func:`.masks.neurons.weight_shapes`).
    """

    def __init__(
        self, neurons: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]]
    ):
        self._neurons = dict(neurons)
        self._shapes = dict(shapes)
        self._axes: dict[str, dict[int, list[str]]] = {name: {} for name in shapes}
        for site in neurons:
            for name, axis in owned_parameters(site):
                if name in self._axes:
                    self._axes[name].setdefault(axis, []).append(site)

    def of(
        self, kept: Mapping[str, np.ndarray | int], counts: Counts, kind: str
    ) -> np.ndarray:
        """The cost of keeping so many neurons.

        Args:
            kept: site -> number of neurons kept, of any shape (the same for all).

        Returns:
            float64 of that shape. Where two kinds of neurons lie along one axis of a
            matrix (values and heads) it is what is kept if their choices are
            independent.
        """
        total: np.ndarray = np.zeros(np.shape(next(iter(kept.values()))))
        for name, shape in self._shapes.items():
            cost: np.ndarray = np.full(total.shape, float(np.prod(shape)))
            for sites in self._axes[name].values():
                for site in sites:
                    cost = cost * (np.asarray(kept[site]) / self._neurons[site])
            total = total + cost * self._positions(name, counts, kind)
        return total

    def dense(self, counts: Counts, kind: str) -> float:
        """The cost of keeping all."""
        return float(self.of(self._neurons, counts, kind))

    @staticmethod
    def _positions(name: str, counts: Counts, kind: str) -> float:
        """How often a weight counts: once, or twice for each token it is used on."""
        if kind == "parameters":
            return 1.0
        tokens = counts.source if find_place(name).reads_source else counts.target
        return 2.0 * tokens / counts.sentences


@dataclass(frozen=True)
class Budget:
    """A share of what the weights that the neurons own cost when all are kept.

    Raises:
        LassError: names the option that is out of range.
    """

    share: float
    """In (0, 1]."""
    kind: str
    """``parameters``, or ``flops``: multiplications and additions for a sentence of the
    pair's mean lengths."""
    costs: Costs

    def __post_init__(self) -> None:
        if not 0.0 < self.share <= 1.0:
            raise LassError(
                f"--budget {self.share:g} is not a share above 0 and up to 1"
            )
        if self.kind not in KINDS:
            raise LassError(f"--budget-of {self.kind} is none of {', '.join(KINDS)}")

    def choose(
        self,
        relative: Mapping[str, Tensor],
        ahead: Mapping[str, Tensor],
        general: Mapping[str, Tensor],
        counts: Counts,
        pair: str,
    ) -> tuple[dict[str, Tensor], float]:
        """As many of a pair's neurons as the budget allows.

        They are taken in the order in which a falling k of Eq. 9 takes them, by
        Θ^m(i) / max Θ(i); of those that are equal (all that the pair needs most) by
        *ahead*, then by index.

        Args:
            relative: site -> ``(neurons,)`` Θ^m(i) / max_m Θ^m(i) of the pair.
            ahead: site -> ``(neurons,)`` Θ^m(i) / I(i).
            general: site -> ``(neurons,)`` boolean.

        Returns:
            Site -> ``(neurons,)`` boolean, the general neurons among them; and k, the
            relative importance of the last neuron taken (1 where none is).

        Raises:
            LassError: the general neurons alone cost more.
        """
        sites, dense = list(general), self.costs.dense(counts, self.kind)
        least = {site: int(general[site].sum()) for site in sites}
        alone = float(self.costs.of(least, counts, self.kind))
        if alone > self.share * dense:
            raise LassError(
                f"the general neurons alone take {alone / dense:.1%} of the "
                f"{self.kind} of {pair}, more than --budget {self.share:g}; lower "
                "--general"
            )
        free = {site: (~general[site]).nonzero().view(-1) for site in sites}
        owner = np.repeat(np.arange(len(sites)), [len(own) for own in free.values()])
        neuron = np.concatenate([own.numpy() for own in free.values()])
        rank, tie = (
            np.concatenate([of[site][free[site]].numpy() for site in sites])
            for of in (relative, ahead)
        )
        order = np.lexsort((-tie, -rank))
        taken = np.zeros((order.size + 1, len(sites)), dtype=np.int64)
        taken[np.arange(1, order.size + 1), owner[order]] = 1
        numbers = zip(sites, taken.cumsum(axis=0).T, strict=True)
        kept_numbers = {site: least[site] + count for site, count in numbers}
        cost = self.costs.of(kept_numbers, counts, self.kind)
        count = int(np.flatnonzero(cost <= self.share * dense)[-1])
        kept = {site: general[site].clone() for site in sites}
        for place in order[:count]:
            kept[sites[owner[place]]][neuron[place]] = True
        return kept, float(rank[order[count - 1]]) if count else 1.0


def costs_of(importance: Importance, checkpoint: str | os.PathLike) -> Costs:
    """What the neurons of *importance* cost in the model of *checkpoint*.

    Raises:
        LassError: the importance is of another model.
    """
    tensors = Checkpoint.read(checkpoint).weights
    return Costs(importance.neurons, check_model(importance, tensors, str(checkpoint)))
