"""Components: heads, hidden units and ranks of the embedding, and what they weigh."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lass_plugin.anatomy.neurons import UNITS, unit_of
from lass_plugin.anatomy.places import EMBEDDING, find_place

MATRICES_OF_A_HEAD = 4
MATRICES_OF_A_UNIT = 2
MATRICES_OF_A_RANK = 1
"""Rows or columns of a matrix that go with a component (Li 2022, Appendix B): of a head
W_q, W_k, W_v and W_o, each as often as a head is wide; of a hidden unit W_1 and W_2; of
a rank the embedding. All are as long as the model is wide, which cancels out."""

HEADS, UNIT = UNITS["heads"], UNITS["ffn-hidden"]
GATED_UNITS = (HEADS, UNIT)


def is_rank(site: str) -> bool:
    """Whether *site* is the ranks of an embedding."""
    place = find_place(site)
    return place.part == EMBEDDING and not place.tensor


def is_component_site(site: str) -> bool:
    """Whether *site* is a row of heads, of hidden units, or of ranks."""
    return unit_of(site) in GATED_UNITS or is_rank(site)


@dataclass(frozen=True)
class Components:
    """The components of one model, in a fixed order: site after site.

    Attributes:
        counts: site -> number of its components.
        widths: site of heads -> width of a head.
    """

    counts: Mapping[str, int]
    widths: Mapping[str, int]

    @property
    def total(self) -> int:
        """Number of all components."""
        return sum(self.counts.values())

    def weight(self, site: str) -> int:
        """What one component of *site* weighs (Appendix B)."""
        if is_rank(site):
            return MATRICES_OF_A_RANK
        if unit_of(site) is HEADS:
            return MATRICES_OF_A_HEAD * self.widths[site]
        return MATRICES_OF_A_UNIT

    def weights(self) -> Tensor:
        """``(components,)`` float64 weight of each."""
        return self._spread({site: float(self.weight(site)) for site in self.counts})

    def counted(self) -> Tensor:
        """``(components,)`` boolean: what a sparsity counts, all but ranks (§5.2)."""
        return self._spread({site: not is_rank(site) for site in self.counts})

    def _spread(self, values: Mapping[str, float | bool]) -> Tensor:
        if not self.counts:
            return torch.zeros(0, dtype=torch.float64)
        return torch.cat(
            [
                torch.full(
                    (count,),
                    values[site],
                    dtype=torch.bool
                    if isinstance(values[site], bool)
                    else torch.float64,
                )
                for site, count in self.counts.items()
            ]
        )

    def joined(self, of_sites: Mapping[str, Tensor]) -> Tensor:
        """``(…, components)``: the values of the sites one after the other."""
        return torch.cat([of_sites[site] for site in self.counts], dim=-1)

    def split(self, values: Tensor) -> dict[str, Tensor]:
        """Site -> its values, of ``(…, components)``."""
        parts = values.split(list(self.counts.values()), dim=-1)
        return dict(zip(self.counts, parts, strict=True))

    def slices(self) -> Iterator[tuple[str, slice]]:
        """Each site and where its components stand among all."""
        first = 0
        for site, count in self.counts.items():
            yield site, slice(first, first + count)
            first += count

    def sparsity(self, gates: Mapping[str, Tensor], embeddings: bool = False) -> float:
        """The weighted share that is removed.

        Args:
            gates: site -> ``(n,)``; a gate that is not zero keeps its component.
            embeddings: count ranks too; by default heads and hidden units only.

        Returns:
            0 where there is nothing that counts.
        """
        kept = self.joined(gates) != 0
        weights = self.weights()
        if not embeddings:
            weights = weights * self.counted()
        whole = float(weights.sum())
        if whole == 0.0:
            return 0.0
        return 1.0 - float(weights[kept.to(weights.device)].sum()) / whole


def check_sites(counts: Mapping[str, int], sites: Sequence[str]) -> None:
    """Refuse sites that are no components.

    Raises:
        ValueError: names the first one.
    """
    for site in sites:
        if not is_component_site(site) or counts[site] < 1:
            raise ValueError(f"{site} is no row of heads, hidden units or ranks")
